//! The one table from what went wrong to its HTTP status, gRPC code and public words.

use super::ids::{Ids, REQUEST_ID};
use crate::batcher::BatchError;
use crate::engine::InputError;
use crate::json::write_str;
use crate::router::{PredictError, RouteError};
use crate::text;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Response, StatusCode};

/// A finished answer.
pub type Reply = Response<Full<Bytes>>;

/// `application/json`, exactly: KServe's client compares the whole value.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Everything that can go wrong, by what the caller should do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The request is wrong: mend it.
    BadRequest,
    /// No token, or not the right one.
    Unauthenticated,
    /// Not to be done here at all, as the server was started.
    Forbidden,
    /// No such path, model or version.
    NotFound,
    /// The path does not take this method.
    Method,
    /// It does not go together with the server's state or settings.
    Conflict,
    /// It was made for a state that is not the one there is now: read that, and ask again.
    Stale,
    /// The version asked for cannot be loaded: mend its files.
    LoadFailed,
    /// The request was too slow in coming.
    SlowRequest,
    /// The request is larger than a limit allows.
    TooLarge,
    /// The body is in a form that is not read.
    MediaType,
    /// A value that the model's owner does not allow.
    Contract,
    /// Too much is waiting already: try again.
    QueueFull,
    /// The model is known but does not serve now.
    NotReady,
    /// No answer within the deadline.
    Deadline,
    /// The process is stopping: try another replica.
    Stopping,
    /// Our fault.
    Internal,
}

/// One row of the table.
pub struct Row {
    pub cause: Cause,
    pub status: StatusCode,
    /// Canonical gRPC code.
    pub grpc: u8,
    pub code: &'static str,
    pub retry: bool,
}

const fn row(cause: Cause, status: StatusCode, grpc: u8, code: &'static str, retry: bool) -> Row {
    Row { cause, status, grpc, code, retry }
}

/// The table.
pub const TABLE: [Row; 17] = [
    row(Cause::BadRequest, StatusCode::BAD_REQUEST, 3, "INVALID_ARGUMENT", false),
    row(Cause::Unauthenticated, StatusCode::UNAUTHORIZED, 16, "UNAUTHENTICATED", false),
    row(Cause::Forbidden, StatusCode::FORBIDDEN, 7, "PERMISSION_DENIED", false),
    row(Cause::NotFound, StatusCode::NOT_FOUND, 5, "NOT_FOUND", false),
    row(Cause::Method, StatusCode::METHOD_NOT_ALLOWED, 12, "METHOD_NOT_ALLOWED", false),
    row(Cause::Conflict, StatusCode::CONFLICT, 9, "FAILED_PRECONDITION", false),
    row(Cause::Stale, StatusCode::PRECONDITION_FAILED, 10, "STALE", false),
    row(Cause::LoadFailed, StatusCode::UNPROCESSABLE_ENTITY, 9, "LOAD_FAILED", false),
    row(Cause::SlowRequest, StatusCode::REQUEST_TIMEOUT, 4, "REQUEST_TIMEOUT", false),
    row(Cause::TooLarge, StatusCode::PAYLOAD_TOO_LARGE, 8, "TOO_LARGE", false),
    row(Cause::MediaType, StatusCode::UNSUPPORTED_MEDIA_TYPE, 3, "UNSUPPORTED_MEDIA_TYPE", false),
    row(Cause::Contract, StatusCode::UNPROCESSABLE_ENTITY, 3, "CONTRACT_VIOLATED", false),
    row(Cause::QueueFull, StatusCode::SERVICE_UNAVAILABLE, 14, "QUEUE_FULL", true),
    row(Cause::NotReady, StatusCode::SERVICE_UNAVAILABLE, 14, "NOT_READY", true),
    row(Cause::Deadline, StatusCode::GATEWAY_TIMEOUT, 4, "DEADLINE_EXCEEDED", false),
    row(Cause::Stopping, StatusCode::SERVICE_UNAVAILABLE, 14, "STOPPING", true),
    row(Cause::Internal, StatusCode::INTERNAL_SERVER_ERROR, 13, "INTERNAL", false),
];

impl Cause {
    pub fn row(self) -> &'static Row {
        static ROWS: [Row; TABLE.len()] = TABLE;
        ROWS.iter().find(|row| row.cause == self).unwrap_or(&ROWS[TABLE.len() - 1])
    }
}

/// Letters of an answer's words: a caller's own text may be in them, and is not sent back whole.
pub const LONGEST_MESSAGE: usize = 600;
const LONGEST_FIELD: usize = 100;
/// How long a refused caller is asked to wait.
pub const RETRY_AFTER_MS: u64 = 1000;

/// A refusal: its cause, its words, and what the words are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub cause: Cause,
    pub message: String,
    /// The member, input or parameter at fault.
    pub field: Option<String>,
    /// The limit's name, its value and how much of it was used.
    pub limit: Option<(&'static str, usize, usize)>,
    /// The methods a path takes.
    pub allow: Option<&'static str>,
}

impl ApiError {
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into(), field: None, limit: None, allow: None }
    }

    /// A mistake in a named part of the request.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Cause::BadRequest, message) }
    }

    pub fn status(&self) -> StatusCode {
        self.cause.row().status
    }

    /// The JSON body: `error` first, since that is what the stock clients read.
    pub fn body(&self, request_id: &str) -> Vec<u8> {
        let row = self.cause.row();
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(b"{\"error\":");
        write_str(&mut out, &text::shorten(&self.message, LONGEST_MESSAGE));
        member(&mut out, "code", row.code);
        if let Some(field) = &self.field {
            member(&mut out, "field", &text::shorten(field, LONGEST_FIELD));
        }
        if let Some((name, value, depth)) = self.limit {
            member(&mut out, "limit", name);
            out.extend_from_slice(format!(",\"limit_value\":{value},\"depth\":{depth}").as_bytes());
        }
        if row.retry {
            out.extend_from_slice(format!(",\"retry_after_ms\":{RETRY_AFTER_MS}").as_bytes());
        }
        member(&mut out, "request_id", request_id);
        out.push(b'}');
        out
    }

    pub fn reply(&self, ids: &Ids) -> Reply {
        let mut reply = json(self.status(), self.body(ids.request_text()));
        reply.headers_mut().insert(REQUEST_ID, ids.request.clone());
        self.add_headers(reply.headers_mut());
        reply
    }

    /// When to try again, who may ask, and how.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        if self.cause.row().retry {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_MS.div_ceil(1000)));
        }
        if self.cause == Cause::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
    }
}

fn member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(format!(",\"{name}\":").as_bytes());
    write_str(out, value);
}

/// A JSON answer.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply
}

impl From<RouteError> for ApiError {
    fn from(error: RouteError) -> Self {
        let (cause, field) = match &error {
            RouteError::UnknownModel { .. } | RouteError::Ambiguous { .. } => (Cause::NotFound, "model"),
            RouteError::UnknownVersion { .. } => (Cause::NotFound, "version"),
            RouteError::Starting | RouteError::NotReady { .. } => (Cause::NotReady, "model"),
        };
        Self { field: Some(field.into()), ..Self::new(cause, error.to_string()) }
    }
}

impl From<InputError> for ApiError {
    fn from(error: InputError) -> Self {
        Self::field(error.field(), error.to_string())
    }
}

impl From<BatchError> for ApiError {
    fn from(error: BatchError) -> Self {
        let message = error.to_string();
        let (cause, limit) = match error {
            BatchError::TooLarge { limit_name, limit, got, .. } => (Cause::TooLarge, Some((limit_name, limit, got))),
            BatchError::QueueFull { limit_name, limit, depth, .. } => {
                (Cause::QueueFull, Some((limit_name, limit, depth)))
            }
            BatchError::Hopeless { rows_ahead, left, .. } => (
                Cause::QueueFull,
                Some(("deadline_ms", usize::try_from(left.as_millis()).unwrap_or(usize::MAX), rows_ahead)),
            ),
            BatchError::Deadline(_) => (Cause::Deadline, None),
            BatchError::Input(_) => (Cause::BadRequest, None),
            BatchError::Engine(_) | BatchError::Panicked => (Cause::Internal, None),
            BatchError::Stopped => (Cause::Stopping, None),
        };
        let field = matches!(cause, Cause::BadRequest | Cause::TooLarge).then(|| "inputs".to_owned());
        Self { limit, field, ..Self::new(cause, message) }
    }
}

impl From<PredictError> for ApiError {
    fn from(error: PredictError) -> Self {
        match error {
            PredictError::Input(error) => error.into(),
            PredictError::Contract(broken) => {
                Self { field: Some(broken.column.clone()), ..Self::new(Cause::Contract, broken.to_string()) }
            }
            PredictError::Batch(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_cause_once() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(TABLE.iter().position(|other| other.cause == row.cause), Some(at));
            assert_eq!(row.cause.row().code, row.code);
        }
    }

    #[test]
    fn a_full_queue_says_which_limit_and_when_to_return() {
        let error = BatchError::QueueFull { limit_name: "queue_rows", unit: "rows", limit: 8, depth: 8 };
        let reply = ApiError::from(error.clone()).reply(&Ids::new(&HeaderMap::new()));
        assert_eq!(reply.status(), 503);
        assert_eq!(reply.headers()[RETRY_AFTER], "1");
        let body: serde_json::Value = serde_json::from_slice(&ApiError::from(error).body("r")).expect("JSON");
        assert_eq!(body["limit"], "queue_rows");
        assert_eq!(body["depth"], 8);
        assert_eq!(body["retry_after_ms"], 1000);
    }
}
