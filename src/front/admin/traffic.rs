//! Aliases and traffic plans by request.

use crate::front::body;
use crate::front::incoming::Incoming;
use crate::front::reply::{ApiError, Cause, Reply, json};
use crate::registry::Slot;
use crate::router::{self, Change, ChangeError, Changed, Director, Terms};
use hyper::header::{ETAG, HeaderValue, IF_MATCH};
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// More than any plan has.
const LARGEST_BODY: usize = 4 << 20;
const BODY_TIME: Duration = Duration::from_secs(10);

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    Traffic,
    Promote,
    Rollback,
    Canary,
    /// What is to be done stands in the path; the body may be anything.
    Steer(&'a str),
    PutAlias(&'a str),
    DropAlias(&'a str),
}

/// The plan of a model.
pub async fn show(director: &Director, model: &str) -> Result<Reply, ApiError> {
    let (tag, shown) = director.show(model).await?;
    Ok(tagged(json(StatusCode::OK, shown.to_string()), tag))
}

/// What came of a model's plan: the report, or the counts behind it for whoever merges replicas.
pub fn experiment(slot: &Slot, query: Option<&str>) -> Result<Reply, ApiError> {
    let shown = match query {
        None | Some("") => router::report(slot),
        Some("counts" | "counts=true") => serde_json::to_value(router::counts(slot)).unwrap_or_default(),
        Some(_) => return Err(ApiError::field("query", "expected nothing or ?counts=true")),
    };
    Ok(json(StatusCode::OK, shown.to_string()))
}

/// Makes a change and answers what is different.
pub async fn change(
    director: &Director,
    action: Action<'_>,
    model: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    incoming: &mut Incoming,
) -> Result<Reply, ApiError> {
    let bytes = body::read(headers, incoming, LARGEST_BODY, BODY_TIME).await?;
    let change = read(action, &bytes)?;
    let if_match = headers.get(IF_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let terms = Terms { if_match, dry_run: dry_run(query)? };
    let dry_run = terms.dry_run;
    let Changed { tag, before, after, changes } = director.change(model, change, terms).await?;
    let told =
        json!({"model": model, "dry_run": dry_run, "tag": tag, "changes": changes, "before": before, "after": after});
    Ok(tagged(json(StatusCode::OK, told.to_string()), tag))
}

fn tagged(mut reply: Reply, tag: u64) -> Reply {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        reply.headers_mut().insert(ETAG, value);
    }
    reply
}

fn dry_run(query: Option<&str>) -> Result<bool, ApiError> {
    match query {
        None | Some("") | Some("dry_run=false") => Ok(false),
        Some("dry_run" | "dry_run=true" | "dry_run=1") => Ok(true),
        Some(_) => Err(ApiError::field("query", "expected nothing or ?dry_run=true")),
    }
}

fn read(action: Action<'_>, bytes: &[u8]) -> Result<Change, ApiError> {
    Ok(match action {
        Action::Traffic => Change::Traffic(document(bytes)?),
        Action::Promote => Change::Promote(member(bytes, "version")?),
        Action::Rollback => {
            if !bytes.trim_ascii().is_empty() && document(bytes)? != json!({}) {
                return Err(ApiError::field("body", "expected an empty body or {}: the last change is taken back"));
            }
            Change::Rollback
        }
        Action::Canary => Change::Canary(member(bytes, "action")?),
        Action::Steer(action) => Change::Canary(action.to_owned()),
        Action::PutAlias(alias) => Change::Alias(alias.to_owned(), Some(member(bytes, "version")?)),
        Action::DropAlias(alias) => Change::Alias(alias.to_owned(), None),
    })
}

fn document(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| ApiError::field("body", format!("malformed JSON: {error}")))
}

/// The one member that a body has.
fn member(bytes: &[u8], name: &str) -> Result<String, ApiError> {
    let document = document(bytes)?;
    let only = document.as_object().filter(|members| members.len() == 1).and_then(|members| members.get(name));
    match only {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(ApiError::field(name, format!("expected {{\"{name}\": \"..\"}} and nothing else"))),
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        let (cause, field) = match &error {
            ChangeError::UnknownModel { .. } => (Cause::NotFound, Some("model".to_owned())),
            ChangeError::Wrong(fault) => (Cause::BadRequest, Some(fault.field.clone())),
            ChangeError::NotReady { field, .. } => (Cause::Conflict, Some(field.clone())),
            ChangeError::Load(_) | ChangeError::Conflict(_) | ChangeError::ReadOnly(_) => (Cause::Conflict, None),
            ChangeError::Stale { .. } => (Cause::Stale, Some("if-match".to_owned())),
            ChangeError::Store(_) => (Cause::Internal, None),
            ChangeError::Stopping => (Cause::Stopping, None),
        };
        Self { field, ..Self::new(cause, error.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_say_what_is_wanted_and_nothing_else() {
        assert_eq!(read(Action::Promote, br#"{"version": 3}"#), Ok(Change::Promote("3".into())));
        assert_eq!(read(Action::Rollback, b" "), Ok(Change::Rollback));
        assert_eq!(
            read(Action::PutAlias("a"), br#"{"version": "3"}"#),
            Ok(Change::Alias("a".into(), Some("3".into())))
        );
        for (action, bad) in [
            (Action::Promote, "{}"),
            (Action::Promote, r#"{"version": "3", "force": true}"#),
            (Action::Promote, ""),
            (Action::Rollback, r#"{"version": "3"}"#),
            (Action::Canary, r#"{"action": []}"#),
            (Action::Traffic, "{"),
        ] {
            assert!(read(action, bad.as_bytes()).is_err(), "{action:?} {bad}");
        }
        assert_eq!((dry_run(None), dry_run(Some("dry_run=true"))), (Ok(false), Ok(true)));
        assert!(dry_run(Some("dryrun=true")).is_err());
    }
}
