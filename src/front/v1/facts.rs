//! What the models say of themselves: the members of KServe and of TF Serving together.

use super::request::SIGNATURE;
use crate::engine::TensorSpec;
use crate::front::reply::{ApiError, Cause, Reply, json};
use crate::registry::{Catalog, State, Version};
use crate::tensor::DType;
use hyper::StatusCode;
use serde_json::{Value, json as value};

/// The liveness that KServe's clients ask for.
pub fn alive() -> Reply {
    json(StatusCode::OK, value!({"status": "alive"}).to_string())
}

pub fn models(catalog: &Catalog) -> Reply {
    let names: Vec<&str> = catalog.sorted().into_iter().map(|slot| slot.name.as_str()).collect();
    json(StatusCode::OK, value!({"models": names}).to_string())
}

/// The state of a model's versions, or of the one that is named. 503 where what was asked for does not serve.
pub fn status(
    catalog: &Catalog,
    model: &str,
    version: Option<&str>,
    found: Result<(), ApiError>,
) -> Result<Reply, ApiError> {
    let (ready, status) = match &found {
        Ok(()) => (true, StatusCode::OK),
        Err(error) if error.cause == Cause::NotReady => (false, error.status()),
        Err(_) => return found.map(|()| alive()),
    };
    let mut body = value!({"name": model, "ready": ready, "model_version_status": versions(catalog, model, version)});
    if let Err(error) = found {
        body["error"] = error.message.into();
    }
    Ok(json(status, body.to_string()))
}

fn versions(catalog: &Catalog, model: &str, version: Option<&str>) -> Vec<Value> {
    let Some(slot) = catalog.get(model) else { return Vec::new() };
    let wanted = version.map(|name| slot.serving.load().find(name).map(|found| found.number));
    let status = slot.status.load();
    let lines = status.versions.iter().filter(|line| line.state != State::Unloaded);
    let meant = lines.filter(|line| wanted.is_none_or(|wanted| wanted == Some(line.version)));
    meant
        .map(|line| {
            let (state, code) = match line.state {
                State::Loading => ("LOADING", "OK"),
                State::Ready => ("AVAILABLE", "OK"),
                State::Draining => ("UNLOADING", "OK"),
                State::Failed => ("END", "UNKNOWN"),
                State::Unloaded => ("END", "OK"),
            };
            let message = line.reason.clone().unwrap_or_default();
            value!({
                "version": line.version.to_string(),
                "state": state,
                "status": {"error_code": code, "error_message": message},
            })
        })
        .collect()
}

/// The signature, as TensorFlow describes one.
pub fn metadata(version: &Version) -> Reply {
    let side =
        |specs: &[TensorSpec]| Value::Object(specs.iter().map(|spec| (spec.name.clone(), tensor(spec))).collect());
    let signature = version.signature();
    let body = value!({
        "model_spec": {"name": version.model.as_str(), "signature_name": "", "version": &*version.name},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: {
            "inputs": side(&signature.inputs),
            "outputs": side(&signature.outputs),
            "method_name": "tensorflow/serving/predict",
        }}}},
    });
    json(StatusCode::OK, body.to_string())
}

fn tensor(spec: &TensorSpec) -> Value {
    let dim = |dim: &crate::engine::Dim| value!({"size": dim.as_i64().to_string(), "name": ""});
    value!({
        "dtype": dtype(spec.dtype),
        "tensor_shape": {"dim": spec.dims.iter().map(dim).collect::<Vec<_>>(), "unknown_rank": false},
        "name": spec.name,
    })
}

/// TensorFlow's names of the types.
fn dtype(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "DT_BOOL",
        DType::U8 => "DT_UINT8",
        DType::U16 => "DT_UINT16",
        DType::U32 => "DT_UINT32",
        DType::U64 => "DT_UINT64",
        DType::I8 => "DT_INT8",
        DType::I16 => "DT_INT16",
        DType::I32 => "DT_INT32",
        DType::I64 => "DT_INT64",
        DType::F16 => "DT_HALF",
        DType::BF16 => "DT_BFLOAT16",
        DType::F32 => "DT_FLOAT",
        DType::F64 => "DT_DOUBLE",
        DType::Str => "DT_STRING",
    }
}
