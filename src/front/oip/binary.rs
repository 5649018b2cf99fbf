//! The binary tensor extension: JSON first, then the raw bytes of the inputs that announce some.

use super::input::{Filled, Source};
use super::parameters::Parameters;
use super::request::Parsed;
use crate::engine::{Dim, Signature, TensorSpec};
use crate::front::raw;
use crate::front::reply::ApiError;
use crate::tensor::{DType, Data, Shape, Tensor};
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::HeaderName;

/// Says how many bytes of a body are JSON.
pub const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// How a body is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// All of it is JSON.
    Json,
    /// So many bytes of JSON, then raw tensors.
    Mixed { json: usize },
    /// The raw bytes of the model's only input, and nothing else.
    Raw,
}

impl Framing {
    /// Whether the headers speak of anything but plain JSON.
    pub fn is_announced(headers: &HeaderMap) -> bool {
        headers.contains_key(JSON_LENGTH)
    }

    /// What the header says of an unpacked body.
    pub fn of(headers: &HeaderMap, body: usize) -> Result<Self, ApiError> {
        let Some(value) = headers.get(JSON_LENGTH) else { return Ok(Self::Json) };
        let length = value.to_str().ok().and_then(|text| text.trim().parse::<i64>().ok());
        match length.map(usize::try_from) {
            Some(Ok(0)) => Ok(Self::Raw),
            Some(Ok(json)) if json <= body => Ok(Self::Mixed { json }),
            _ => {
                let words = format!(
                    "header Inference-Header-Content-Length: expected the number of JSON bytes, at most the body's \
                     {body}, or 0 for a raw request, got {value:?}"
                );
                Err(ApiError::field(JSON_LENGTH.as_str(), words))
            }
        }
    }
}

/// Gives announced inputs their bytes, in the order in which they were announced. Answers the tensors in
/// the signature's order, where they were given.
pub(super) fn fill(
    filled: Vec<Filled>,
    framing: Framing,
    mut tail: Bytes,
    signature: &Signature,
) -> Result<Vec<Option<Tensor>>, ApiError> {
    let mut inputs: Vec<Option<Tensor>> = signature.inputs.iter().map(|_| None).collect();
    for one in filled {
        let spec = &signature.inputs[one.at];
        if one.binary_size().is_some() && framing == Framing::Json {
            let words = "'binary_data_size' is given, but not the header Inference-Header-Content-Length that binary data needs";
            return Err(bad(spec, words));
        }
        let tensor = match one.source {
            Source::Json(tensor) => tensor,
            Source::Binary { shape, size } => {
                if size > tail.len() {
                    return Err(short(spec, size - tail.len()));
                }
                let bytes = tail.split_to(size);
                raw::decode(spec.dtype, shape, bytes).map_err(|error| bad(spec, error))?
            }
        };
        inputs[one.at] = Some(tensor);
    }
    match tail.len() {
        0 => Ok(inputs),
        surplus => Err(ApiError::field(
            "body",
            format!("unexpected additional input data: {surplus} bytes are left behind the last binary input"),
        )),
    }
}

fn bad(spec: &TensorSpec, words: impl std::fmt::Display) -> ApiError {
    ApiError::field(&spec.name, format!("input '{}': {words}", spec.name))
}

fn short(spec: &TensorSpec, missing: usize) -> ApiError {
    let words = format!("unexpected size for input '{}', expecting {missing} additional bytes", spec.name);
    ApiError::field(&spec.name, words)
}

/// A body that is nothing but the only input's bytes: one row, whose outputs come back raw as well.
pub(super) fn raw(body: &Bytes, signature: &Signature) -> Result<Parsed, ApiError> {
    let [spec] = signature.inputs.as_slice() else {
        let words = format!(
            "a raw binary request needs a model with exactly 1 input, and this one has {}: send the JSON header",
            signature.inputs.len()
        );
        return Err(ApiError::field("body", words));
    };
    let shape = raw_shape(spec, signature.batchable(), body.len())?;
    let tensor = match spec.dtype {
        // The only element: its length is the body's.
        DType::Str => {
            let text = raw::text(body, 0).map_err(|error| bad(spec, error))?;
            Tensor::new(shape, Data::Str(vec![text])).map_err(|error| bad(spec, error))?
        }
        dtype => raw::decode(dtype, shape, body.clone()).map_err(|error| bad(spec, error))?,
    };
    let parameters = Parameters { binary_output: true, ..Parameters::default() };
    Ok(Parsed { inputs: vec![tensor], parameters, ..Parsed::default() })
}

/// The shape that a number of bytes stands for: one row, and at most one axis to find out.
fn raw_shape(spec: &TensorSpec, batched: bool, bytes: usize) -> Result<Shape, ApiError> {
    let row = if batched { spec.dims.get(1..).unwrap_or(&[]) } else { &spec.dims };
    let open = row.iter().filter(|dim| matches!(dim, Dim::Any(_))).count();
    let fixed = row.iter().try_fold(1usize, |product, dim| match dim {
        Dim::Fixed(n) => product.checked_mul(*n),
        Dim::Any(_) => Some(product),
    });
    let told =
        || format!("a raw binary request does not tell the shape of {}: send the JSON header", spec.shape_text());
    let size = match (spec.dtype, fixed) {
        (DType::Str, Some(1)) if open == 0 => 1,
        (DType::Str, _) => return Err(bad(spec, told())),
        (dtype, Some(fixed)) => fixed.saturating_mul(dtype.size()),
        (_, None) => return Err(bad(spec, told())),
    };
    let found = match open {
        0 => 0,
        1 if size > 0 && bytes.is_multiple_of(size) => bytes / size,
        _ => return Err(bad(spec, told())),
    };
    let mut shape = if batched { Shape::from([1]) } else { Shape::default() };
    for dim in row {
        shape.push(match dim {
            Dim::Fixed(n) => *n,
            Dim::Any(_) => found,
        });
    }
    Ok(shape)
}
