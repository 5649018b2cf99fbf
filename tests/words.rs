//! Categories sent by the words that training knew, to models that hold these words.

mod common;

use common::client::{Client, Request};
use common::{Server, good, json};
use prost::Message;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tidegate::engine::onnx::pb;

const FILES: [(&str, &str); 3] = [("xgb-words.json", "json"), ("xgb-words.ubj", "ubj"), ("lgb-words.txt", "txt")];

/// Models `m0`, `m1`, ..; answers the case of each, which has the words of its last column beside it.
fn garden(root: &Path) -> Vec<Value> {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/native");
    let plant = |(at, (name, ending)): (usize, &(&str, &str))| {
        let place = root.join(format!("m{at}/1"));
        fs::create_dir_all(&place).expect("a directory");
        fs::copy(data.join(name), place.join(format!("model.{ending}"))).expect("copied");
        let golden = fs::read_to_string(data.join(format!("{name}.golden.json"))).expect("readable");
        let mut golden: Value = serde_json::from_str(&golden.replace("NaN", "null")).expect("JSON");
        golden["cases"][0].take()
    };
    FILES.iter().enumerate().map(plant).collect()
}

fn ask(client: &mut Client, model: usize, body: &Value) -> Vec<f64> {
    let reply = client.ask(&Request::post(&format!("/models/m{model}/predict"), body.to_string()));
    let answer = good("a prediction", &reply);
    answer["predictions"].as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect()
}

fn refusal(client: &mut Client, model: usize, body: &Value) -> String {
    let reply = client.ask(&Request::post(&format!("/models/m{model}/predict"), body.to_string()));
    assert_eq!(reply.status, 400, "{reply}");
    json("refused", &reply)["error"].as_str().expect("words").to_owned()
}

fn near(got: &[f64], want: &Value) -> bool {
    let want: Vec<f64> = want.as_array().expect("rows").iter().map(|row| row[0].as_f64().expect("a number")).collect();
    got.len() == want.len() && got.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs())
}

#[test]
fn words_count_as_their_codes_in_every_form_of_a_row() {
    let root = tempfile::tempdir().expect("a directory");
    let cases = garden(root.path());
    let server = Server::with(|config| config.registry.paths = vec![root.path().to_owned()]);
    let mut client = server.client();
    for (model, case) in cases.iter().enumerate() {
        let codes = case["inputs"]["input__0"].as_array().expect("rows");
        let words = case["words"].as_array().expect("words");
        let worded: Vec<Value> = codes.iter().zip(words).map(|(row, word)| json!([row[0], row[1], word])).collect();
        let records: Vec<Value> =
            worded.iter().map(|row| json!({"age": row[0], "income": row[1], "plan": row[2]})).collect();
        let want = &case["outputs"]["output__0"];
        for body in [json!(codes), json!(worded), json!({"features": worded}), json!(records)] {
            let got = ask(&mut client, model, &body);
            assert!(near(&got, want), "{model}: {body}: {got:?} for {want}");
        }
        let alone = ask(&mut client, model, &worded[0]);
        assert!(near(&alone, &json!([want[0]])), "{model}: {alone:?}");
    }
    drop(client);
    server.stop();
}

#[test]
fn a_word_that_training_did_not_know_is_treated_as_the_library_does() {
    let root = tempfile::tempdir().expect("a directory");
    garden(root.path());
    let server = Server::with(|config| config.registry.paths = vec![root.path().to_owned()]);
    let mut client = server.client();
    for model in [0, 1] {
        let words = refusal(&mut client, model, &json!({"age": 30, "income": 0.5, "plan": "wood"}));
        assert!(
            words.contains("feature 'plan': 'wood' is no category that training knew: , gold, green, silver, tin"),
            "{words}"
        );
        assert_eq!(refusal(&mut client, model, &json!([30, 0.5, "wood"])), words);
    }
    let record = |plan: Value| json!({"age": 30, "income": 0.5, "plan": plan});
    let unknown = ask(&mut client, 2, &record(json!("wood")));
    assert_eq!(unknown, ask(&mut client, 2, &record(Value::Null)), "LightGBM takes it for missing");
    for (model, body) in [(0, json!([["thirty", 0.5, "gold"]])), (2, json!({"age": "30", "income": 0.5, "plan": 1}))] {
        let words = refusal(&mut client, model, &body);
        assert!(words.contains("feature 'age'") && words.contains("expected a number for FP32"), "{words}");
    }
    drop(client);
    server.stop();
}

/// A field of a protobuf message that holds bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).ok().filter(|length| *length < 128).expect("a short field");
    [&[number << 3 | 2, length], bytes].concat()
}

/// `10 a + 100 b` of a dictionary `x`, as skl2onnx exports a pipeline that begins with a DictVectorizer.
fn dictionary_model() -> Vec<u8> {
    let attribute = |name: &str| pb::AttributeProto { name: name.into(), ..Default::default() };
    let node = |op: &str, input: &str, output: &str, attribute| pb::NodeProto {
        op_type: op.into(),
        domain: "ai.onnx.ml".into(),
        input: vec![input.into()],
        output: vec![output.into()],
        attribute: vec![attribute],
        ..Default::default()
    };
    let words = vec![b"a".to_vec(), b"b".to_vec()];
    let vocabulary = pb::AttributeProto { strings: words, ..attribute("string_vocabulary") };
    let weights = pb::AttributeProto { floats: vec![10.0, 100.0], ..attribute("coefficients") };
    let tensor = pb::type_proto::Tensor { elem_type: 1, ..Default::default() };
    let float = pb::TypeProto { value: Some(pb::type_proto::Value::TensorType(tensor)), ..Default::default() };
    let graph = pb::GraphProto {
        node: vec![node("DictVectorizer", "x", "row", vocabulary), node("LinearRegressor", "row", "y", weights)],
        output: vec![pb::ValueInfoProto { name: "y".into(), r#type: Some(float), ..Default::default() }],
        ..Default::default()
    };
    let opset = pb::OperatorSetIdProto { domain: String::new(), version: 18 };
    let model = pb::ModelProto { graph: Some(graph), opset_import: vec![opset], ..Default::default() };
    // What tract's protobuf has no word for: the input's type, a map of texts to floats. Fields of a message
    // that comes twice are joined.
    let map = [&[1 << 3, 8][..], &field(2, &field(1, &[1 << 3, 1]))].concat();
    let input = [field(1, b"x"), field(2, &field(5, &map))].concat();
    [model.encode_to_vec(), field(7, &field(11, &input))].concat()
}

#[test]
fn a_dictionary_need_not_name_every_word_and_may_name_others() {
    let root = tempfile::tempdir().expect("a directory");
    fs::create_dir_all(root.path().join("m0/1")).expect("a directory");
    fs::write(root.path().join("m0/1/model.onnx"), dictionary_model()).expect("written");
    let server = Server::with(|config| config.registry.paths = vec![root.path().to_owned()]);
    let mut client = server.client();
    let records = json!([{"a": 1, "b": 2}, {"b": 0.5}, {"other": 7, "a": -1}, {}]);
    assert_eq!(ask(&mut client, 0, &records), [210.0, 50.0, -10.0, 0.0]);
    assert_eq!(ask(&mut client, 0, &json!([[1, 2], [0, 0.5]])), [210.0, 50.0], "the row that the words make");
    assert!(refusal(&mut client, 0, &json!({"a": "red"})).contains("feature 'a': expected a number"));
    drop(client);
    server.stop();
}
