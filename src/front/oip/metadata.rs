//! What the server and its models say of themselves.

use crate::engine::TensorSpec;
use crate::front::reply::{Reply, json};
use crate::registry::{Catalog, Slot, Version};
use hyper::StatusCode;
use serde_json::{Value, json as value};

/// Extensions that are spoken, and no others: clients look at this list.
const EXTENSIONS: [&str; 0] = [];

pub fn server() -> Reply {
    let body = value!({"name": "tidegate", "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS});
    json(StatusCode::OK, body.to_string())
}

pub fn models(catalog: &Catalog) -> Reply {
    let names: Vec<&str> = catalog.sorted().into_iter().map(|slot| slot.name.as_str()).collect();
    json(StatusCode::OK, value!({"models": names}).to_string())
}

/// A version's signature; `slot` adds the versions that serve beside it.
pub fn model(version: &Version, slot: Option<&Slot>) -> Reply {
    let versions: Vec<String> = match slot {
        Some(slot) => slot.serving.load().versions.keys().map(ToString::to_string).collect(),
        None => vec![version.name.to_string()],
    };
    let signature = version.signature();
    let mut body = value!({
        "name": version.model.as_str(),
        "versions": versions,
        "platform": format!("onnx_{}", version.loaded.choice.engine),
        "inputs": signature.inputs.iter().map(tensor).collect::<Vec<_>>(),
        "outputs": signature.outputs.iter().map(tensor).collect::<Vec<_>>(),
    });
    if !signature.extras.is_empty() {
        // Beside the outputs: clients that ask for every output they read of shall not pay for these.
        body["extra_outputs"] = signature.extras.iter().map(tensor).collect();
    }
    json(StatusCode::OK, body.to_string())
}

/// Only versions that serve are found, so a found one is ready.
pub fn model_ready(version: &Version) -> Reply {
    json(StatusCode::OK, value!({"name": version.model.as_str(), "ready": true}).to_string())
}

pub fn tensor(spec: &TensorSpec) -> Value {
    let shape: Vec<i64> = spec.dims.iter().map(crate::engine::Dim::as_i64).collect();
    value!({"name": spec.name, "datatype": spec.dtype.name(), "shape": shape})
}
