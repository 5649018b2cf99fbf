//! A refusal as gRPC tells it, by the one table.

use crate::front::ids::{Ids, REQUEST_ID};
use crate::front::reply::{ApiError, LONGEST_MESSAGE, RETRY_AFTER_MS};
use crate::text;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

/// Tells a client when to try again, as the retry design of gRPC has it.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");

/// The status, with the request's id and the code that REST answers beside it.
pub fn status(error: &ApiError, ids: &Ids) -> Status {
    let row = error.cause.row();
    let mut headers = HeaderMap::new();
    headers.insert(REQUEST_ID, ids.request.clone());
    headers.insert(ERROR_CODE, HeaderValue::from_static(row.code));
    if row.retry {
        headers.insert(PUSHBACK, HeaderValue::from(RETRY_AFTER_MS));
    }
    Status::with_metadata(code(error), words(error), MetadataMap::from_headers(headers))
}

/// The same where there is no request to name yet.
pub fn plain_status(error: &ApiError) -> Status {
    Status::new(code(error), words(error))
}

fn code(error: &ApiError) -> Code {
    Code::from_i32(i32::from(error.cause.row().grpc))
}

/// The words, cut where a caller's own text would make them endless.
pub fn words(error: &ApiError) -> String {
    text::shorten(&error.message, LONGEST_MESSAGE)
}
