//! One gRPC inference, alone or in a stream.

use super::proto::infer_parameter::ParameterChoice;
use super::proto::{InferParameter, ModelInferRequest, ModelInferResponse};
use super::read::read;
use super::write::write;
use crate::engine::Asked;
use crate::front::context::{Context, Flight};
use crate::front::reply::{ApiError, Cause};
use crate::front::route::Named;
use crate::front::serve::Front;
use crate::registry::Protocol;
use crate::router::{Body, Choice, Routed};
use hyper::HeaderMap;
use std::borrow::Cow;

/// An answer beside the headers that every prediction has.
pub struct Inferred {
    pub message: ModelInferResponse,
    pub headers: HeaderMap,
}

/// A model and perhaps a version; an empty name names none.
pub fn named<'a>(model: &'a str, version: &'a str) -> Named<'a> {
    let given = |name: &'a str| (!name.is_empty()).then_some(Cow::Borrowed(name));
    Named { model: given(model), version: given(version) }
}

/// Runs a request; its message has just come in whole.
pub async fn infer(
    front: &Front,
    headers: &HeaderMap,
    message: ModelInferRequest,
    context: &mut Context,
) -> Result<Inferred, ApiError> {
    let routed = choose(front, headers, &message, context)?;
    let flight = Flight::new(&routed, Protocol::Grpc);
    let result = run(front, &routed, message, context).await;
    flight.end(&result, context);
    result
}

fn choose(
    front: &Front,
    headers: &HeaderMap,
    message: &ModelInferRequest,
    context: &Context,
) -> Result<Routed, ApiError> {
    let parameter = |name: &str| unit(message.parameters.get(name)?);
    let named = named(&message.model_name, &message.model_version);
    match front.choose_for(&named, headers, context, Body::Parameters(&parameter))? {
        Choice::Version(routed) => Ok(routed),
        Choice::NeedsBody => Err(ApiError::new(Cause::Internal, "routed twice")),
    }
}

/// A parameter as a traffic plan takes it for a unit: a text or a whole number, as in JSON.
fn unit(parameter: &InferParameter) -> Option<Vec<u8>> {
    match parameter.parameter_choice.as_ref()? {
        ParameterChoice::StringParam(text) => Some(text.clone().into_bytes()),
        ParameterChoice::Int64Param(number) => Some(number.to_string().into_bytes()),
        ParameterChoice::Uint64Param(number) => Some(number.to_string().into_bytes()),
        ParameterChoice::BoolParam(_) | ParameterChoice::DoubleParam(_) => None,
    }
}

async fn run(
    front: &Front,
    version: &Routed,
    message: ModelInferRequest,
    context: &mut Context,
) -> Result<Inferred, ApiError> {
    let mut read = read(message, version.signature())?;
    let asked = Asked { inputs: std::mem::take(&mut read.parsed.inputs), extras: read.parsed.extras };
    let answer = front.compute(version, asked, read.parsed.parameters.terms(), context).await?;
    let raw = read.raw || front.settings.grpc_always_raw;
    let message = write(version, &answer.outputs, &read.parsed, raw, &context.ids)?;
    let mut headers = HeaderMap::new();
    context.tell(&mut headers, version, answer.timing);
    Ok(Inferred { message, headers })
}
