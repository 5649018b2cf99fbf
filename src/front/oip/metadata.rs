//! What the server and its models say of themselves.

use crate::engine::TensorSpec;
use crate::front::reply::{ApiError, Cause, Reply, json};
use crate::front::route::Named;
use crate::registry::{Catalog, Version};
use hyper::StatusCode;
use serde_json::{Value, json as value};
use std::sync::Arc;

/// Extensions that are spoken, and no others: clients look at this list.
pub const EXTENSIONS: [&str; 7] = [
    "classification",
    "model_repository",
    "schedule_policy",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
];

pub fn server() -> Reply {
    let body = value!({"name": "tidegate", "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS});
    json(StatusCode::OK, body.to_string())
}

pub fn models(catalog: &Catalog) -> Reply {
    let names: Vec<&str> = catalog.sorted().into_iter().map(|slot| slot.name.as_str()).collect();
    json(StatusCode::OK, value!({"models": names}).to_string())
}

/// A version's signature, and the versions that serve beside it.
pub fn model(version: &Version, catalog: &Catalog) -> Reply {
    let signature = version.signature();
    let mut body = value!({
        "name": version.model.as_str(),
        "versions": versions(version, catalog),
        "platform": platform(version),
        "inputs": signature.inputs.iter().map(tensor).collect::<Vec<_>>(),
        "outputs": signature.outputs.iter().map(tensor).collect::<Vec<_>>(),
    });
    if !signature.extras.is_empty() {
        // Beside the outputs: clients that ask for every output they read of shall not pay for these.
        body["extra_outputs"] = signature.extras.iter().map(tensor).collect();
    }
    body["device"] = version.loaded.at.id().into();
    json(StatusCode::OK, body.to_string())
}

/// The versions of its model that serve.
pub fn versions(version: &Version, catalog: &Catalog) -> Vec<String> {
    match catalog.get(version.model.as_str()) {
        Some(slot) => slot.serving.load().versions.keys().map(ToString::to_string).collect(),
        None => vec![version.name.to_string()],
    }
}

/// What the file is, and what runs it.
pub fn platform(version: &Version) -> String {
    format!("onnx_{}", version.loaded.choice.engine)
}

/// Only versions that serve are found, so a found one is ready. One that is known and does not serve is
/// told so in the members that KServe's client looks at, under 503.
pub fn model_ready(named: &Named<'_>, found: Result<Arc<Version>, ApiError>) -> Result<Reply, ApiError> {
    match found {
        Ok(version) => Ok(json(StatusCode::OK, value!({"name": version.model.as_str(), "ready": true}).to_string())),
        Err(error) if error.cause == Cause::NotReady => {
            let body =
                value!({"name": named.model, "ready": false, "error": error.message, "code": error.cause.row().code});
            Ok(json(error.status(), body.to_string()))
        }
        Err(error) => Err(error),
    }
}

pub fn tensor(spec: &TensorSpec) -> Value {
    let shape: Vec<i64> = spec.dims.iter().map(crate::engine::Dim::as_i64).collect();
    value!({"name": spec.name, "datatype": spec.dtype.name(), "shape": shape})
}
