//! One gRPC inference, alone or in a stream.

use super::proto::ModelInferRequest;
use super::proto::ModelInferResponse;
use super::read::read;
use super::write::write;
use crate::engine::Asked;
use crate::front::context::{Context, Flight};
use crate::front::reply::ApiError;
use crate::front::route::Named;
use crate::front::serve::Front;
use crate::registry::{Protocol, Version};
use hyper::HeaderMap;
use std::borrow::Cow;
use std::sync::Arc;

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
pub async fn infer(front: &Front, message: ModelInferRequest, context: &mut Context) -> Result<Inferred, ApiError> {
    let version = front.choose(&named(&message.model_name, &message.model_version))?;
    let flight = Flight::new(&version, Protocol::Grpc);
    let result = run(front, &version, message, context).await;
    flight.end(&result, context);
    result
}

async fn run(
    front: &Front,
    version: &Arc<Version>,
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
