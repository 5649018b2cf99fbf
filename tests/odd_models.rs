//! Models that are not one plain table in and one row out: every answer is whole, every refusal kind.

mod common;

use common::client::{Client, Request};
use common::{Server, good, json};
use prost::Message;
use serde_json::{Value, json as body};
use std::path::Path;
use tidegate::config::Config;
use tidegate::engine::onnx::pb;
use tidegate::json::NonFinite;
use tidegate::registry::Control;

/// An axis: a length, or a name for any.
#[derive(Clone, Copy)]
enum Axis {
    Of(i64),
    Any(&'static str),
}
use Axis::{Any, Of};

const FLOAT: i32 = pb::tensor_proto::DataType::Float as i32;
const INT64: i32 = pb::tensor_proto::DataType::Int64 as i32;

fn end(name: &str, element: i32, axes: &[Axis]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    let dim = |axis: &Axis| {
        let value = match axis {
            Of(n) => Value::DimValue(*n),
            Any(name) => Value::DimParam((*name).into()),
        };
        Dimension { denotation: String::new(), value: Some(value) }
    };
    let shape = pb::TensorShapeProto { dim: axes.iter().map(dim).collect() };
    let tensor = pb::type_proto::Tensor { elem_type: element, shape: Some(shape) };
    let value = Some(pb::type_proto::Value::TensorType(tensor));
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto { denotation: String::new(), value }),
        doc_string: String::new(),
    }
}

fn node(op: &str, inputs: &[&str]) -> pb::NodeProto {
    let input = inputs.iter().map(ToString::to_string).collect();
    pb::NodeProto { op_type: op.into(), name: op.into(), input, output: vec!["y".into()], ..Default::default() }
}

fn table(name: &str, rows: i64, columns: i64) -> pb::TensorProto {
    let float_data = (0..rows * columns).map(|at| at as f32).collect();
    pb::TensorProto { name: name.into(), dims: vec![rows, columns], data_type: FLOAT, float_data, ..Default::default() }
}

/// A model of one node, from `x` to `y`.
fn model(node: pb::NodeProto, x: pb::ValueInfoProto, y: pb::ValueInfoProto, stored: Vec<pb::TensorProto>) -> Vec<u8> {
    let graph = pb::GraphProto {
        node: vec![node],
        name: "odd".into(),
        input: vec![x],
        output: vec![y],
        initializer: stored,
        ..Default::default()
    };
    let opset = pb::OperatorSetIdProto { domain: String::new(), version: 13 };
    let proto = pb::ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..Default::default() };
    proto.encode_to_vec()
}

fn serve(models: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, Server) {
    serve_with(models, |_| {})
}

fn serve_with(models: &[(&str, Vec<u8>)], change: impl FnOnce(&mut Config)) -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, bytes) in models {
        std::fs::write(Path::new(dir.path()).join(format!("{name}.onnx")), bytes).expect("written");
    }
    let server = Server::with(|config| {
        config.registry.paths = vec![dir.path().to_owned()];
        config.registry.control = Control::Poll;
        change(config);
    });
    (dir, server)
}

fn predict(client: &mut Client, model: &str, rows: &Value) -> Value {
    good(model, &client.ask(&Request::post(&format!("/models/{model}/predict"), rows.to_string())))
}

#[test]
fn text_goes_through_a_standard_operator() {
    let text = pb::tensor_proto::DataType::String as i32;
    let (x, y) = (end("x", text, &[Any("n"), Of(2)]), end("y", text, &[Any("n"), Of(2)]));
    let (_dir, server) = serve(&[("same", model(node("Identity", &["x"]), x, y, vec![]))]);
    let mut client = server.client();
    let answer = predict(&mut client, "same", &body!([["a", ""], ["\u{e4}\u{0}", "b"]]));
    assert_eq!(answer["predictions"], body!([["a", ""], ["\u{e4}\u{0}", "b"]]));
    drop(client);
    server.stop();
}

#[test]
fn values_that_are_no_numbers_are_tokens_or_null_as_told() {
    for (non_finite, wanted) in [(NonFinite::Token, "NaN,Infinity,-Infinity"), (NonFinite::Null, "null,null,null")] {
        let (x, y) = (end("x", FLOAT, &[Any("n"), Of(3)]), end("y", FLOAT, &[Any("n"), Of(3)]));
        let models = [("same", model(node("Identity", &["x"]), x, y, vec![]))];
        let (_dir, server) = serve_with(&models, |config| config.front.non_finite = non_finite);
        let mut client = server.client();
        let data = "[[NaN,Infinity,-Infinity]]";
        for (path, body) in [
            (
                "/v2/models/same/infer",
                format!(r#"{{"inputs":[{{"name":"x","shape":[1,3],"datatype":"FP32","data":{data}}}]}}"#),
            ),
            ("/v1/models/same:predict", format!(r#"{{"instances":{data}}}"#)),
        ] {
            let reply = client.ask(&Request::post(path, body));
            assert_eq!(reply.status, 200, "{reply}");
            assert!(String::from_utf8_lossy(&reply.body).contains(&format!("[{wanted}]")), "{path}: {reply}");
        }
        drop(client);
        server.stop();
    }
}

#[test]
fn a_fixed_batch_is_answered_whole() {
    let x = end("x", FLOAT, &[Of(4), Of(2)]);
    let y = end("y", FLOAT, &[Of(4), Of(2)]);
    let (_dir, server) = serve(&[("fixed", model(node("Relu", &["x"]), x, y, vec![]))]);
    let mut client = server.client();
    let answer = predict(&mut client, "fixed", &body!([[1, -1], [2, -2], [3, -3], [4, -4]]));
    assert_eq!(answer["predictions"], body!([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0]]));
    drop(client);
    server.stop();
}

#[test]
fn an_output_that_counts_something_else_is_written_as_it_is() {
    // Declared to have a row per row, and answers one for all: found out at load, never merged.
    let mut sum = node("ReduceSum", &["x", "axes"]);
    sum.attribute = vec![pb::AttributeProto {
        name: "keepdims".into(),
        r#type: pb::attribute_proto::AttributeType::Int as i32,
        i: 1,
        ..Default::default()
    }];
    let axes = pb::TensorProto {
        name: "axes".into(),
        dims: vec![1],
        data_type: INT64,
        int64_data: vec![0],
        ..Default::default()
    };
    let (x, y) = (end("x", FLOAT, &[Any("n"), Of(2)]), end("y", FLOAT, &[Any("n"), Of(2)]));
    let (_dir, server) = serve(&[("sum", model(sum, x, y, vec![axes]))]);
    let mut client = server.client();
    let answer = predict(&mut client, "sum", &body!([[1, 2], [3, 4], [5, 6]]));
    assert_eq!(answer["predictions"], body!([[9.0, 12.0]]));
    let index = good("index", &server.admin().ask(&Request::get("/api/models/sum")));
    assert!(index["serving"]["notes"][0].as_str().is_some_and(|note| note.contains("not merged")), "{index}");
    drop(client);
    server.stop();
}

#[test]
fn rows_of_unlike_length_are_refused_and_like_ones_answered() {
    let (x, y) = (end("x", FLOAT, &[Any("n"), Any("length")]), end("y", FLOAT, &[Any("n"), Any("length")]));
    let (_dir, server) = serve(&[("free", model(node("Relu", &["x"]), x, y, vec![]))]);
    let mut client = server.client();
    let answer = predict(&mut client, "free", &body!([{"x": [1, -2, 3]}, {"x": [4, 5, -6]}]));
    assert_eq!(answer["predictions"], body!([[1.0, 0.0, 3.0], [4.0, 5.0, 0.0]]));
    let ragged = body!([{"x": [1, 2, 3]}, {"x": [4, 5, 6, 7, 8]}]).to_string();
    let reply = client.ask(&Request::post("/models/free/predict", ragged));
    assert_eq!(reply.status, 400, "{reply}");
    assert!(json("ragged", &reply)["error"].as_str().is_some_and(|words| words.contains("[5]")), "{reply}");
    // A length that was never measured is not run on the caller's thread.
    let metrics = String::from_utf8(server.admin().ask(&Request::get("/metrics")).body).expect("text");
    assert!(metrics.contains("tidegate_batches_total{model=\"free\",version=\"1\",close_reason=\"inline\"} 0"));
    drop(client);
    server.stop();
}

#[test]
fn values_that_an_engine_cannot_bear_are_the_callers_mistake() {
    let (x, y) = (end("x", INT64, &[Any("n"), Of(1)]), end("y", FLOAT, &[Any("n"), Of(1), Of(2)]));
    let gather = node("Gather", &["words", "x"]);
    let (_dir, server) = serve(&[("words", model(gather, x, y, vec![table("words", 10, 2)]))]);
    let mut client = server.client();
    assert_eq!(predict(&mut client, "words", &body!([[3]]))["predictions"], body!([[[6.0, 7.0]]]));
    for bad in [body!([[10_000_000]]), body!([[-11]])] {
        let reply = client.ask(&Request::post("/models/words/predict", bad.to_string()));
        assert_eq!(reply.status, 400, "{bad}: {reply}");
        assert!(json("bad", &reply)["error"].as_str().is_some_and(|words| words.contains("these values")), "{reply}");
    }
    assert_eq!(predict(&mut client, "words", &body!([[9]]))["predictions"], body!([[[18.0, 19.0]]]));
    drop(client);
    server.stop();
}

#[test]
fn a_file_that_claims_the_moon_fails_alone() {
    let huge = |columns: i64| {
        let (x, y) = (end("x", FLOAT, &[Any("n"), Of(columns)]), end("y", FLOAT, &[Any("n"), Of(columns)]));
        model(node("Relu", &["x"]), x, y, vec![])
    };
    let (_dir, server) = serve(&[("moon", huge(1 << 36)), ("sky", huge(i64::MAX)), ("good", huge(2))]);
    let mut client = server.client();
    assert_eq!(predict(&mut client, "good", &body!([[1, -1]]))["predictions"], body!([[1.0, 0.0]]));
    for name in ["moon", "sky"] {
        let reply = client.ask(&Request::post(&format!("/models/{name}/predict"), "[1]"));
        assert_eq!(reply.status, 503, "{reply}");
        assert!(json(name, &reply)["error"].as_str().is_some_and(|words| words.contains("elements")), "{reply}");
    }
    drop(client);
    server.stop();
}

#[test]
fn a_file_that_memory_could_not_hold_is_not_even_read() {
    let (x, y) = (end("x", FLOAT, &[Any("n"), Of(2)]), end("y", FLOAT, &[Any("n"), Of(2)]));
    let (dir, server) = serve(&[("good", model(node("Relu", &["x"]), x, y, vec![]))]);
    // Four tebibytes that take no disk.
    let file = std::fs::File::create(dir.path().join("giant.onnx")).expect("made");
    file.set_len(1 << 42).expect("a sparse file");
    let mut client = server.client();
    let started = std::time::Instant::now();
    loop {
        let reply = client.ask(&Request::post("/models/giant/predict", "[1]"));
        if reply.status == 503 && json("giant", &reply)["error"].as_str().is_some_and(|words| words.contains("leaves"))
        {
            break;
        }
        assert!(started.elapsed() < common::PATIENCE, "{reply}");
    }
    assert_eq!(predict(&mut client, "good", &body!([[1, -1]]))["predictions"], body!([[1.0, 0.0]]));
    drop(client);
    server.stop();
}
