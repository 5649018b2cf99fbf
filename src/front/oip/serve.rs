//! One inference request to its answer.

use super::answer::write;
use super::binary::{Framing, JSON_LENGTH};
use super::request::parse;
use crate::engine::Asked;
use crate::front::context::Context;
use crate::front::incoming::Incoming;
use crate::front::reply::{ApiError, Reply};
use crate::front::serve::{Front, accept_json};
use crate::router::Routed;
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderValue};

/// The content type of JSON that raw tensors follow.
const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");

impl Front {
    pub(in crate::front) async fn infer(
        &self,
        version: &Routed,
        headers: &HeaderMap,
        incoming: &mut Incoming,
        context: &mut Context,
    ) -> Result<Reply, ApiError> {
        if !Framing::is_announced(headers) {
            accept_json(headers)?;
        }
        let bytes = self.body(headers, incoming, context).await?;
        let framing = Framing::of(headers, bytes.len())?;
        let mut parsed = parse(&bytes, framing, version.signature(), self.settings.max_json_depth)?;
        drop(bytes);
        let asked = Asked { inputs: std::mem::take(&mut parsed.inputs), extras: parsed.extras };
        let answer = self.compute(version, asked, parsed.parameters.terms(), context).await?;
        let written = write(version, &answer.outputs, &parsed, &context.ids, self.settings.non_finite)?;
        let mut reply = context.success(version, answer.timing, written.body);
        if let Some(json) = written.json {
            reply.headers_mut().insert(CONTENT_TYPE, BINARY);
            reply.headers_mut().insert(JSON_LENGTH, HeaderValue::from(json));
        }
        Ok(reply)
    }
}
