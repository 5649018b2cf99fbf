//! The shapes of what is sent and answered.

use super::operation::reference;
use super::shapes::{and, count, listed, object, text, truth};
use crate::registry::Catalog;
use serde_json::{Value, json};

/// Datatypes by the protocol's names.
const DATATYPES: [&str; 14] = [
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64",
    "BYTES",
];

pub fn live() -> Value {
    object(&[("live", json!({"const": true}))])
}

/// An OpenAPI document.
pub fn document() -> Value {
    object(&[("openapi", text()), ("info", json!({"type": "object"})), ("paths", json!({"type": "object"}))])
}

/// One of the models that there are.
pub fn model_name(catalog: &Catalog) -> Value {
    let names: Vec<&str> = catalog.sorted().into_iter().map(|slot| slot.name.as_str()).collect();
    match names.is_empty() {
        true => json!({"type": "string", "minLength": 1}),
        false => json!({"type": "string", "enum": names}),
    }
}

/// A tensor of an inference response.
fn output() -> Value {
    let tensor = object(&[("name", text()), ("datatype", json!({"enum": DATATYPES})), ("shape", listed(count()))]);
    and(tensor, &[("data", json!({"type": "array"})), ("parameters", json!({"type": "object"}))])
}

/// The schemas that paths of both ports name.
pub fn common() -> Value {
    let error = and(
        object(&[("error", text())]),
        &[
            ("code", text()),
            ("field", text()),
            ("limit", text()),
            ("limit_value", count()),
            ("depth", count()),
            ("retry_after_ms", count()),
            ("request_id", text()),
        ],
    );
    let ready = and(
        object(&[("live", truth()), ("ready", truth())]),
        &[("degraded", truth()), ("reason", json!({"type": ["string", "null"]}))],
    );
    let tensor = object(&[
        ("name", text()),
        ("datatype", json!({"enum": DATATYPES})),
        ("shape", listed(json!({"type": "integer", "minimum": -1}))),
    ]);
    json!({"Error": error, "Ready": ready, "Tensor": tensor})
}

/// Those that paths of the data port name.
pub fn data_port() -> Value {
    let mut all = common();
    let mlflow = and(object(&[("error_code", text()), ("message", text())]), &[("request_id", text())]);
    all["MlflowError"] = mlflow;
    all["Metadata"] = and(
        object(&[
            ("name", text()),
            ("versions", listed(text())),
            ("platform", text()),
            ("inputs", listed(reference("Tensor"))),
            ("outputs", listed(reference("Tensor"))),
        ]),
        &[("device", text()), ("extra_outputs", listed(reference("Tensor")))],
    );
    all["Readiness"] = and(object(&[("name", text()), ("ready", truth())]), &[("error", text()), ("code", text())]);
    let state = json!({"enum": ["UNKNOWN", "READY", "UNAVAILABLE", "LOADING", "UNLOADING"]});
    all["IndexLine"] = and(object(&[("name", text())]), &[("version", text()), ("state", state), ("reason", text())]);
    all["Output"] = output();
    all["Configuration"] = configuration();
    all["Statistics"] = statistics();
    all["Status"] = v1_status();
    all["Signature"] = v1_metadata();
    all
}

fn configuration() -> Value {
    let tensor = object(&[
        ("name", text()),
        ("data_type", json!({"type": "string", "pattern": "^TYPE_"})),
        ("dims", listed(json!({"type": "integer", "minimum": -1}))),
    ]);
    let group = object(&[("name", text()), ("kind", text()), ("count", count())]);
    and(
        object(&[
            ("name", text()),
            ("platform", text()),
            ("backend", text()),
            ("version_policy", json!({"type": "object"})),
            ("max_batch_size", count()),
            ("input", listed(tensor.clone())),
            ("output", listed(tensor)),
            ("instance_group", listed(group)),
        ]),
        &[("dynamic_batching", json!({"type": "object"})), ("parameters", json!({"type": "object"}))],
    )
}

fn statistics() -> Value {
    let duration = || object(&[("count", count()), ("ns", count())]);
    let all = |names: &[&'static str]| names.iter().map(|name| (*name, duration())).collect::<Vec<_>>();
    let inference = object(&all(&[
        "success",
        "fail",
        "queue",
        "compute_input",
        "compute_infer",
        "compute_output",
        "cache_hit",
        "cache_miss",
    ]));
    let batch =
        object(&[vec![("batch_size", count())], all(&["compute_input", "compute_infer", "compute_output"])].concat());
    let memory = object(&[("type", text()), ("id", count()), ("byte_size", count())]);
    let model = object(&[
        ("name", text()),
        ("version", text()),
        ("last_inference", count()),
        ("inference_count", count()),
        ("execution_count", count()),
        ("inference_stats", inference),
        ("response_stats", json!({"type": "object"})),
        ("batch_stats", listed(batch)),
        ("memory_usage", listed(memory)),
    ]);
    object(&[("model_stats", listed(model))])
}

fn v1_status() -> Value {
    let state = json!({"enum": ["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]});
    let status = object(&[("error_code", text()), ("error_message", text())]);
    let version = object(&[("version", text()), ("state", state), ("status", status)]);
    and(
        object(&[("name", text()), ("ready", truth()), ("model_version_status", listed(version))]),
        &[("error", text())],
    )
}

fn v1_metadata() -> Value {
    object(&[
        ("model_spec", object(&[("name", text()), ("signature_name", text()), ("version", text())])),
        ("metadata", object(&[("signature_def", json!({"type": "object"}))])),
    ])
}
