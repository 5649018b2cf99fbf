//! The same rows asked in every protocol get the same answers, bit for bit.

mod common;

use bytes::Bytes;
use common::client::{Client, Request};
use common::grpc::Client as Grpc;
use common::{Server, good};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::cell::RefCell;
use tidegate::front::grpc::proto::model_infer_request::InferInputTensor;
use tidegate::front::grpc::proto::{InferTensorContents, ModelInferRequest, ModelInferResponse};

const WIDTH: usize = 13;
const CASES: u32 = 24;

/// Labels, and the bits of the scores, of all rows.
type Answer = (Vec<String>, Vec<u32>);

fn bits(values: &Value) -> Vec<u32> {
    let list = values.as_array().expect("a list");
    list.iter()
        .flat_map(|value| match value {
            Value::Array(_) => bits(value),
            // As text: a number read as FP64 and rounded would be another number.
            number => vec![number.to_string().parse::<f32>().expect("a number").to_bits()],
        })
        .collect()
}

fn texts(values: &Value) -> Vec<String> {
    values.as_array().expect("a list").iter().map(|text| text.as_str().expect("text").to_owned()).collect()
}

fn raw(rows: &[[f32; WIDTH]]) -> Vec<u8> {
    rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect()
}

fn labels_of(mut bytes: &[u8]) -> Vec<String> {
    let mut labels = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (text, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        labels.push(String::from_utf8(text.to_vec()).expect("text"));
        bytes = rest;
    }
    labels
}

fn bits_of(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().expect("four"))).collect()
}

fn post(client: &mut Client, path: &str, body: &Value) -> Value {
    good(path, &client.ask(&Request::post(path, body.to_string()).with("content-type", "application/json")))
}

fn plain(client: &mut Client, rows: &[[f32; WIDTH]]) -> Answer {
    let answer = post(client, "/models/wine/predict", &json!(rows));
    (texts(&answer["predictions"]), bits(&answer["probabilities"]))
}

fn oip(client: &mut Client, rows: &[[f32; WIDTH]]) -> Answer {
    let input = json!({"name": "input", "datatype": "FP32", "shape": [rows.len(), WIDTH], "data": rows});
    let answer = post(client, "/v2/models/wine/infer", &json!({"inputs": [input]}));
    (texts(&answer["outputs"][0]["data"]), bits(&answer["outputs"][1]["data"]))
}

fn binary(client: &mut Client, rows: &[[f32; WIDTH]]) -> Answer {
    let tail = raw(rows);
    let input = json!({"name": "input", "datatype": "FP32", "shape": [rows.len(), WIDTH],
                       "parameters": {"binary_data_size": tail.len()}});
    let json = json!({"inputs": [input], "parameters": {"binary_data_output": true}}).to_string();
    let request = Request::post("/v2/models/wine/infer", [json.as_bytes(), &tail].concat());
    let reply = client.ask(&request.with("inference-header-content-length", &json.len().to_string()));
    assert_eq!(reply.status, 200, "{reply}");
    let length = reply.header("inference-header-content-length").expect("raw tensors").parse().expect("a length");
    let (json, tail) = reply.body.split_at(length);
    let answer: Value = serde_json::from_slice(json).expect("JSON");
    let size = answer["outputs"][0]["parameters"]["binary_data_size"].as_u64().expect("a size") as usize;
    (labels_of(&tail[..size]), bits_of(&tail[size..]))
}

fn rows_first(client: &mut Client, rows: &[[f32; WIDTH]]) -> Answer {
    let answer = post(client, "/v1/models/wine:predict", &json!({"instances": rows}));
    let list = answer["predictions"].as_array().expect("rows");
    let label = |row: &Value| row["output_label"].as_str().expect("text").to_owned();
    (list.iter().map(label).collect(), list.iter().flat_map(|row| bits(&row["output_probability"])).collect())
}

fn columns_first(client: &mut Client, rows: &[[f32; WIDTH]]) -> Answer {
    let answer = post(client, "/v1/models/wine:predict", &json!({"inputs": rows}));
    (texts(&answer["outputs"]["output_label"]), bits(&answer["outputs"]["output_probability"]))
}

fn over_grpc(client: &mut Grpc, rows: &[[f32; WIDTH]], is_raw: bool) -> Answer {
    let contents =
        InferTensorContents { fp32_contents: rows.iter().flatten().copied().collect(), ..Default::default() };
    let request = ModelInferRequest {
        model_name: "wine".into(),
        inputs: vec![InferInputTensor {
            name: "input".into(),
            datatype: "FP32".into(),
            shape: vec![rows.len() as i64, WIDTH as i64],
            contents: (!is_raw).then_some(contents),
            ..Default::default()
        }],
        raw_input_contents: if is_raw { vec![Bytes::from(raw(rows))] } else { Vec::new() },
        ..Default::default()
    };
    let answer: ModelInferResponse = client.ask("ModelInfer", &request).message();
    if is_raw {
        return (labels_of(&answer.raw_output_contents[0]), bits_of(&answer.raw_output_contents[1]));
    }
    let typed = |at: usize| answer.outputs[at].contents.as_ref().expect("typed");
    let label = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).expect("text");
    let labels = typed(0).bytes_contents.iter().map(label).collect();
    (labels, typed(1).fp32_contents.iter().map(|value| value.to_bits()).collect())
}

#[test]
fn every_protocol_gives_the_same_bits() {
    let server = Server::with(|config| config.front.default_model = Some("wine".to_owned()));
    let (client, grpc) = (RefCell::new(server.client()), RefCell::new(Grpc::connect(server.address())));
    let any_row = proptest::array::uniform13(-50f32..1500.0);
    let rows = proptest::collection::vec(any_row, 1..6);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&rows, |rows| {
        let (mut client, mut grpc) = (client.borrow_mut(), grpc.borrow_mut());
        let wanted = plain(&mut client, &rows);
        prop_assert_eq!(wanted.0.len(), rows.len());
        prop_assert_eq!(&oip(&mut client, &rows), &wanted);
        prop_assert_eq!(&binary(&mut client, &rows), &wanted);
        prop_assert_eq!(&rows_first(&mut client, &rows), &wanted);
        prop_assert_eq!(&columns_first(&mut client, &rows), &wanted);
        prop_assert_eq!(&over_grpc(&mut grpc, &rows, false), &wanted);
        prop_assert_eq!(&over_grpc(&mut grpc, &rows, true), &wanted);
        let invoked = post(&mut client, "/invocations", &json!({"instances": rows}));
        prop_assert_eq!(&texts(&invoked["predictions"]), &wanted.0);
        Ok(())
    });
    drop((client.into_inner(), grpc.into_inner()));
    server.stop();
    outcome.expect("bit for bit");
}
