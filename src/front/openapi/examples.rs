//! Requests that work: made of the row that the version was tried with when it was loaded.

use crate::json::{NonFinite, write_data, write_nested};
use crate::registry::{Place, Version};
use crate::tensor::Tensor;
use serde_json::{Map, Value, json};

/// The inputs of one row; all of them where the model has no rows.
fn inputs(version: &Version) -> Vec<Tensor> {
    let batched = version.signature().batchable();
    let one = |tensor: &Tensor| match batched && tensor.rows() > 0 {
        true => tensor.rows_at(0, 1),
        false => tensor.clone(),
    };
    version.lane.trial().iter().map(one).collect()
}

/// A plain request: a row by column where the columns have names, else the first input's own shape.
pub fn plain(version: &Version) -> Value {
    json!({"features": row(version)})
}

/// Rows for a verb of TF Serving's.
pub fn rows(version: &Version) -> Value {
    json!({"examples": [record(version)]})
}

/// The row by column, or by input where rows are no columns.
fn record(version: &Version) -> Value {
    match row(version) {
        Value::Array(mut rows) => rows.pop().unwrap_or_default(),
        row => row,
    }
}

fn row(version: &Version) -> Value {
    let inputs = inputs(version);
    if version.features.names.is_empty() {
        let named = version.signature().inputs.iter().zip(&inputs);
        let members = named.map(|(spec, tensor)| (spec.name.clone(), nested(tensor, tensor.shape().row_dims())));
        return Value::Array(vec![Value::Object(members.collect())]);
    }
    let mut members = Map::new();
    for name in &version.features.names {
        if let Some(Place::Element { input, offset }) = version.features.place(name)
            && let Some(tensor) = inputs.get(input)
        {
            members.insert(name.clone(), element(tensor, offset));
        }
    }
    Value::Object(members)
}

/// An inference request.
pub fn inference(version: &Version) -> Value {
    let inputs = inputs(version);
    let tensors = version.signature().inputs.iter().zip(&inputs).map(|(spec, tensor)| {
        json!({
            "name": spec.name,
            "datatype": spec.dtype.name(),
            "shape": tensor.shape().to_vec(),
            "data": flat(tensor),
        })
    });
    json!({"inputs": tensors.collect::<Vec<_>>()})
}

/// A request in columns, whole tensors by name.
pub fn columns(version: &Version) -> Value {
    let inputs = inputs(version);
    let tensors = version.signature().inputs.iter().zip(&inputs);
    let members: Map<String, Value> =
        tensors.map(|(spec, tensor)| (spec.name.clone(), nested(tensor, tensor.shape()))).collect();
    json!({"inputs": members})
}

/// Numbers that are none are written `null`, which every reader here takes for a missing one.
fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_default()
}

fn flat(tensor: &Tensor) -> Value {
    let mut out = vec![b'['];
    write_data(&mut out, tensor.data(), 0, tensor.data().len(), NonFinite::Null);
    out.push(b']');
    parsed(&out)
}

fn nested(tensor: &Tensor, dims: &[usize]) -> Value {
    let mut out = Vec::new();
    write_nested(&mut out, tensor.data(), dims, 0, NonFinite::Null);
    let value = parsed(&out);
    match (dims, value) {
        // A scalar stands in brackets of its own.
        ([], Value::Array(mut one)) => one.pop().unwrap_or_default(),
        (_, value) => value,
    }
}

fn element(tensor: &Tensor, at: usize) -> Value {
    let mut out = Vec::new();
    if at < tensor.data().len() {
        crate::json::write_element(&mut out, tensor.data(), at, NonFinite::Null);
    }
    parsed(&out)
}
