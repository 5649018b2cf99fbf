//! Outputs to an inference response.

use super::classify::classify;
use super::request::{Parsed, Wanted};
use crate::engine::TensorSpec;
use crate::front::ids::Ids;
use crate::front::raw;
use crate::front::reply::ApiError;
use crate::json::{NonFinite, Number, write_data, write_str};
use crate::registry::Version;
use crate::router::Routed;
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::borrow::Cow;

/// A body, and how many bytes of it are JSON where raw tensors follow.
pub struct Written {
    pub body: Vec<u8>,
    pub json: Option<usize>,
}

/// Writes the body: the outputs asked for, each as JSON or as raw bytes. The id is always answered.
pub fn write(
    version: &Routed,
    outputs: &[Tensor],
    parsed: &Parsed,
    ids: &Ids,
    non_finite: NonFinite,
) -> Result<Written, ApiError> {
    let chosen = chosen(version, outputs, parsed)?;
    let binary = |wanted: &Wanted| wanted.binary.unwrap_or(parsed.parameters.binary_output);
    let tail: usize =
        chosen.iter().filter(|(wanted, ..)| binary(wanted)).map(|(.., tensor)| raw::encoded_len(tensor.data())).sum();
    let mut out = Vec::with_capacity(320 + tail);
    out.extend_from_slice(b"{\"model_name\":");
    write_str(&mut out, version.model.as_str());
    out.extend_from_slice(b",\"model_version\":");
    write_str(&mut out, &version.name);
    out.extend_from_slice(b",\"id\":");
    write_str(&mut out, parsed.id.as_deref().unwrap_or_else(|| ids.request_text()));
    out.extend_from_slice(b",\"parameters\":{\"prediction_id\":");
    write_str(&mut out, ids.prediction_text());
    if let Some(variant) = version.variant() {
        out.extend_from_slice(b",\"variant\":");
        write_str(&mut out, variant);
    }
    out.extend_from_slice(b"},\"outputs\":[");
    for (place, (wanted, name, tensor)) in chosen.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        output(&mut out, name, tensor, binary(wanted), non_finite);
    }
    out.extend_from_slice(b"]}");
    let json = out.len();
    for (.., tensor) in chosen.iter().filter(|(wanted, ..)| binary(wanted)) {
        raw::encode(&mut out, tensor.data());
    }
    let json = (out.len() > json).then_some(json);
    Ok(Written { body: out, json })
}

/// An output as it was asked for, its name, and the tensor or its classes.
pub type Chosen<'a> = (Wanted, &'a str, Cow<'a, Tensor>);

/// The outputs asked for, in the order asked.
pub fn chosen<'a>(
    version: &'a Version,
    outputs: &'a [Tensor],
    parsed: &Parsed,
) -> Result<SmallVec<[Chosen<'a>; 4]>, ApiError> {
    let answered: SmallVec<[(&TensorSpec, &Tensor); 4]> =
        version.signature().answered(parsed.extras).zip(outputs).collect();
    let all = || (0..answered.len()).map(|at| Wanted { at, ..Wanted::default() }).collect();
    let wanted: SmallVec<[Wanted; 4]> =
        if parsed.wanted.is_empty() { all() } else { parsed.wanted.iter().copied().collect() };
    let found = wanted.into_iter().filter_map(|one| Some((one, *answered.get(one.at)?)));
    found.map(|(one, (spec, tensor))| Ok((one, spec.name.as_str(), as_asked(version, spec, tensor, one)?))).collect()
}

fn as_asked<'a>(
    version: &Version,
    spec: &TensorSpec,
    tensor: &'a Tensor,
    wanted: Wanted,
) -> Result<Cow<'a, Tensor>, ApiError> {
    if wanted.classes == 0 {
        return Ok(Cow::Borrowed(tensor));
    }
    let roles = &version.roles;
    let ranked = roles.probabilities == Some(wanted.at) || (roles.classify && roles.prediction == wanted.at);
    let labels = roles.labels.as_deref().filter(|_| ranked).or(spec.labels.as_deref());
    classify(&spec.name, tensor, wanted.classes, labels, version.signature().batchable()).map(Cow::Owned)
}

fn output(out: &mut Vec<u8>, name: &str, tensor: &Tensor, binary: bool, non_finite: NonFinite) {
    out.extend_from_slice(b"{\"name\":");
    write_str(out, name);
    out.extend_from_slice(b",\"datatype\":\"");
    out.extend_from_slice(tensor.dtype().name().as_bytes());
    out.extend_from_slice(b"\",\"shape\":[");
    for (axis, dim) in tensor.shape().iter().enumerate() {
        if axis > 0 {
            out.push(b',');
        }
        dim.write(out, non_finite);
    }
    if binary {
        out.extend_from_slice(b"],\"parameters\":{\"binary_data_size\":");
        raw::encoded_len(tensor.data()).write(out, non_finite);
        out.extend_from_slice(b"}}");
        return;
    }
    out.extend_from_slice(b"],\"data\":[");
    write_data(out, tensor.data(), 0, tensor.data().len(), non_finite);
    out.extend_from_slice(b"]}");
}
