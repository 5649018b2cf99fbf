//! Outputs to a gRPC inference response.

use super::proto::infer_parameter::ParameterChoice;
use super::proto::model_infer_response::InferOutputTensor;
use super::proto::{InferParameter, InferTensorContents, ModelInferResponse};
use crate::front::ids::Ids;
use crate::front::oip::{Parsed, chosen};
use crate::front::raw;
use crate::front::reply::ApiError;
use crate::router::Routed;
use crate::tensor::{DType, Data, Tensor};
use bytes::Bytes;

/// Writes the message: all outputs as raw bytes, or all as typed lists, never both. Sixteen-bit fractions
/// have no typed list, so they make the answer raw.
pub fn write(
    version: &Routed,
    outputs: &[Tensor],
    parsed: &Parsed,
    raw: bool,
    ids: &Ids,
) -> Result<ModelInferResponse, ApiError> {
    let chosen = chosen(version, outputs, parsed)?;
    let raw = raw || chosen.iter().any(|(.., tensor)| matches!(tensor.dtype(), DType::F16 | DType::BF16));
    let mut message = ModelInferResponse {
        model_name: version.model.as_str().to_owned(),
        model_version: version.name.to_string(),
        id: parsed.id.as_deref().unwrap_or_else(|| ids.request_text()).to_owned(),
        outputs: Vec::with_capacity(chosen.len()),
        ..ModelInferResponse::default()
    };
    message.parameters.insert("prediction_id".to_owned(), text(ids.prediction_text()));
    if let Some(variant) = version.variant() {
        message.parameters.insert("variant".to_owned(), text(variant));
    }
    for (_, name, tensor) in chosen {
        let mut output = InferOutputTensor {
            name: name.to_owned(),
            datatype: tensor.dtype().name().to_owned(),
            shape: tensor.shape().iter().map(|dim| i64::try_from(*dim).unwrap_or(i64::MAX)).collect(),
            ..InferOutputTensor::default()
        };
        if raw {
            let mut bytes = Vec::with_capacity(raw::encoded_len(tensor.data()));
            raw::encode(&mut bytes, tensor.data());
            message.raw_output_contents.push(bytes.into());
        } else {
            output.contents = Some(typed(tensor.into_owned().into_data()));
        }
        message.outputs.push(output);
    }
    Ok(message)
}

/// A text parameter.
pub fn text(value: &str) -> InferParameter {
    InferParameter { parameter_choice: Some(ParameterChoice::StringParam(value.to_owned())) }
}

/// A truth parameter.
pub fn truth(value: bool) -> InferParameter {
    InferParameter { parameter_choice: Some(ParameterChoice::BoolParam(value)) }
}

fn typed(data: Data) -> InferTensorContents {
    let mut contents = InferTensorContents::default();
    match data {
        Data::Bool(values) => contents.bool_contents = values,
        Data::I8(values) => contents.int_contents = values.into_iter().map(i32::from).collect(),
        Data::I16(values) => contents.int_contents = values.into_iter().map(i32::from).collect(),
        Data::I32(values) => contents.int_contents = values.into_vec(),
        Data::I64(values) => contents.int64_contents = values.into_vec(),
        Data::U8(values) => contents.uint_contents = values.into_iter().map(u32::from).collect(),
        Data::U16(values) => contents.uint_contents = values.into_iter().map(u32::from).collect(),
        Data::U32(values) => contents.uint_contents = values.into_vec(),
        Data::U64(values) => contents.uint64_contents = values.into_vec(),
        Data::F32(values) => contents.fp32_contents = values.into_vec(),
        Data::F64(values) => contents.fp64_contents = values.into_vec(),
        Data::Str(texts) => {
            contents.bytes_contents = texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect();
        }
        // Answered raw: see above.
        Data::F16(_) | Data::BF16(_) => {}
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::super::proto::ModelInferRequest;
    use super::super::proto::model_infer_request::InferInputTensor;
    use super::super::read::read;
    use super::*;
    use crate::engine::{Dim, Signature, TensorSpec};
    use crate::tensor::arbitrary::any_data;
    use proptest::prelude::*;

    fn request(data: &Data, raw: bool) -> ModelInferRequest {
        let mut bytes = Vec::new();
        raw::encode(&mut bytes, data);
        ModelInferRequest {
            inputs: vec![InferInputTensor {
                name: "x".to_owned(),
                datatype: data.dtype().name().to_owned(),
                shape: vec![i64::try_from(data.len()).expect("few")],
                contents: (!raw).then(|| typed(data.clone())),
                ..InferInputTensor::default()
            }],
            raw_input_contents: if raw { vec![bytes.into()] } else { Vec::new() },
            ..ModelInferRequest::default()
        }
    }

    proptest! {
        #[test]
        fn typed_and_raw_contents_are_the_same_tensor(
            data in any_data().prop_filter("no typed contents", |data| !matches!(data, Data::F16(_) | Data::BF16(_))),
        ) {
            let spec = TensorSpec::new("x", data.dtype(), vec![Dim::Any(None)]);
            let signature = Signature::new(vec![spec.clone()], vec![spec]);
            let mut wanted = Vec::new();
            raw::encode(&mut wanted, &data);
            for raw in [false, true] {
                let read = read(request(&data, raw), &signature).expect("a good request");
                prop_assert_eq!(read.raw, raw);
                let mut bytes = Vec::new();
                raw::encode(&mut bytes, read.parsed.inputs[0].data());
                prop_assert_eq!(&bytes, &wanted);
            }
        }
    }
}
