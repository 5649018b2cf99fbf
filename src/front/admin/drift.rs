//! What monitoring has found: as JSON, as a page, and the order to take what was seen as the reference.

use super::control;
use crate::front::body;
use crate::front::incoming::Incoming;
use crate::front::reply::{ApiError, Cause, Reply, json};
use crate::monitor::history::Span;
use crate::monitor::report;
use crate::monitor::{Monitor, Promoted, Stopped};
use crate::registry::Registry;
use crate::router::{Names, choose_without_plan};
use crate::text;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use std::sync::Arc;

/// What the query of a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    pub span: Span,
    /// The default version, if none is named.
    pub version: Option<&'a str>,
    /// In the shape of Evidently's runs: `/drift` alone has it.
    pub evidently: bool,
}

impl<'a> Asked<'a> {
    /// Reads `window=1h&version=3&format=evidently`, in any order.
    pub fn read(query: Option<&'a str>) -> Result<Self, ApiError> {
        let mut asked = Self { span: Span::Hour, version: None, evidently: false };
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("window", name) => asked.span = span(name)?,
                ("version", name) => asked.version = Some(name),
                ("format", name) => asked.evidently = is_evidently(name)?,
                (other, _) => {
                    let words =
                        format!("unknown parameter '{}': known are window, version, format", text::shorten(other, 40));
                    return Err(ApiError::field("query", words));
                }
            }
        }
        Ok(asked)
    }
}

fn is_evidently(name: &str) -> Result<bool, ApiError> {
    match name {
        "json" => Ok(false),
        "evidently" => Ok(true),
        other => {
            let words = format!("format: expected json or evidently, got '{}'", text::shorten(other, 40));
            Err(ApiError::field("format", words))
        }
    }
}

fn span(name: &str) -> Result<Span, ApiError> {
    Span::ALL.into_iter().find(|span| span.name() == name).ok_or_else(|| {
        let known = Span::ALL.map(Span::name).join(", ");
        ApiError::field("window", format!("window: expected one of {known}, got '{}'", text::shorten(name, 40)))
    })
}

/// `GET /api/models/NAME/drift`
pub async fn drift(registry: &Registry, model: &str, asked: Asked<'_>) -> Result<Reply, ApiError> {
    let report = report_of(registry, model, asked).await?;
    let shown = if asked.evidently { report.to_evidently().to_string() } else { report.to_json() };
    Ok(json(StatusCode::OK, shown))
}

/// `GET /api/models/NAME/report.html`
pub async fn page(registry: &Registry, model: &str, asked: Asked<'_>) -> Result<Reply, ApiError> {
    let page = report::html(&report_of(registry, model, asked).await?);
    let mut reply = json(StatusCode::OK, page);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(reply)
}

/// `POST /api/models/NAME/reference`: what came lately is what later windows are compared with.
pub async fn promote(
    registry: &Registry,
    model: &str,
    asked: Asked<'_>,
    headers: &HeaderMap,
    incoming: &mut Incoming,
) -> Result<Reply, ApiError> {
    let named = control::version(&body::read(headers, incoming, control::LARGEST_BODY, control::BODY_TIME).await?)?;
    let asked = Asked { version: named.as_deref().or(asked.version), ..asked };
    let version = version_of(registry, model, asked)?;
    match monitor(registry)?.promote(model, &version, asked.span).await? {
        Some(Ok(Promoted { id, rows })) => {
            let shown = serde_json::json!({
                "model": model, "version": &*version, "window": asked.span.name(),
                "reference": {"id": id, "rows": rows},
            });
            Ok(json(StatusCode::OK, shown.to_string()))
        }
        Some(Err(few)) => Err(ApiError::new(Cause::Conflict, few.to_string())),
        None => Err(not_watched(model, &version)),
    }
}

async fn report_of(registry: &Registry, model: &str, asked: Asked<'_>) -> Result<report::Report, ApiError> {
    let version = version_of(registry, model, asked)?;
    let view = monitor(registry)?.view(model, &version, asked.span).await?;
    Ok(view.ok_or_else(|| not_watched(model, &version))?.report())
}

fn monitor(registry: &Registry) -> Result<&Arc<Monitor>, ApiError> {
    let off = || ApiError::new(Cause::Conflict, "monitoring is off: start the server with --monitor on");
    registry.monitor().ok_or_else(off)
}

fn version_of(registry: &Registry, model: &str, asked: Asked<'_>) -> Result<Arc<str>, ApiError> {
    let names = Names { model: Some(model), version: asked.version, default_model: None };
    let routed = choose_without_plan(&registry.catalog(), names)?;
    Ok(routed.name.clone())
}

fn not_watched(model: &str, version: &str) -> ApiError {
    let words = format!("version {version} of model '{model}' is not watched: model.toml says monitor.enabled = false");
    ApiError::new(Cause::Conflict, words)
}

impl From<Stopped> for ApiError {
    fn from(stopped: Stopped) -> Self {
        Self::new(Cause::Stopping, stopped.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_a_window_and_a_version() {
        let read = |query| Asked::read(query).map_err(|error| error.field);
        let plain = Asked { span: Span::Hour, version: None, evidently: false };
        assert_eq!(read(None), Ok(plain));
        let asked = Asked { span: Span::FiveMinutes, version: Some("3"), ..plain };
        assert_eq!(read(Some("version=3&window=5m&format=json")), Ok(asked));
        assert_eq!(read(Some("format=evidently")), Ok(Asked { evidently: true, ..plain }));
        assert_eq!(read(Some("format=pdf")), Err(Some("format".into())));
        assert_eq!(read(Some("window=2h")), Err(Some("window".into())));
        assert_eq!(read(Some("windows=1h")), Err(Some("query".into())));
    }
}
