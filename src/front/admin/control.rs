//! Loading and unloading by request.

use crate::front::body;
use crate::front::incoming::Incoming;
use crate::front::reply::{ApiError, Cause, Reply, json};
use crate::registry::{ControlError, Controlled, Registry, UploadError, Verb};
use crate::text;
use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// Far more than a version's name needs.
pub const LARGEST_BODY: usize = 64 << 10;
pub const BODY_TIME: Duration = Duration::from_secs(10);

/// Does what is asked and answers when it has been done, has failed, or has taken too long.
pub async fn answer(
    registry: &Registry,
    verb: Verb,
    model: &str,
    headers: &HeaderMap,
    incoming: &mut Incoming,
) -> Result<Reply, ApiError> {
    let bytes = body::read(headers, incoming, LARGEST_BODY, BODY_TIME).await?;
    let version = version(&bytes)?;
    let Controlled { done, versions } = registry.control(verb, model, version.as_deref()).await?;
    let status = if done { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(json(status, json!({"model": model, "done": done, "versions": versions}).to_string()))
}

/// The version that a body names. Members that are not known are refused: a mistyped `version` would
/// otherwise unload the whole model.
pub fn version(bytes: &Bytes) -> Result<Option<String>, ApiError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    let body: Value = serde_json::from_slice(bytes)
        .map_err(|error| ApiError::field("body", format!("malformed JSON: {error}; expected {EXPECTED}")))?;
    let Value::Object(members) = body else {
        return Err(ApiError::field("body", format!("expected {EXPECTED}")));
    };
    if let Some(unknown) = members.keys().find(|name| *name != "version") {
        let words = format!("unknown member '{}': expected {EXPECTED}", text::shorten(unknown, 60));
        return Err(ApiError::field(unknown.as_str(), words));
    }
    match members.get("version") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => Ok(Some(name.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(ApiError::field("version", "version: expected a number or an alias, as text")),
    }
}

/// What a body may be.
const EXPECTED: &str = "an empty body or {\"version\": \"3\"}";

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        let (cause, field) = match &error {
            UploadError::Name(_) => (Cause::BadRequest, Some("model")),
            UploadError::Path(_) => (Cause::BadRequest, Some("file")),
            UploadError::Config(_) => (Cause::BadRequest, Some("config")),
            UploadError::NoPlace => (Cause::Conflict, None),
            UploadError::Io(_) => (Cause::Internal, None),
        };
        Self { field: field.map(str::to_owned), ..Self::new(cause, error.to_string()) }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        let (cause, field) = match &error {
            ControlError::UnknownModel { .. } => (Cause::NotFound, Some("model")),
            ControlError::UnknownVersion { .. } => (Cause::NotFound, Some("version")),
            ControlError::Failed { .. } => (Cause::LoadFailed, Some("version")),
            ControlError::Off | ControlError::Overtaken { .. } => (Cause::Conflict, None),
            ControlError::Stopping => (Cause::Stopping, None),
        };
        Self { field: field.map(str::to_owned), ..Self::new(cause, error.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_a_version_or_none() {
        let read = |text: &'static str| version(&Bytes::from_static(text.as_bytes()));
        for none in ["", " \n", "{}", r#"{"version": null}"#] {
            assert_eq!(read(none), Ok(None), "{none}");
        }
        assert_eq!(read(r#"{"version": "3"}"#), Ok(Some("3".into())));
        assert_eq!(read(r#"{"version": 3}"#), Ok(Some("3".into())));
        for (bad, field) in
            [("[]", "body"), ("{", "body"), (r#"{"versoin": "3"}"#, "versoin"), (r#"{"version": []}"#, "version")]
        {
            assert_eq!(read(bad).map_err(|error| error.field), Err(Some(field.to_owned())), "{bad}");
        }
    }
}
