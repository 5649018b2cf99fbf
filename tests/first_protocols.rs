//! KServe's first protocol, TF Serving's REST API, MLflow's scoring server and SageMaker's container contract.

mod common;

use common::client::{Client, Reply, Request};
use common::{Server, good, json, text};
use serde_json::{Value, json};

const WINE: &str = "[11.96,1.09,2.3,21.0,101.0,3.38,2.14,0.13,1.65,3.21,0.99,3.13,886.0]";

fn customer() -> Value {
    json!({"tenure_months": 3.0, "monthly_charges": 80.0, "support_calls": 4.0, "data_usage_gb": 1.5,
           "contract": "month-to-month", "payment_method": "card", "region": "north"})
}

fn post(client: &mut Client, path: &str, body: &Value) -> Value {
    good(path, &client.ask(&Request::post(path, body.to_string()).with("content-type", "application/json")))
}

fn refused(what: &str, reply: &Reply, status: u16, words: &str) {
    assert_eq!(reply.status, status, "{what}: {reply}");
    assert!(String::from_utf8_lossy(&reply.body).contains(words), "{what}: no '{words}' in {reply}");
}

#[test]
fn rows_come_back_as_rows_and_columns_as_columns() {
    let server = Server::start();
    let mut client = server.client();
    let row: Value = serde_json::from_str(WINE).expect("a list");
    let rows = post(&mut client, "/v1/models/wine:predict", &json!({"instances": [row, row]}));
    let one = &rows["predictions"][0];
    assert_eq!(
        (&one["output_label"], one["output_probability"].as_array().map(Vec::len)),
        (&json!("class_1"), Some(3))
    );
    assert_eq!(rows["predictions"].as_array().map(Vec::len), Some(2));
    let named = post(
        &mut client,
        "/v1/models/wine:predict",
        &json!({"instances": [{"input": row}], "signature_name": "serving_default"}),
    );
    assert_eq!(named["predictions"][0], *one);
    for inputs in [json!([row]), json!({"input": [row]})] {
        let columns = post(&mut client, "/v1/models/wine/versions/1:predict", &json!({"inputs": inputs}));
        assert_eq!(columns["outputs"]["output_label"], json!(["class_1"]));
        assert_eq!(columns["outputs"]["output_probability"], json!([one["output_probability"]]));
    }
    let single = json!([59.0, 2.0, 32.1, 101.0, 157.0, 93.2, 38.0, 4.0, 4.8598, 87.0]);
    let rows = post(&mut client, "/v1/models/diabetes:predict", &json!({"instances": [single]}));
    let columns = post(&mut client, "/v1/models/diabetes:predict", &json!({"inputs": [single]}));
    assert_eq!(rows["predictions"], columns["outputs"], "a single output has no name");
    drop(client);
    server.stop();
}

#[test]
fn tables_go_by_name_and_labels_are_aliases() {
    let server = Server::start();
    let mut client = server.client();
    let path = "/v1/models/churn/labels/champion:predict";
    let rows = post(&mut client, path, &json!({"instances": [customer()]}));
    let mut packed = customer();
    packed["region"] = json!({"b64": "bm9ydGg="});
    assert_eq!(post(&mut client, path, &json!({"instances": [packed]})), rows);
    let columns: serde_json::Map<String, Value> =
        customer().as_object().expect("members").iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
    let columns = post(&mut client, path, &json!({"inputs": columns}));
    for (name, value) in rows["predictions"][0].as_object().expect("outputs") {
        assert_eq!(columns["outputs"][name][0], *value);
    }
    let classes = post(&mut client, "/v1/models/churn:classify", &json!({"examples": [customer()]}));
    assert_eq!(classes["result"][0].as_array().map(Vec::len), Some(2), "{classes}");
    drop(client);
    server.stop();
}

#[test]
fn models_tell_their_state_and_their_signature() {
    let server = Server::start();
    let mut client = server.client();
    let mut get = |path: &str| good(path, &client.ask(&Request::get(path)));
    assert_eq!(get("/"), json!({"status": "alive"}));
    assert_eq!(get("/v1/models")["models"][4], "wine");
    let wine = get("/v1/models/wine");
    assert_eq!((&wine["name"], &wine["ready"]), (&json!("wine"), &json!(true)));
    let line = json!({"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}});
    assert_eq!(wine["model_version_status"], json!([line]));
    assert_eq!(get("/v1/models/churn")["model_version_status"].as_array().map(Vec::len), Some(2));
    assert_eq!(get("/v1/models/churn/versions/2")["model_version_status"].as_array().map(Vec::len), Some(1));
    let signature = get("/v1/models/wine/versions/1/metadata");
    assert_eq!(signature["model_spec"], json!({"name": "wine", "signature_name": "", "version": "1"}));
    let input = &signature["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["input"];
    assert_eq!((&input["dtype"], &input["tensor_shape"]["dim"][1]["size"]), (&json!("DT_FLOAT"), &json!("13")));
    drop(client);
    server.stop();
}

#[test]
fn wrong_requests_of_the_first_protocol_are_refused() {
    let server = Server::start();
    let mut client = server.client();
    for (what, path, body, status, words) in [
        ("nothing", "wine:predict", json!({}), 400, "'instances'"),
        ("both forms", "wine:predict", json!({"instances": [], "inputs": []}), 400, "exactly one"),
        ("no rows", "wine:predict", json!({"instances": []}), 400, "unexpected shape"),
        ("a flat row", "wine:predict", json!({"instances": [1, 2]}), 400, "unexpected shape"),
        ("a narrow row", "wine:predict", json!({"instances": [[1, 2]]}), 400, "unexpected shape"),
        ("ragged rows", "wine:predict", json!({"instances": [[1, 2], [1]]}), 400, "unlike length"),
        ("rows that are none", "wine:predict", json!({"instances": {}}), 400, "an array"),
        (
            "another signature",
            "wine:predict",
            json!({"signature_name": "train", "instances": []}),
            400,
            "serving_default",
        ),
        ("an unknown input", "wine:predict", json!({"inputs": {"inptu": [[1]]}}), 400, "did you mean 'input'"),
        ("an unknown model", "wien:predict", json!({"instances": []}), 404, "unknown model"),
        ("an unknown label", "churn/labels/winner:predict", json!({"instances": []}), 404, "unknown version"),
        ("an unknown verb", "wine:explain", json!({"instances": []}), 404, "no such path"),
        ("an unknown column", "churn:predict", json!({"instances": [{"tenure": 1}]}), 400, "unknown feature"),
        ("numbers for classes", "diabetes:classify", json!({"examples": [{"age": 1}]}), 400, "is missing"),
        ("examples that are none", "wine:regress", json!({"examples": 5}), 400, "an array"),
    ] {
        let reply = client.ask(&Request::post(&format!("/v1/models/{path}"), body.to_string()));
        refused(what, &reply, status, words);
        assert!(!text(&json(what, &reply), "/error").is_empty());
    }
    drop(client);
    server.stop();
}

/// A server whose unnamed requests go to `model`.
fn serving(model: &str) -> Server {
    Server::with(|config| config.front.default_model = Some(model.to_owned()))
}

fn invoke(client: &mut Client, kind: &str, body: &str) -> Reply {
    client.ask(&Request::post("/invocations", body).with("content-type", kind))
}

#[test]
fn invocations_take_every_form_of_a_data_frame() {
    let server = serving("churn");
    let mut client = server.client();
    let customer = customer();
    let members = customer.as_object().expect("members");
    let names: Vec<&String> = members.keys().rev().collect();
    let values: Vec<&Value> = members.values().rev().collect();
    let mut wider = customer.clone();
    wider["customer_id"] = json!("c-1");
    let columns: serde_json::Map<String, Value> =
        members.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
    let bodies = [
        json!({"dataframe_records": [customer]}),
        json!({"dataframe_records": [wider], "params": {"threshold": 0.5}}),
        json!({"dataframe_split": {"columns": names, "index": [7], "data": [values]}}),
        json!({"dataframe_split": {"data": [values], "columns": names}}),
        json!({"instances": [customer]}),
        json!({"inputs": columns}),
    ];
    let mut answers: Vec<Value> = Vec::new();
    for body in &bodies {
        let reply = invoke(&mut client, "application/json; charset=utf-8", &body.to_string());
        answers.push(good("an invocation", &reply));
        assert!(reply.header("x-prediction-id").is_some());
    }
    let csv = "region,extra,contract,payment_method,data_usage_gb,support_calls,monthly_charges,tenure_months\n\
               north,x,month-to-month,card,1.5,4,80,3\n";
    answers.push(good("CSV", &invoke(&mut client, "text/csv", csv)));
    assert_eq!(answers[0]["predictions"].as_array().map(Vec::len), Some(1));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    drop(client);
    server.stop();
}

#[test]
fn invocations_are_refused_in_mlflows_own_shape() {
    let server = serving("churn");
    let mut client = server.client();
    let form = "The input must be a JSON dictionary with exactly one of the input fields";
    for (what, body, words) in [
        ("a bare list", "[[1]]", form),
        ("no form", "{}", form),
        ("an unknown form", "{\"data\": []}", form),
        ("two forms", "{\"params\": {}, \"dataframe_split\": {\"data\": []}, \"inputs\": []}", form),
        ("no JSON", "{", "malformed JSON"),
        ("a missing column", "{\"dataframe_records\": [{\"region\": \"north\"}]}", "missing input column"),
        ("a short row", "{\"dataframe_split\": {\"data\": [[1]]}}", "expected 7 values"),
        ("no data", "{\"dataframe_split\": {\"columns\": []}}", "'data' is missing"),
        ("no rows", "{\"dataframe_records\": []}", "no rows"),
    ] {
        let reply = invoke(&mut client, "application/json", body);
        assert_eq!(reply.status, 400, "{what}: {reply}");
        let answer = json(what, &reply);
        assert_eq!(text(&answer, "/error_code"), "BAD_REQUEST", "{what}");
        let message = text(&answer, "/message");
        assert!(message.contains(words), "{what}: {message}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"] {
        let reply = invoke(&mut client, kind, "{}");
        assert_eq!((reply.status, reply.header("content-type")), (415, Some("text/plain")), "{kind}");
    }
    assert_eq!(client.ask(&Request::post("/invocations", "{}")).status, 415, "no content type");
    for (what, csv, words) in [
        ("a short line", "region,contract\nnorth\n", "missing input column"),
        ("no header", "", "header"),
        (
            "a word for a number",
            "region,contract,payment_method,data_usage_gb,support_calls,monthly_charges,tenure_months\n\
                                 a,b,c,x,1,1,1\n",
            "expected a number for FP32, got 'x'",
        ),
    ] {
        refused(what, &invoke(&mut client, "text/csv", csv), 400, words);
    }
    drop(client);
    server.stop();
    let server = Server::start();
    let reply = invoke(&mut server.client(), "application/json", "{\"instances\": []}");
    refused("no default model", &reply, 404, "--default-model");
    assert_eq!(text(&json("404", &reply), "/error_code"), "RESOURCE_DOES_NOT_EXIST");
    server.stop();
}

#[test]
fn ping_and_version_answer_as_containers_are_asked() {
    let server = serving("wine");
    let mut client = server.client();
    let ping = client.ask(&Request::get("/ping"));
    assert_eq!(
        (ping.status, ping.body.as_slice(), ping.header("content-type")),
        (200, b"\n".as_slice(), Some("application/json"))
    );
    let version = client.ask(&Request::get("/version"));
    assert_eq!((version.status, version.body.as_slice()), (200, env!("CARGO_PKG_VERSION").as_bytes()));
    let body = format!("{{\"instances\": [{WINE}]}}");
    assert_eq!(good("a label", &invoke(&mut client, "application/json", &body)), json!({"predictions": ["class_1"]}));
    drop(client);
    server.stop();
}
