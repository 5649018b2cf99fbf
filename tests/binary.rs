//! Raw tensors in and out, classes, and packed answers, over the Open Inference Protocol's REST form.

mod common;

use common::client::{Client, Reply, Request};
use common::{Server, good};
use flate2::read::{GzDecoder, ZlibDecoder};
use serde_json::{Value, json};
use std::io::Read;

const ROW: [f32; 13] = [11.96, 1.09, 2.3, 21.0, 101.0, 3.38, 2.14, 0.13, 1.65, 3.21, 0.99, 3.13, 886.0];
const INFER: &str = "/v2/models/wine/infer";
const LENGTH: &str = "inference-header-content-length";

fn bytes_of(row: &[f32]) -> Vec<u8> {
    row.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A request with one row of raw numbers and other members beside its input.
fn raw(members: Value) -> Request {
    let mut body = members;
    let size = json!({"binary_data_size": 52});
    body["inputs"] = json!([{"name": "input", "shape": [1, 13], "datatype": "FP32", "parameters": size}]);
    let json = body.to_string();
    Request::post(INFER, [json.as_bytes(), &bytes_of(&ROW)].concat()).with(LENGTH, &json.len().to_string())
}

/// The JSON of an answer, and the raw tensors behind it.
fn parts(reply: &Reply) -> (Value, Vec<u8>) {
    assert_eq!(reply.status, 200, "{reply}");
    let Some(length) = reply.header(LENGTH) else { return (good("JSON", reply), Vec::new()) };
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    let (json, tail) = reply.body.split_at(length.parse().expect("a length"));
    (serde_json::from_slice(json).expect("JSON"), tail.to_vec())
}

fn ask(client: &mut Client, request: &Request) -> (Value, Vec<u8>) {
    parts(&client.ask(request))
}

#[test]
fn outputs_come_raw_where_that_is_asked_for() {
    let server = Server::start();
    let mut client = server.client();
    let (plain, none) = ask(&mut client, &raw(json!({})));
    assert!(none.is_empty(), "nobody asked for raw outputs");
    let scores: Vec<f32> = serde_json::from_value(plain["outputs"][1]["data"].clone()).expect("numbers");
    let scores = bytes_of(&scores);
    let label = b"\x07\0\0\0class_1".to_vec();
    let output = |name: &str, binary: bool| json!({"name": name, "parameters": {"binary_data": binary}});
    for (members, wanted) in [
        (json!({"parameters": {"binary_data_output": true}}), [label.clone(), scores.clone()].concat()),
        (json!({"outputs": [output("output_probability", true)]}), scores.clone()),
        (
            json!({"outputs": [output("output_probability", true), output("output_label", true)]}),
            [scores.clone(), label].concat(),
        ),
        (json!({"outputs": [output("output_label", false), output("output_probability", true)]}), scores.clone()),
        (
            json!({"parameters": {"binary_data_output": true},
                   "outputs": [output("output_label", false), {"name": "output_probability"}]}),
            scores,
        ),
        (json!({"outputs": [output("output_label", false)]}), Vec::new()),
    ] {
        let (answer, tail) = ask(&mut client, &raw(members.clone()));
        assert_eq!(tail, wanted, "{members}");
        let sizes = answer["outputs"].as_array().expect("a list").iter();
        let announced: u64 = sizes.filter_map(|output| output["parameters"]["binary_data_size"].as_u64()).sum();
        assert_eq!(announced, wanted.len() as u64, "{members}");
        for output in answer["outputs"].as_array().expect("a list") {
            assert_ne!(
                output.get("data").is_some(),
                output["parameters"]["binary_data_size"].is_u64(),
                "one of the two"
            );
        }
    }
    drop(client);
    server.stop();
}

#[test]
fn a_body_of_nothing_but_numbers_is_one_row() {
    let server = Server::start();
    let mut client = server.client();
    let (whole, wanted) = ask(&mut client, &raw(json!({"parameters": {"binary_data_output": true}})));
    let (answer, tail) = ask(&mut client, &Request::post(INFER, bytes_of(&ROW)).with(LENGTH, "0"));
    assert_eq!((&answer["outputs"], tail), (&whole["outputs"], wanted));
    drop(client);
    server.stop();
}

#[test]
fn raw_and_json_inputs_may_be_mixed() {
    let server = Server::start();
    let mut client = server.client();
    let text = |name: &str, value: &str| json!({"name": name, "datatype": "BYTES", "shape": [1, 1], "data": [value]});
    let number = |name: &str, value: f32| json!({"name": name, "datatype": "FP32", "shape": [1, 1], "data": [value]});
    let raw = |name: &str, datatype: &str, size: usize| json!({"name": name, "datatype": datatype, "shape": [1, 1], "parameters": {"binary_data_size": size}});
    let path = "/v2/models/churn/infer";
    let rest = [number("support_calls", 4.0), number("data_usage_gb", 1.5), text("payment_method", "card")];
    let plain: Vec<Value> = [number("tenure_months", 3.0), number("monthly_charges", 80.0)]
        .into_iter()
        .chain(rest.clone())
        .chain([text("contract", "month-to-month"), text("region", "north")])
        .collect();
    let mixed: Vec<Value> = [raw("region", "BYTES", 9), raw("monthly_charges", "FP32", 4)]
        .into_iter()
        .chain(rest)
        .chain([text("contract", "month-to-month"), raw("tenure_months", "FP32", 4)])
        .collect();
    let json = json!({"inputs": mixed}).to_string();
    let tail = [b"\x05\0\0\0north".as_slice(), &80f32.to_le_bytes(), &3f32.to_le_bytes()].concat();
    let request = Request::post(path, [json.as_bytes(), &tail].concat()).with(LENGTH, &json.len().to_string());
    let (one, _) = ask(&mut client, &Request::post(path, json!({"inputs": plain}).to_string()));
    let (other, _) = ask(&mut client, &request);
    assert_eq!(one["outputs"], other["outputs"]);
    drop(client);
    server.stop();
}

#[test]
fn classes_come_with_their_labels_the_highest_first() {
    let server = Server::start();
    let mut client = server.client();
    let asked = json!({"outputs": [{"name": "output_probability", "parameters": {"classification": 2}}]});
    let (answer, _) = ask(&mut client, &raw(asked));
    let output = &answer["outputs"][0];
    assert_eq!((&output["datatype"], &output["shape"]), (&json!("BYTES"), &json!([1, 2])));
    let first = output["data"][0].as_str().expect("text");
    let parts: Vec<&str> = first.split(':').collect();
    assert_eq!(parts[1..], ["1", "class_1"], "{first}");
    assert!(parts[0].parse::<f32>().expect("a number") > 0.5);
    drop(client);
    server.stop();
}

#[test]
fn long_answers_are_packed_for_those_who_read_them() {
    let server = Server::start();
    let mut client = server.client();
    let rows: Vec<[f32; 13]> = vec![ROW; 200];
    let body = json!({"inputs": [{"name": "input", "shape": [200, 13], "datatype": "FP32", "data": rows}]}).to_string();
    let request = |encoding: &str| Request::post(INFER, body.clone()).with("accept-encoding", encoding);
    let plain = client.ask(&Request::post(INFER, body.clone()));
    assert_eq!(plain.header("content-encoding"), None);
    let wanted = good("plain", &plain)["outputs"].clone();
    for encoding in ["gzip", "deflate"] {
        let reply = client.ask(&request(encoding));
        assert_eq!(reply.header("content-encoding"), Some(encoding));
        assert!(reply.body.len() < plain.body.len() / 2);
        let mut text = String::new();
        match encoding {
            "gzip" => GzDecoder::new(&reply.body[..]).read_to_string(&mut text),
            _ => ZlibDecoder::new(&reply.body[..]).read_to_string(&mut text),
        }
        .expect("a packed text");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answer["outputs"], wanted);
    }
    assert_eq!(client.ask(&request("br, identity")).header("content-encoding"), None);
    let short = client.ask(&Request::get("/v2").with("accept-encoding", "gzip"));
    assert_eq!(short.header("content-encoding"), None);
    drop(client);
    server.stop();
}
