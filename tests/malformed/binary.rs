//! Inference requests with raw tensors that are not what they say.

use super::{INFER, Request, Row};
use serde_json::{Value, json};

const HEADER: &str = "inference-header-content-length";

/// JSON, then bytes, under the length that tells them apart.
fn mixed(name: &str, json: &Value, tail: &[u8], word: &'static str) -> Row {
    let json = json.to_string();
    let body = [json.as_bytes(), tail].concat();
    Row::new(name, Request::post(INFER, body).with(HEADER, &json.len().to_string()), 400, word)
}

fn input(size: Value) -> Value {
    json!({"name": "input", "shape": [1, 13], "datatype": "FP32", "parameters": {"binary_data_size": size}})
}

pub fn rows() -> Vec<Row> {
    let one = |size: Value| json!({"inputs": [input(size)]});
    let row = [0; 52];
    let length = |name: &str, value: &str| {
        Row::new(name, Request::post(INFER, "{}").with(HEADER, value), 400, "Inference-Header-Content-Length")
    };
    let mut both = input(json!(52));
    both["data"] = json!(vec![0; 13]);
    let mut shared = input(json!(52));
    shared["parameters"]["shared_memory_region"] = json!("r");
    let mut half = input(json!(26));
    half["datatype"] = json!("FP16");
    vec![
        mixed("raw bytes that are too few", &one(json!(52)), &row[..51], "expecting 1 additional bytes"),
        mixed("no raw bytes at all", &one(json!(52)), &[], "expecting 52 additional bytes"),
        mixed("raw bytes without end", &one(json!(u64::MAX)), &row, "additional bytes"),
        mixed("raw bytes that are too many", &one(json!(52)), &[0; 53], "unexpected additional input data"),
        mixed("raw bytes nobody announced", &json!({"inputs": []}), &row, "unexpected additional input data"),
        mixed("raw bytes of another shape", &one(json!(48)), &row[..48], "unexpected byte size 48, expected 52"),
        mixed("raw bytes of half a number", &one(json!(51)), &row[..51], "unexpected byte size 51"),
        mixed("a negative size of raw bytes", &one(json!(-52)), &row, "binary_data_size"),
        mixed("a size of raw bytes in words", &one(json!("52")), &row, "binary_data_size"),
        mixed("raw bytes and data", &json!({"inputs": [both]}), &row, "has both"),
        mixed("raw bytes in shared memory", &json!({"inputs": [shared]}), &row, "shared memory"),
        mixed("raw halves where singles are taken", &json!({"inputs": [half]}), &row[..26], "data-type is 'FP16'"),
        mixed("raw bytes twice", &json!({"inputs": [input(json!(52)), input(json!(52))]}), &[0; 104], "given twice"),
        length("a JSON length in words", "all"),
        length("a negative JSON length", "-1"),
        length("a JSON length without end", "99999999999999999999"),
        Row::new("a raw request of half a row", Request::post(INFER, [0; 26]).with(HEADER, "0"), 400, "byte size 26"),
        Row::new("an empty raw request", Request::post(INFER, "").with(HEADER, "0"), 400, "byte size 0"),
        Row::new(
            "a raw request for many inputs",
            Request::post("/v2/models/churn/infer", [0; 4]).with(HEADER, "0"),
            400,
            "exactly 1 input",
        ),
    ]
}
