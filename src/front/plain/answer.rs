//! Outputs to the plain answer.

use crate::engine::Extras;
use crate::front::reply::{ApiError, Cause};
use crate::json::{NonFinite, Number, write_element, write_nested, write_str};
use crate::registry::Version;
use crate::router::Routed;
use crate::tensor::{Data, Tensor};

/// NaN has no JSON form; people's parsers expect `null`.
const NAN: NonFinite = NonFinite::Null;

/// Writes the body. `extras` and `rows` are what was asked for; a single row also gets `prediction`.
///
/// Outputs that do not count those rows on their first axis (of a model without a batch axis, or
/// of a detector that found nothing) are written whole.
pub fn write(
    routed: &Routed,
    outputs: &[Tensor],
    extras: Extras,
    rows: usize,
    prediction_id: &str,
) -> Result<Vec<u8>, ApiError> {
    let version: &Version = routed;
    let roles = &version.roles;
    let main = main(version, outputs)?;
    let mut out = Vec::with_capacity(192 + 24 * rows);
    out.push(b'{');
    let by_row = |tensor: &Tensor| !tensor.shape().is_empty() && tensor.rows() == rows;
    if by_row(main) && rows == 1 {
        out.extend_from_slice(b"\"prediction\":");
        prediction(&mut out, version, main, 0);
        out.push(b',');
    }
    out.extend_from_slice(b"\"predictions\":");
    write_predictions(&mut out, version, outputs, rows)?;
    if let Some(scores) = roles.probabilities.and_then(|at| outputs.get(at)) {
        out.extend_from_slice(b",\"probabilities\":");
        match by_row(scores) {
            true => list(&mut out, rows, |out, row| value(out, scores, row)),
            false => whole(&mut out, scores),
        }
        classes(&mut out, version);
    }
    others(&mut out, version, outputs, extras, rows);
    for (name, text) in [
        ("model", Some(version.model.as_str())),
        ("version", Some(&*version.name)),
        ("variant", routed.variant()),
        ("prediction_id", Some(prediction_id)),
    ] {
        let Some(text) = text else { continue };
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        write_str(&mut out, text);
    }
    out.push(b'}');
    Ok(out)
}

/// The output that is the prediction.
fn main<'a>(version: &Version, outputs: &'a [Tensor]) -> Result<&'a Tensor, ApiError> {
    outputs.get(version.roles.prediction).ok_or_else(|| ApiError::new(Cause::Internal, "the model gave no output"))
}

/// Writes the predictions alone: one for each row.
pub fn write_predictions(
    out: &mut Vec<u8>,
    version: &Version,
    outputs: &[Tensor],
    rows: usize,
) -> Result<(), ApiError> {
    let main = main(version, outputs)?;
    match !main.shape().is_empty() && main.rows() == rows {
        true => list(out, rows, |out, row| prediction(out, version, main, row)),
        false => whole(out, main),
    }
    Ok(())
}

fn list(out: &mut Vec<u8>, rows: usize, mut each: impl FnMut(&mut Vec<u8>, usize)) {
    out.push(b'[');
    for row in 0..rows {
        if row > 0 {
            out.push(b',');
        }
        each(out, row);
    }
    out.push(b']');
}

fn prediction(out: &mut Vec<u8>, version: &Version, main: &Tensor, row: usize) {
    if !version.roles.classify {
        return value(out, main, row);
    }
    let class = highest(main, row);
    match version.roles.labels.as_ref().and_then(|labels| labels.get(class)) {
        Some(label) => write_str(out, label),
        None => class.write(out, NAN),
    }
}

/// The column of a row's highest score, the first of equals.
fn highest(scores: &Tensor, row: usize) -> usize {
    let width = scores.shape().row_elements();
    let best = |values: &mut dyn Iterator<Item = f64>| {
        let mut best = (0, f64::NEG_INFINITY);
        for (at, value) in values.enumerate() {
            if value > best.1 {
                best = (at, value);
            }
        }
        best.0
    };
    let range = row * width..(row + 1) * width;
    match scores.data() {
        Data::F32(v) => best(&mut v[range].iter().map(|x| f64::from(*x))),
        Data::F64(v) => best(&mut v[range].iter().copied()),
        Data::F16(v) => best(&mut v[range].iter().map(|x| x.to_f64())),
        Data::BF16(v) => best(&mut v[range].iter().map(|x| x.to_f64())),
        _ => 0,
    }
}

/// An output in its own shape; a scalar without brackets.
fn whole(out: &mut Vec<u8>, tensor: &Tensor) {
    match tensor.shape().len() {
        0 => write_element(out, tensor.data(), 0, NAN),
        _ => write_nested(out, tensor.data(), tensor.shape(), 0, NAN),
    }
}

/// One row of an output. A row of one element is written without its brackets.
fn value(out: &mut Vec<u8>, tensor: &Tensor, row: usize) {
    let width = tensor.shape().row_elements();
    if width == 1 {
        return write_element(out, tensor.data(), row, NAN);
    }
    write_nested(out, tensor.data(), tensor.shape().row_dims(), row * width, NAN);
}

/// The names of the probabilities' columns, where known.
fn classes(out: &mut Vec<u8>, version: &Version) {
    if let Some(labels) = &version.roles.labels {
        out.extend_from_slice(b",\"classes\":");
        list(out, labels.len(), |out, at| write_str(out, &labels[at]));
    }
}

/// Outputs that are neither the prediction nor its probabilities; raw scores that were classified count too.
fn others(out: &mut Vec<u8>, version: &Version, outputs: &[Tensor], extras: Extras, rows: usize) {
    let roles = &version.roles;
    let shown = |at: usize| (at == roles.prediction && !roles.classify) || Some(at) == roles.probabilities;
    let mut open = false;
    for (at, (spec, tensor)) in version.signature().answered(extras).zip(outputs).enumerate() {
        if shown(at) {
            continue;
        }
        out.extend_from_slice(if open { b",".as_slice() } else { b",\"outputs\":{" });
        open = true;
        write_str(out, &spec.name);
        out.push(b':');
        if !tensor.shape().is_empty() && tensor.rows() == rows {
            list(out, rows, |out, row| value(out, tensor, row));
        } else {
            whole(out, tensor);
        }
    }
    if open {
        out.push(b'}');
    }
}
