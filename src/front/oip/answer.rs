//! Outputs to an inference response.

use crate::front::ids::Ids;
use crate::json::{NonFinite, Number, write_data, write_str};
use crate::router::Routed;
use crate::tensor::Tensor;

/// Bare tokens, as Triton writes and its clients read them.
const NAN: NonFinite = NonFinite::Token;

/// Writes the body. `wanted` names outputs by index; empty means all. The id is always answered.
pub fn write(version: &Routed, outputs: &[Tensor], wanted: &[usize], id: Option<&str>, ids: &Ids) -> Vec<u8> {
    let mut out = Vec::with_capacity(320);
    out.extend_from_slice(b"{\"model_name\":");
    write_str(&mut out, version.model.as_str());
    out.extend_from_slice(b",\"model_version\":");
    write_str(&mut out, &version.name);
    out.extend_from_slice(b",\"id\":");
    write_str(&mut out, id.unwrap_or_else(|| ids.request_text()));
    out.extend_from_slice(b",\"parameters\":{\"prediction_id\":");
    write_str(&mut out, ids.prediction_text());
    if let Some(variant) = version.variant() {
        out.extend_from_slice(b",\"variant\":");
        write_str(&mut out, variant);
    }
    out.extend_from_slice(b"},\"outputs\":[");
    let all: Vec<usize> = (0..outputs.len()).collect();
    let chosen = if wanted.is_empty() { &all } else { wanted };
    for (place, at) in chosen.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        output(&mut out, &version.signature().outputs[*at].name, &outputs[*at]);
    }
    out.extend_from_slice(b"]}");
    out
}

fn output(out: &mut Vec<u8>, name: &str, tensor: &Tensor) {
    out.extend_from_slice(b"{\"name\":");
    write_str(out, name);
    out.extend_from_slice(b",\"datatype\":\"");
    out.extend_from_slice(tensor.dtype().name().as_bytes());
    out.extend_from_slice(b"\",\"shape\":[");
    for (axis, dim) in tensor.shape().iter().enumerate() {
        if axis > 0 {
            out.push(b',');
        }
        dim.write(out, NAN);
    }
    out.extend_from_slice(b"],\"data\":[");
    write_data(out, tensor.data(), 0, tensor.data().len(), NAN);
    out.extend_from_slice(b"]}");
}
