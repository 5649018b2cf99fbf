//! Outputs to an inference response.

use crate::engine::{Extras, TensorSpec};
use crate::front::ids::Ids;
use crate::json::{NonFinite, Number, write_data, write_str};
use crate::registry::Version;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// Bare tokens, as Triton writes and its clients read them.
const NAN: NonFinite = NonFinite::Token;

/// What a request asked to see of its answer.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    pub extras: Extras,
    /// Places among all that the answer holds; empty means all.
    pub wanted: &'a [usize],
}

/// Writes the body. The id is always answered.
pub fn write(version: &Version, outputs: &[Tensor], shown: Shown<'_>, id: Option<&str>, ids: &Ids) -> Vec<u8> {
    let mut out = Vec::with_capacity(320);
    out.extend_from_slice(b"{\"model_name\":");
    write_str(&mut out, version.model.as_str());
    out.extend_from_slice(b",\"model_version\":");
    write_str(&mut out, &version.name);
    out.extend_from_slice(b",\"id\":");
    write_str(&mut out, id.unwrap_or_else(|| ids.request_text()));
    out.extend_from_slice(b",\"parameters\":{\"prediction_id\":");
    write_str(&mut out, ids.prediction_text());
    out.extend_from_slice(b"},\"outputs\":[");
    let answered: SmallVec<[(&TensorSpec, &Tensor); 4]> =
        version.signature().answered(shown.extras).zip(outputs).collect();
    let all: SmallVec<[usize; 4]> = (0..answered.len()).collect();
    let chosen: &[usize] = if shown.wanted.is_empty() { &all } else { shown.wanted };
    for (place, (spec, tensor)) in chosen.iter().filter_map(|at| answered.get(*at)).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        output(&mut out, &spec.name, tensor);
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
