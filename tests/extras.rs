//! Margins and leaves: told to those who ask, by every protocol, and to nobody else.

mod common;

use common::client::{Client, Request};
use common::{Server, good, json, models};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A directory of models: a tree file with the answers of its library, also with leaves in every answer,
/// and bundled ONNX files with trees and without.
fn garden(root: &Path) -> Value {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/native");
    for name in ["asked", "always"] {
        fs::create_dir_all(root.join(name).join("1")).expect("a directory");
        fs::copy(data.join("xgb-binary.json"), root.join(name).join("1/model.json")).expect("copied");
    }
    fs::write(root.join("always/model.toml"), "[output]\nextra = [\"leaf\"]\n").expect("written");
    for name in ["diabetes", "digits"] {
        fs::create_dir_all(root.join(name).join("1")).expect("a directory");
        fs::copy(models().join(name).join("1/model.onnx"), root.join(name).join("1/model.onnx")).expect("copied");
    }
    let golden = fs::read_to_string(data.join("xgb-binary.json.golden.json")).expect("readable");
    let mut golden: Value = serde_json::from_str(&golden.replace("NaN", "null")).expect("JSON");
    whole_rows(golden["cases"][0].take())
}

/// A case without the rows that miss a value.
fn whole_rows(mut case: Value) -> Value {
    let rows = case["inputs"]["input__0"].as_array().expect("rows");
    let whole: Vec<bool> =
        rows.iter().map(|row| row.as_array().is_some_and(|row| !row.contains(&Value::Null))).collect();
    for side in ["inputs", "outputs"] {
        for tensor in case[side].as_object_mut().expect("tensors").values_mut().filter_map(Value::as_array_mut) {
            let mut keep = whole.iter();
            tensor.retain(|_| keep.next() == Some(&true));
        }
    }
    case
}

fn serve(root: &Path) -> Server {
    Server::with(|config| config.registry.paths = vec![root.to_owned()])
}

struct Caller {
    client: Client,
    rows: Value,
    shape: [usize; 2],
}

impl Caller {
    /// The outputs by name of an inference with other members beside its inputs.
    fn infer(&mut self, model: &str, members: &Value) -> Vec<(String, Value)> {
        let mut body = members.clone();
        let shape = self.shape;
        body["inputs"] = json!([{"name": "input__0", "datatype": "FP32", "shape": shape, "data": self.rows}]);
        let reply = self.client.ask(&Request::post(&format!("/v2/models/{model}/infer"), body.to_string()));
        let answer = good("an inference", &reply);
        let output = |output: &Value| (output["name"].as_str().expect("a name").to_owned(), output["data"].clone());
        answer["outputs"].as_array().expect("outputs").iter().map(output).collect()
    }

    fn names(&mut self, model: &str, members: &Value) -> Vec<String> {
        self.infer(model, members).into_iter().map(|(name, _)| name).collect()
    }
}

fn flat(nested: &Value) -> Vec<f64> {
    match nested {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        value => vec![value.as_f64().unwrap_or(f64::NAN)],
    }
}

#[test]
fn an_inference_asks_by_parameter_or_by_name() {
    let root = tempfile::tempdir().expect("a directory");
    let case = garden(root.path());
    let server = serve(root.path());
    let rows = case["inputs"]["input__0"].clone();
    let shape = [rows.as_array().expect("rows").len(), 3];
    let mut caller = Caller { client: server.client(), rows, shape };
    let plain = ["output__0", "label"];
    assert_eq!(caller.names("asked", &json!({})), plain);
    let all = caller.infer("asked", &json!({"parameters": {"leaf": true, "margin": true}}));
    for (name, data) in &all {
        let (got, want) = (flat(data), flat(&case["outputs"][name]));
        assert!(!got.is_empty() && got.len() == want.len(), "{name}");
        assert!(
            got.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0)),
            "{name}: {got:?} {want:?}"
        );
    }
    let names = |outputs: &[(String, Value)]| outputs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&all), ["output__0", "label", "margin", "leaf"]);
    for (members, expected) in [
        (json!({"outputs": [{"name": "leaf"}]}), &["leaf"][..]),
        (json!({"outputs": [{"name": "leaf"}, {"name": "output__0"}]}), &["leaf", "output__0"]),
        (json!({"parameters": {"margin": true}, "outputs": [{"name": "label"}]}), &["label", "margin"]),
        (json!({"outputs": [{"name": "margin"}], "parameters": {"margin": true}}), &["margin"]),
        (json!({"parameters": {"margin": false, "leaf": null}}), &plain),
    ] {
        assert_eq!(caller.names("asked", &members), expected, "{members}");
    }
    assert_eq!(caller.names("always", &json!({})), ["output__0", "label", "leaf"]);
    let both = caller.infer("always", &json!({"parameters": {"leaf": true, "margin": true}}));
    assert_eq!(names(&both), ["output__0", "label", "leaf", "margin"]);
    drop(caller);
    server.stop();
}

#[test]
fn a_plain_request_asks_in_its_envelope() {
    let root = tempfile::tempdir().expect("a directory");
    garden(root.path());
    let server = serve(root.path());
    let mut client = server.client();
    let mut ask =
        |model: &str, body: Value| client.ask(&Request::post(&format!("/models/{model}/predict"), body.to_string()));
    let row = json!([41.0, 1.5, 2.0]);
    let plain = good("plain", &ask("asked", json!({"features": row})));
    assert_eq!(plain.get("outputs"), None);
    let told = good("told", &ask("asked", json!({"parameters": {"leaf": true}, "features": row})));
    assert_eq!(told["outputs"]["leaf"][0].as_array().map(Vec::len), Some(3), "a leaf of each tree: {told}");
    assert_eq!((&told["predictions"], told["outputs"].get("margin")), (&plain["predictions"], None));
    // An ONNX forest sums its votes: the margin is the answer where nothing is done to it.
    let row = json!([0.03, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, -0.002, 0.02, -0.02]);
    let told = good("ONNX", &ask("diabetes", json!({"features": row, "parameters": {"margin": true, "leaf": true}})));
    assert_eq!(flat(&told["outputs"]["margin"]), flat(&told["predictions"]));
    assert_eq!(told["outputs"]["leaf"][0].as_array().map(Vec::len), Some(100), "{told}");
    let pixels = json!({"features": vec![vec![vec![vec![0.0; 8]; 8]; 1]; 1], "parameters": {"leaf": true}});
    for (model, body, words) in [
        ("digits", pixels, "this model has no output 'leaf'"),
        (
            "asked",
            json!({"features": [1, 2, 3], "parameters": {"leaf": "yes"}}),
            "expected true or false, got a string",
        ),
    ] {
        let reply = ask(model, body);
        let error = json("refused", &reply)["error"].as_str().unwrap_or_default().to_owned();
        assert!(reply.status == 400 && error.contains(words), "{model}: {reply}");
    }
    drop(client);
    server.stop();
}

#[test]
fn the_metadata_tells_what_may_be_asked_for() {
    let root = tempfile::tempdir().expect("a directory");
    garden(root.path());
    let server = serve(root.path());
    let mut client = server.client();
    let mut names = |model: &str, member: &str| -> Vec<String> {
        let facts = good("metadata", &client.ask(&Request::get(&format!("/v2/models/{model}"))));
        let specs = facts[member].as_array().cloned().unwrap_or_default();
        specs.iter().map(|spec| format!("{} {} {}", spec["name"], spec["datatype"], spec["shape"])).collect()
    };
    assert_eq!(names("asked", "extra_outputs"), [r#""margin" "FP32" [-1,1]"#, r#""leaf" "INT64" [-1,3]"#]);
    assert_eq!(names("always", "extra_outputs"), [r#""margin" "FP32" [-1,1]"#]);
    assert_eq!(names("always", "outputs").last().map(String::as_str), Some(r#""leaf" "INT64" [-1,3]"#));
    assert!(names("digits", "extra_outputs").is_empty());
    drop(client);
    server.stop();
}
