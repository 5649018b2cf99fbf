//! A gRPC inference request to the tensors of a model.

use super::proto::infer_parameter::ParameterChoice;
use super::proto::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use super::proto::{InferParameter, InferTensorContents, ModelInferRequest};
use crate::engine::{Extras, InputError, Signature};
use crate::front::extra;
use crate::front::oip::{Parsed, Value, Wanted, add, is_shared_memory, no_shared_memory, shape_of, truth};
use crate::front::raw;
use crate::front::reply::ApiError;
use crate::tensor::{Buffer, DType, Data, Shape, Tensor};
use bytemuck::Pod;
use bytes::Bytes;
use std::collections::HashMap;

/// A request, and whether its tensors came as raw bytes.
pub struct Read {
    pub parsed: Parsed,
    pub raw: bool,
}

/// Reads a message's tensors; typed lists are taken over as they are.
pub fn read(message: ModelInferRequest, signature: &Signature) -> Result<Read, ApiError> {
    let ModelInferRequest { id, parameters, inputs, outputs, raw_input_contents, .. } = message;
    let mut parsed = Parsed { id: (!id.is_empty()).then_some(id), ..Parsed::default() };
    for (name, parameter) in &parameters {
        let value = value(parameter);
        if Extras::NAMES.contains(&name.as_str()) {
            parsed.extras = parsed.extras.and(extra::given(signature, name, truth(name, &value)?)?);
        } else {
            parsed.parameters.set(name, &value)?;
        }
    }
    let mut named = Vec::with_capacity(outputs.len());
    for InferRequestedOutputTensor { name, parameters } in outputs {
        add(name, wanted(&parameters)?, &mut named, signature)?;
    }
    parsed.choose(signature, named);
    let raw = !raw_input_contents.is_empty();
    if raw && raw_input_contents.len() != inputs.len() {
        let words = format!(
            "expected {} entries in raw_input_contents, one for each input, got {}",
            inputs.len(),
            raw_input_contents.len()
        );
        return Err(ApiError::field("raw_input_contents", words));
    }
    let mut given: Vec<Option<Tensor>> = signature.inputs.iter().map(|_| None).collect();
    let mut bytes = raw_input_contents.into_iter();
    for input in inputs {
        let (at, tensor) = tensor(input, bytes.next(), signature)?;
        if given[at].replace(tensor).is_some() {
            return Err(InputError::Duplicate { name: signature.inputs[at].name.clone() }.into());
        }
    }
    for (tensor, spec) in given.into_iter().zip(&signature.inputs) {
        parsed.inputs.push(tensor.ok_or_else(|| InputError::Missing { name: spec.name.clone() })?);
    }
    Ok(Read { parsed, raw })
}

fn value(parameter: &InferParameter) -> Value {
    match &parameter.parameter_choice {
        Some(ParameterChoice::BoolParam(value)) => Value::Bool(*value),
        Some(ParameterChoice::Int64Param(value)) => Value::Integer((*value).into()),
        Some(ParameterChoice::Uint64Param(value)) => Value::Integer((*value).into()),
        Some(ParameterChoice::DoubleParam(value)) => Value::Float(*value),
        Some(ParameterChoice::StringParam(text)) => Value::Text(text.clone()),
        None => Value::Other,
    }
}

fn wanted(parameters: &HashMap<String, InferParameter>) -> Result<Wanted, ApiError> {
    let mut one = Wanted::default();
    for (name, parameter) in parameters {
        one.set(name, &value(parameter))?;
    }
    Ok(one)
}

fn tensor(input: InferInputTensor, bytes: Option<Bytes>, signature: &Signature) -> Result<(usize, Tensor), ApiError> {
    let InferInputTensor { name, datatype, shape, parameters, contents } = input;
    let bad = |words: String| ApiError::field(&name, format!("input '{}': {words}", crate::text::shorten(&name, 60)));
    check_parameters(&parameters)?;
    let at = signature.input(&name).ok_or_else(|| InputError::unknown(&name, signature))?;
    let dtype: DType = datatype.parse().map_err(|error| bad(format!("{error}")))?;
    let expected = signature.inputs[at].dtype;
    if dtype != expected {
        return Err(InputError::DType { name, expected, got: dtype }.into());
    }
    let shape = shape_of(shape).map_err(&bad)?;
    let tensor = match (bytes, contents) {
        (Some(_), Some(_)) => {
            return Err(bad("contents field must not be specified when using raw_input_contents".to_owned()));
        }
        // Copied, for as it lies it would keep the whole message, whatever else was in that.
        (Some(bytes), None) => {
            raw::decode(dtype, shape, Bytes::copy_from_slice(&bytes)).map_err(|error| bad(error.to_string()))?
        }
        (None, contents) => typed(dtype, shape, contents.unwrap_or_default()).map_err(bad)?,
    };
    Ok((at, tensor))
}

fn check_parameters(parameters: &HashMap<String, InferParameter>) -> Result<(), ApiError> {
    match parameters.keys().find(|name| is_shared_memory(name)) {
        Some(name) => Err(no_shared_memory(name)),
        None => Ok(()),
    }
}

/// The list of the tensor's own type; the others must be empty.
fn typed(dtype: DType, shape: Shape, mut contents: InferTensorContents) -> Result<Tensor, String> {
    let data = take(dtype, &mut contents)?;
    if let Some(other) = left_over(&contents) {
        return Err(format!("{other} holds elements, which are not {dtype}"));
    }
    Tensor::new(shape, data).map_err(|error| error.to_string())
}

fn take(dtype: DType, contents: &mut InferTensorContents) -> Result<Data, String> {
    use std::mem::take;
    Ok(match dtype {
        DType::Bool => Data::Bool(take(&mut contents.bool_contents)),
        DType::I32 => Data::I32(take(&mut contents.int_contents).into()),
        DType::I16 => Data::I16(narrow(dtype, take(&mut contents.int_contents))?),
        DType::I8 => Data::I8(narrow(dtype, take(&mut contents.int_contents))?),
        DType::I64 => Data::I64(take(&mut contents.int64_contents).into()),
        DType::U32 => Data::U32(take(&mut contents.uint_contents).into()),
        DType::U16 => Data::U16(narrow(dtype, take(&mut contents.uint_contents))?),
        DType::U8 => Data::U8(narrow(dtype, take(&mut contents.uint_contents))?),
        DType::U64 => Data::U64(take(&mut contents.uint64_contents).into()),
        DType::F32 => Data::F32(take(&mut contents.fp32_contents).into()),
        DType::F64 => Data::F64(take(&mut contents.fp64_contents).into()),
        DType::F16 | DType::BF16 => {
            return Err(format!("{dtype} has no typed contents: send raw_input_contents"));
        }
        DType::Str => {
            let texts = take(&mut contents.bytes_contents).into_iter().enumerate();
            let texts: Result<_, raw::RawError> = texts.map(|(index, bytes)| raw::text(&bytes, index)).collect();
            Data::Str(texts.map_err(|error| error.to_string())?)
        }
    })
}

/// Small integers travel as 32-bit ones.
fn narrow<W: Copy + std::fmt::Display, N: TryFrom<W> + Pod>(dtype: DType, values: Vec<W>) -> Result<Buffer<N>, String> {
    let fit = |(index, value): (usize, W)| {
        N::try_from(value).map_err(|_| format!("element {index}: {value} does not fit in {dtype}"))
    };
    values.into_iter().enumerate().map(fit).collect()
}

fn left_over(contents: &InferTensorContents) -> Option<&'static str> {
    [
        ("bool_contents", contents.bool_contents.is_empty()),
        ("int_contents", contents.int_contents.is_empty()),
        ("int64_contents", contents.int64_contents.is_empty()),
        ("uint_contents", contents.uint_contents.is_empty()),
        ("uint64_contents", contents.uint64_contents.is_empty()),
        ("fp32_contents", contents.fp32_contents.is_empty()),
        ("fp64_contents", contents.fp64_contents.is_empty()),
        ("bytes_contents", contents.bytes_contents.is_empty()),
    ]
    .into_iter()
    .find_map(|(name, empty)| (!empty).then_some(name))
}
