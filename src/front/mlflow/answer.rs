//! Predictions and refusals in the shapes that MLflow's clients read.

use crate::front::ids::{Ids, REQUEST_ID};
use crate::front::plain;
use crate::front::reply::{ApiError, Cause, JSON, LONGEST_MESSAGE, Reply, json};
use crate::json::write_str;
use crate::registry::Version;
use crate::tensor::Tensor;
use crate::text;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain");

/// `{"predictions": [..]}`: the model's label or value for each row, as its library's own predict gives it.
pub fn write(version: &Version, outputs: &[Tensor], rows: usize) -> Result<Vec<u8>, ApiError> {
    let mut out = b"{\"predictions\":".to_vec();
    plain::write_predictions(&mut out, version, outputs, rows)?;
    out.push(b'}');
    Ok(out)
}

/// A refusal: JSON, or plain text where MLflow's clients expect that.
pub fn refusal(error: &ApiError, ids: &Ids) -> Reply {
    let words = text::shorten(&error.message, LONGEST_MESSAGE);
    let mut reply = match error.cause {
        Cause::MediaType => plain_text(error.status(), words),
        Cause::Deadline | Cause::SlowRequest => {
            plain_text(StatusCode::GATEWAY_TIMEOUT, "Request processing time exceeded limit".to_owned())
        }
        cause => {
            let mut body = b"{\"error_code\":".to_vec();
            write_str(&mut body, code(cause));
            body.extend_from_slice(b",\"message\":");
            write_str(&mut body, &words);
            body.extend_from_slice(b",\"request_id\":");
            write_str(&mut body, ids.request_text());
            body.push(b'}');
            json(error.status(), body)
        }
    };
    reply.headers_mut().insert(REQUEST_ID, ids.request.clone());
    error.add_headers(reply.headers_mut());
    reply
}

fn plain_text(status: StatusCode, words: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(words)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, TEXT);
    reply
}

/// MLflow's names of the causes.
fn code(cause: Cause) -> &'static str {
    match cause {
        Cause::NotFound => "RESOURCE_DOES_NOT_EXIST",
        Cause::Unauthenticated => "UNAUTHENTICATED",
        Cause::Forbidden => "PERMISSION_DENIED",
        Cause::QueueFull | Cause::NotReady | Cause::Stopping => "TEMPORARILY_UNAVAILABLE",
        Cause::Internal => "INTERNAL_ERROR",
        _ => "BAD_REQUEST",
    }
}

/// `/ping`: an empty line, under 404 where nothing can be answered.
pub fn ping(ready: bool) -> Reply {
    let status = if ready { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut reply = Response::new(Full::new(Bytes::from_static(b"\n")));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply
}

/// `/version`: the server's own, bare.
pub fn version() -> Reply {
    plain_text(StatusCode::OK, env!("CARGO_PKG_VERSION").to_owned())
}
