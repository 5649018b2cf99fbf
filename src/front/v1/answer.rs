//! Outputs as rows or as columns.

use super::request::Form;
use crate::front::reply::{ApiError, Cause};
use crate::json::{NonFinite, write_element, write_nested, write_str};
use crate::registry::Version;
use crate::tensor::{DType, Data, Tensor};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Outputs of this kind of name hold bytes, not text.
const BYTES: &str = "_bytes";

/// Writes the body. With a single output its name is left out.
pub fn write(version: &Version, outputs: &[Tensor], form: Form, rows: usize, nan: NonFinite) -> Vec<u8> {
    let specs = &version.signature().outputs;
    let named: Vec<(&str, &Tensor)> = specs.iter().map(|spec| spec.name.as_str()).zip(outputs).collect();
    let mut out = Vec::with_capacity(64 + 24 * rows * outputs.len());
    out.extend_from_slice(if form == Form::Rows { b"{\"predictions\":" } else { b"{\"outputs\":" });
    let by_row = |tensor: &Tensor| !tensor.shape().is_empty() && tensor.rows() == rows;
    match (form, named.as_slice()) {
        (_, [(name, only)]) => value(&mut out, name, only, only.shape(), 0, nan),
        (Form::Rows, named) if named.iter().all(|(_, tensor)| by_row(tensor)) => {
            list(&mut out, b"[]", 0..rows, |out, row| {
                list(out, b"{}", named.iter(), |out, (name, tensor)| {
                    member(out, name);
                    value(out, name, tensor, tensor.shape().row_dims(), row * tensor.shape().row_elements(), nan);
                });
            });
        }
        (_, named) => list(&mut out, b"{}", named.iter(), |out, (name, tensor)| {
            member(out, name);
            value(out, name, tensor, tensor.shape(), 0, nan);
        }),
    }
    out.push(b'}');
    out
}

fn list<T>(
    out: &mut Vec<u8>,
    brackets: &[u8; 2],
    items: impl Iterator<Item = T>,
    mut each: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(brackets[0]);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        each(out, item);
    }
    out.push(brackets[1]);
}

fn member(out: &mut Vec<u8>, name: &str) {
    write_str(out, name);
    out.push(b':');
}

fn value(out: &mut Vec<u8>, name: &str, tensor: &Tensor, dims: &[usize], from: usize, nan: NonFinite) {
    match (tensor.data(), dims) {
        (Data::Str(texts), _) if name.ends_with(BYTES) => packed(out, texts, dims, from),
        (data, []) => write_element(out, data, from, nan),
        (data, dims) => write_nested(out, data, dims, from, nan),
    }
}

/// Bytes in base64, each an object of its own.
fn packed(out: &mut Vec<u8>, texts: &[std::sync::Arc<str>], dims: &[usize], from: usize) {
    match dims {
        [] => {
            out.extend_from_slice(b"{\"b64\":\"");
            out.extend_from_slice(STANDARD.encode(texts[from].as_bytes()).as_bytes());
            out.extend_from_slice(b"\"}");
        }
        [first, rest @ ..] => {
            let step: usize = rest.iter().product();
            list(out, b"[]", 0..*first, |out, at| packed(out, texts, rest, from + at * step));
        }
    }
}

/// Each row's classes with their scores.
pub fn classified(version: &Version, outputs: &[Tensor], nan: NonFinite) -> Result<Vec<u8>, ApiError> {
    let unfit = || {
        let words = "this model has no output of scores for classes: ask for ':predict'";
        ApiError::field("path", words)
    };
    let at = version.roles.probabilities.or(version.roles.classify.then_some(version.roles.prediction));
    let scores = at.and_then(|at| outputs.get(at)).filter(|scores| scores.shape().len() == 2).ok_or_else(unfit)?;
    let width = scores.shape().row_elements();
    let mut out = b"{\"result\":".to_vec();
    list(&mut out, b"[]", 0..scores.rows(), |out, row| {
        list(out, b"[]", 0..width, |out, class| {
            out.push(b'[');
            match version.roles.labels.as_ref().and_then(|labels| labels.get(class)) {
                Some(label) => write_str(out, label),
                None => write_str(out, &class.to_string()),
            }
            out.push(b',');
            write_element(out, scores.data(), row * width + class, nan);
            out.push(b']');
        });
    });
    out.push(b'}');
    Ok(out)
}

/// Each row's value.
pub fn regressed(version: &Version, outputs: &[Tensor], nan: NonFinite) -> Result<Vec<u8>, ApiError> {
    let tensor = outputs.get(version.roles.prediction);
    let tensor = tensor.ok_or_else(|| ApiError::new(Cause::Internal, "the model gave no output"))?;
    let one_each = !tensor.shape().is_empty() && tensor.shape().row_elements() == 1;
    if !one_each || tensor.dtype() == DType::Str {
        let words = "this model does not give one number for each row: ask for ':predict'";
        return Err(ApiError::field("path", words));
    }
    let mut out = b"{\"result\":".to_vec();
    list(&mut out, b"[]", 0..tensor.rows(), |out, row| write_element(out, tensor.data(), row, nan));
    out.push(b'}');
    Ok(out)
}
