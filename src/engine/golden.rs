//! `golden.json`: requests with the answers a version must give before it may serve.

use super::conformance::{Case, Closeness};
use super::{Signature, TensorSpec};
use crate::json::{Elements, JsonError, NestedError, Reader, nested};
use crate::tensor::Tensor;
use std::collections::HashMap;

const DEPTH: usize = 64;

/// What is wrong with a golden file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoldenError {
    #[error("golden.json: malformed JSON {0}")]
    Json(#[from] JsonError),
    #[error("golden.json: case {case}: {side} '{name}': {words}")]
    Tensor { case: usize, side: &'static str, name: String, words: String },
    #[error("golden.json: {0}")]
    Shape(String),
}

/// Reads the cases, inputs in the signature's order.
pub fn read(bytes: &[u8], signature: &Signature) -> Result<Vec<Case>, GoldenError> {
    let mut cases = Vec::new();
    let mut reader = Reader::new(bytes, DEPTH);
    reader.object(|reader, key| {
        if key != "cases" {
            return reader.skip().map_err(GoldenError::Json);
        }
        reader.array(|reader| {
            cases.push(case(reader, signature, cases.len())?);
            Ok(())
        })
    })?;
    reader.finish()?;
    if cases.is_empty() {
        return Err(GoldenError::Shape("expected {\"cases\": [..]} with at least one case".into()));
    }
    Ok(cases)
}

fn case(reader: &mut Reader<'_>, signature: &Signature, number: usize) -> Result<Case, GoldenError> {
    let mut inputs = HashMap::new();
    let mut outputs = HashMap::new();
    let mut closeness = Closeness::default();
    reader.object(|reader, key| match &*key {
        "inputs" => tensors(reader, &signature.inputs, number, "input", &mut inputs),
        "outputs" => tensors(reader, &signature.outputs, number, "output", &mut outputs),
        "rtol" => tolerance(reader, &mut closeness.rtol),
        "atol" => tolerance(reader, &mut closeness.atol),
        _ => Ok(reader.skip()?),
    })?;
    let inputs = signature
        .inputs
        .iter()
        .map(|spec| inputs.remove(&spec.name).ok_or_else(|| missing(number, &spec.name)))
        .collect::<Result<Vec<_>, _>>()?;
    signature.check(&inputs).map_err(|error| GoldenError::Shape(format!("case {number}: {error}")))?;
    if outputs.is_empty() {
        return Err(GoldenError::Shape(format!("case {number} expects no output")));
    }
    let outputs = signature.outputs.iter().map(|spec| outputs.remove(&spec.name)).collect();
    Ok(Case { inputs, outputs, closeness })
}

fn missing(case: usize, name: &str) -> GoldenError {
    GoldenError::Tensor { case, side: "input", name: name.into(), words: "is missing".into() }
}

fn tolerance(reader: &mut Reader<'_>, into: &mut f64) -> Result<(), GoldenError> {
    let token = reader.number()?;
    *into = std::str::from_utf8(token).ok().and_then(|text| text.parse().ok()).unwrap_or(*into);
    Ok(())
}

fn tensors(
    reader: &mut Reader<'_>,
    specs: &[TensorSpec],
    case: usize,
    side: &'static str,
    into: &mut HashMap<String, Tensor>,
) -> Result<(), GoldenError> {
    reader.object(|reader, name| {
        let bad = |words: String| GoldenError::Tensor { case, side, name: name.to_string(), words };
        let spec =
            specs.iter().find(|spec| spec.name == name).ok_or_else(|| bad("is not one of the model's".into()))?;
        let mut elements = Elements::new(spec.dtype, 0);
        let shape = nested(reader, &mut elements).map_err(|error: NestedError| bad(error.to_string()))?;
        let tensor = Tensor::new(shape, elements.data).map_err(|error| bad(error.to_string()))?;
        into.insert(name.to_string(), tensor);
        Ok(())
    })
}
