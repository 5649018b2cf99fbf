//! Instances and columns to the tensors of a model.

use crate::engine::{Dim, InputError, TensorSpec};
use crate::front::plain;
use crate::front::reply::ApiError;
use crate::front::wrong::Wrong;
use crate::json::{ElementError, Elements, Kind, NestedError, Reader, nested};
use crate::registry::Version;
use crate::tensor::{Shape, Tensor};

/// How a request is laid out; its answer is laid out alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Rows,
    Columns,
}

/// What a request holds.
#[derive(Debug)]
pub struct Parsed {
    pub form: Form,
    pub inputs: Vec<Tensor>,
}

/// The only signature there is, under TensorFlow's name for it.
pub const SIGNATURE: &str = "serving_default";

/// Reads a body with exactly one of `instances` and `inputs`.
pub fn parse(bytes: &[u8], version: &Version, max_depth: usize) -> Result<Parsed, ApiError> {
    let mut reader = Reader::new(bytes, max_depth);
    let mut parsed = None;
    body(&mut reader, |reader, key| {
        let form = match key {
            "instances" => Form::Rows,
            "inputs" => Form::Columns,
            _ => return Ok(reader.skip()?),
        };
        if parsed.is_some() {
            return Err(ApiError::field(key, "expected exactly one of 'instances' and 'inputs'").into());
        }
        let inputs = match form {
            Form::Rows => instances(reader, version)?,
            Form::Columns => columns(reader, version)?,
        };
        parsed = Some(Parsed { form, inputs });
        Ok(())
    })?;
    reader.finish().map_err(Wrong::Json)?;
    let missing = || {
        let words = "expected a JSON object with 'instances' (a list of rows) or 'inputs' (tensors by name)";
        ApiError::field("instances", words)
    };
    parsed.ok_or_else(missing)
}

/// The examples of a request to classify or to regress: a row each, by feature.
pub fn examples(bytes: &[u8], version: &Version, max_depth: usize) -> Result<Vec<Tensor>, ApiError> {
    let mut reader = Reader::new(bytes, max_depth);
    let mut inputs = None;
    body(&mut reader, |reader, key| match key {
        "examples" if inputs.is_some() => Err(ApiError::field(key, "'examples' is given twice").into()),
        "examples" => {
            expect(reader, Kind::Array, key)?;
            inputs = Some(plain::records(reader, version)?);
            Ok(())
        }
        "context" => {
            let words = "a 'context' shared by all examples is not read: write its features into each example";
            Err(ApiError::field(key, words).into())
        }
        _ => Ok(reader.skip()?),
    })?;
    reader.finish().map_err(Wrong::Json)?;
    inputs.ok_or_else(|| ApiError::field("examples", "'examples' is missing: a list of objects by feature"))
}

/// Reads the members of a body; the signature, where one is named, must be the one there is.
fn body<'a>(
    reader: &mut Reader<'a>,
    mut member: impl FnMut(&mut Reader<'a>, &str) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    expect(reader, Kind::Object, "body")?;
    reader.object(|reader, key| {
        if key != "signature_name" {
            return member(reader, &key);
        }
        expect(reader, Kind::String, "signature_name")?;
        match &*reader.string()? {
            "" | SIGNATURE => Ok(()),
            other => {
                let shown = crate::text::shorten(other, 60);
                let words = format!("unknown signature '{shown}': the only one is '{SIGNATURE}'");
                Err(ApiError::field("signature_name", words).into())
            }
        }
    })
}

fn expect(reader: &mut Reader<'_>, kind: Kind, field: &str) -> Result<(), Wrong> {
    match reader.peek()? {
        got if got == kind => Ok(()),
        got => Err(ApiError::field(field, format!("'{field}': expected {}, got {}", kind.words(), got.words())).into()),
    }
}

/// Rows: bare values for a model with one input, objects by input or column, or lists in column order.
pub fn instances(reader: &mut Reader<'_>, version: &Version) -> Result<Vec<Tensor>, Wrong> {
    expect(reader, Kind::Array, "instances")?;
    match (first(reader), version.signature().inputs.as_slice()) {
        (First::Other, [only]) | (First::Base64, [only]) => Ok(vec![tensor(reader, only, "instances")?]),
        (First::Object | First::Base64, _) => plain::records(reader, version),
        (First::Other, _) => plain::lists(reader, version),
    }
}

/// What the first instance is.
enum First {
    Object,
    /// Bytes in base64, which are written as an object too.
    Base64,
    Other,
}

fn first(reader: &Reader<'_>) -> First {
    let mut found = First::Other;
    let _ = reader.fork().array(|reader| {
        if reader.peek()? == Kind::Object {
            let mut members = 0;
            let mut base64 = false;
            reader.object(|reader, key| {
                members += 1;
                base64 |= key == "b64";
                reader.skip()
            })?;
            found = if base64 && members == 1 { First::Base64 } else { First::Object };
        }
        // Only the first is looked at.
        Err(reader.error("nothing more"))
    });
    found
}

/// Whole tensors by name; the only input's tensor may stand bare.
pub fn columns(reader: &mut Reader<'_>, version: &Version) -> Result<Vec<Tensor>, Wrong> {
    let signature = version.signature();
    if let ([only], true) = (signature.inputs.as_slice(), reader.peek()? != Kind::Object || is_base64(reader)) {
        return Ok(vec![tensor(reader, only, "inputs")?]);
    }
    expect(reader, Kind::Object, "inputs")?;
    let mut given: Vec<Option<Tensor>> = signature.inputs.iter().map(|_| None).collect();
    reader.object(|reader, key| {
        let at = signature.input(&key).ok_or_else(|| InputError::unknown(&key, signature))?;
        let tensor = tensor(reader, &signature.inputs[at], &key)?;
        match given[at].replace(tensor) {
            Some(_) => Err(InputError::Duplicate { name: key.into_owned() }.into()),
            None => Ok::<(), Wrong>(()),
        }
    })?;
    let missing = |spec: &TensorSpec| InputError::Missing { name: spec.name.clone() };
    let tensors = given.into_iter().zip(&signature.inputs);
    Ok(tensors.map(|(tensor, spec)| tensor.ok_or_else(|| missing(spec))).collect::<Result<_, _>>()?)
}

fn is_base64(reader: &Reader<'_>) -> bool {
    let mut found = false;
    let _ = reader.fork().object(|reader, key| {
        found = key == "b64";
        Err(reader.error("nothing more"))
    });
    found
}

/// One nested list; a column of single values may leave its inner brackets out.
fn tensor(reader: &mut Reader<'_>, spec: &TensorSpec, field: &str) -> Result<Tensor, Wrong> {
    let mut elements = Elements::new(spec.dtype, 64);
    let bad = |words: String| ApiError::field(field, format!("'{}': {words}", spec.name));
    let shape = nested(reader, &mut elements).map_err(|error| match error {
        NestedError::Json(error) | NestedError::Element { source: ElementError::Json(error), .. } => Wrong::Json(error),
        other => bad(other.to_string()).into(),
    })?;
    let column = shape.len() == 1 && spec.dims.len() == 2 && spec.dims[1] == Dim::Fixed(1);
    let shape = if column { Shape::from([shape[0], 1]) } else { shape };
    Ok(Tensor::new(shape, elements.data).map_err(|error| bad(error.to_string()))?)
}
