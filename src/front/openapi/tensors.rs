//! The tensors and rows of a model, as its requests have them.

use super::shapes::{count, object, text, truth};
use crate::engine::{Dim, TensorSpec};
use crate::registry::{Place, Version};
use crate::tensor::DType;
use serde_json::{Value, json};

/// What an element of a type may be in JSON. Fractions may be missing; some columns take words too.
pub fn element(dtype: DType, words: bool) -> Value {
    let integer = |low: i128, high: i128| json!({"type": "integer", "minimum": low, "maximum": high});
    match dtype {
        DType::Bool => truth(),
        DType::U8 => integer(0, u8::MAX.into()),
        DType::U16 => integer(0, u16::MAX.into()),
        DType::U32 => integer(0, u32::MAX.into()),
        DType::U64 => integer(0, u64::MAX.into()),
        DType::I8 => integer(i8::MIN.into(), i8::MAX.into()),
        DType::I16 => integer(i16::MIN.into(), i16::MAX.into()),
        DType::I32 => integer(i32::MIN.into(), i32::MAX.into()),
        DType::I64 => integer(i64::MIN.into(), i64::MAX.into()),
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 if words => json!({"type": ["number", "string", "null"]}),
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => json!({"type": ["number", "null"]}),
        DType::Str => text(),
    }
}

/// A list of elements, nested to any depth that the shape asks for.
fn data(dtype: DType) -> Value {
    json!({"type": "array", "items": {"anyOf": [element(dtype, false), {"type": "array"}]},
        "description": "flat, or nested to the shape"})
}

/// A tensor of an inference request, under its only name and type.
pub fn input(spec: &TensorSpec) -> Value {
    let length = |dim: &Dim| match dim {
        Dim::Fixed(length) => json!({"const": length}),
        Dim::Any(_) => count(),
    };
    let lengths: Vec<Value> = spec.dims.iter().map(length).collect();
    object(&[
        ("name", json!({"const": spec.name})),
        ("datatype", json!({"const": spec.dtype.name()})),
        (
            "shape",
            json!({"type": "array", "prefixItems": lengths, "minItems": lengths.len(), "maxItems": lengths.len(),
                "description": spec.shape_text()}),
        ),
        ("data", data(spec.dtype)),
    ])
}

/// A tensor of a request that is nested to its shape.
pub fn nested(spec: &TensorSpec) -> Value {
    match spec.dims.is_empty() {
        true => element(spec.dtype, false),
        false => data(spec.dtype),
    }
}

/// A row of a model: an object by column, or by input where rows are no columns.
pub fn record(version: &Version) -> Value {
    let words = version.has_words();
    let columns = version.features.names.iter().map(|name| {
        let input = match version.features.place(name) {
            Some(Place::Element { input, .. } | Place::Row { input }) => input,
            None => 0,
        };
        let dtype = version.signature().inputs.get(input).map_or(DType::F32, |spec| spec.dtype);
        (name.as_str(), element(dtype, words))
    });
    let columns: Vec<(&str, Value)> = columns.collect();
    if !columns.is_empty() {
        return object(&columns);
    }
    let inputs = version.signature().inputs.iter().map(|spec| {
        let inner = if spec.dims.len() > 1 { data(spec.dtype) } else { element(spec.dtype, false) };
        (spec.name.as_str(), inner)
    });
    object(&inputs.collect::<Vec<_>>())
}
