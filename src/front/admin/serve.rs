//! One admin request to one reply.

use super::drift::Asked;
use super::traffic::{self, Action};
use super::{Access, Facts, control, drift, index, process as about};
use crate::front::ids::Ids;
use crate::front::incoming::Incoming;
use crate::front::reply::{ApiError, Cause, Reply, json};
use crate::front::{body, openapi, probes};
use crate::metrics::{Exposition, process};
use crate::registry::{self, Registry, Slot, Verb};
use crate::router::{self, Director};
use crate::sync::Lifecycle;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

/// Everything a request on the admin port needs.
pub struct Admin {
    registry: Arc<Registry>,
    director: Arc<Director>,
    life: Arc<Lifecycle>,
    access: Access,
    facts: Facts,
    started: Instant,
}

/// What a path of the admin port asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Metrics,
    Live,
    Ready,
    Models,
    Model(&'a str),
    Events,
    Process,
    OpenApi,
    Docs,
    Control(Verb, &'a str),
    Traffic(&'a str),
    Experiment(&'a str),
    Change(Action<'a>, &'a str),
    Drift(&'a str),
    Report(&'a str),
    Reference(&'a str),
}

impl Admin {
    pub fn new(
        registry: Arc<Registry>,
        director: Arc<Director>,
        life: Arc<Lifecycle>,
        access: Access,
        facts: Facts,
    ) -> Self {
        Self { registry, director, life, access, facts, started: Instant::now() }
    }

    /// Answers any request; whatever goes wrong becomes a reply.
    pub async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Reply, Infallible> {
        let (parts, mut incoming) = request.into_parts();
        let result = self.dispatch(&parts, &mut incoming).await;
        let mut reply = result.unwrap_or_else(|error| error.reply(&Ids::new(&parts.headers)));
        let unread = !incoming.is_end_stream() && !body::discard(&mut incoming).await;
        if unread && parts.version <= Version::HTTP_11 {
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(reply)
    }

    async fn dispatch(&self, parts: &Parts, incoming: &mut Incoming) -> Result<Reply, ApiError> {
        let (method, path, headers) = (&parts.method, parts.uri.path(), &parts.headers);
        // First of all, so that a stranger does not learn which paths there are.
        if path == "/api" || path.starts_with("/api/") {
            self.access.check(headers)?;
        }
        let route = find(method, path).ok_or_else(|| unknown(path))?;
        check_method(method, path, route)?;
        match route {
            Route::Experiment(model) => traffic::experiment(&*self.slot(model)?, parts.uri.query()),
            Route::Traffic(model) => traffic::show(&self.director, model).await,
            Route::Change(action, model) => {
                traffic::change(&self.director, action, model, parts.uri.query(), headers, incoming).await
            }
            Route::Control(verb, model) => control::answer(&self.registry, verb, model, headers, incoming).await,
            Route::Drift(model) => drift::drift(&self.registry, model, Asked::read(parts.uri.query())?).await,
            Route::Report(model) => drift::page(&self.registry, model, Asked::read(parts.uri.query())?).await,
            Route::Reference(model) => {
                drift::promote(&self.registry, model, Asked::read(parts.uri.query())?, headers, incoming).await
            }
            facts => self.facts(facts),
        }
    }

    fn facts(&self, route: Route<'_>) -> Result<Reply, ApiError> {
        let shown = match route {
            Route::Metrics => return Ok(self.metrics()),
            Route::Live => return Ok(probes::live()),
            Route::Ready => return Ok(probes::ready(&self.registry.readiness(), self.life.is_leaving())),
            Route::Models => index::models(&self.registry.catalog()),
            Route::Model(name) => index::model_in_full(&*self.slot(name)?),
            Route::Events => serde_json::json!({"events": self.registry.events()}),
            Route::Process => about::page(&self.facts, self.started),
            Route::OpenApi => openapi::admin(&self.registry.catalog()),
            Route::Docs => return Ok(self.docs()),
            Route::Control(..)
            | Route::Traffic(_)
            | Route::Experiment(_)
            | Route::Change(..)
            | Route::Drift(_)
            | Route::Report(_)
            | Route::Reference(_) => {
                return Err(ApiError::new(Cause::Internal, "routed twice"));
            }
        };
        Ok(json(StatusCode::OK, shown.to_string()))
    }

    fn slot(&self, name: &str) -> Result<Arc<Slot>, ApiError> {
        let catalog = self.registry.catalog();
        catalog.get(name).cloned().ok_or_else(|| {
            let known = catalog.sorted().iter().map(|slot| slot.name.as_str()).collect::<Vec<_>>().join(", ");
            let words = format!("no model '{}': the models are {known}", crate::text::shorten(name, 60));
            ApiError { field: Some("model".into()), ..ApiError::new(Cause::NotFound, words) }
        })
    }

    /// Both ports' documents as a page.
    fn docs(&self) -> Reply {
        let catalog = self.registry.catalog();
        let default = self.facts.settings.default_model.as_deref();
        let documents = [openapi::data(&catalog, default), openapi::admin(&catalog)];
        let mut reply = Response::new(Full::new(Bytes::from(openapi::page(&documents))));
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        reply
    }

    fn metrics(&self) -> Reply {
        let mut text = Exposition::default();
        registry::expose(&self.registry.catalog(), self.registry.series(), &mut text);
        registry::expose_device(self.registry.device(), &mut text);
        router::expose(&self.registry.catalog(), &mut text);
        if self.facts.settings.triton_metrics {
            registry::expose_as_triton(&self.registry.catalog(), &mut text);
        }
        text.append(&process::render());
        let mut reply = Response::new(Full::new(Bytes::from(text.into_text())));
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        reply.headers_mut().insert(CONTENT_TYPE, kind);
        reply
    }
}

fn find<'a>(method: &Method, path: &'a str) -> Option<Route<'a>> {
    Some(match path {
        "/metrics" => Route::Metrics,
        "/livez" => Route::Live,
        "/readyz" => Route::Ready,
        "/api/models" => Route::Models,
        "/api/events" => Route::Events,
        "/api/process" => Route::Process,
        "/openapi.json" => Route::OpenApi,
        "/docs" => Route::Docs,
        _ => match path.strip_prefix("/api/models/")?.split_once('/') {
            None => Route::Model(path.strip_prefix("/api/models/").filter(|name| !name.is_empty())?),
            Some((model, "load")) => Route::Control(Verb::Load, model),
            Some((model, "unload")) => Route::Control(Verb::Unload, model),
            Some((model, "drift")) => Route::Drift(model),
            Some((model, "report.html")) => Route::Report(model),
            Some((model, "reference")) => Route::Reference(model),
            Some((model, "traffic")) if method == Method::PUT => Route::Change(Action::Traffic, model),
            Some((model, "traffic")) => Route::Traffic(model),
            Some((model, "promote")) => Route::Change(Action::Promote, model),
            Some((model, "rollback")) => Route::Change(Action::Rollback, model),
            Some((model, "canary")) => Route::Change(Action::Canary, model),
            Some((model, "experiment")) => Route::Experiment(model),
            Some((model, below)) if below.starts_with("canary/") => {
                Route::Change(Action::Steer(below.strip_prefix("canary/")?), model)
            }
            Some((model, below)) => {
                let alias = below.strip_prefix("aliases/").filter(|alias| !alias.is_empty() && !alias.contains('/'))?;
                let drops = method == Method::DELETE;
                Route::Change(if drops { Action::DropAlias(alias) } else { Action::PutAlias(alias) }, model)
            }
        },
    })
}

fn check_method(method: &Method, path: &str, route: Route<'_>) -> Result<(), ApiError> {
    let (takes, fits) = match route {
        Route::Change(Action::PutAlias(_) | Action::DropAlias(_), _) => {
            ("PUT, DELETE", method == Method::PUT || method == Method::DELETE)
        }
        Route::Change(Action::Traffic, _) => ("GET, HEAD, PUT", method == Method::PUT),
        Route::Control(..) | Route::Change(..) | Route::Reference(_) => ("POST", method == Method::POST),
        Route::Traffic(_) => ("GET, HEAD, PUT", method == Method::GET || method == Method::HEAD),
        _ => ("GET, HEAD", method == Method::GET || method == Method::HEAD),
    };
    if fits {
        return Ok(());
    }
    let words = format!("{method} is not allowed on {}: use {takes}", crate::text::shorten(path, 80));
    Err(ApiError { allow: Some(takes), field: Some("method".into()), ..ApiError::new(Cause::Method, words) })
}

fn unknown(path: &str) -> ApiError {
    let path = crate::text::shorten(path, 80);
    let words = format!(
        "no such path: {path}. The admin port has /metrics, /livez, /readyz, /docs, /openapi.json, /api/models, /api/models/NAME, \
         /api/models/NAME/{{drift,report.html,traffic,experiment}}, POST /api/models/NAME/{{load,unload,reference,promote,\
         rollback,canary,canary/approve,canary/pause,canary/resume}}, PUT and DELETE /api/models/NAME/aliases/ALIAS, /api/events, /api/process"
    );
    ApiError { field: Some("path".into()), ..ApiError::new(Cause::NotFound, words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_they_say() {
        let put = |path| find(&Method::PUT, path);
        assert_eq!(put("/api/models/m"), Some(Route::Model("m")));
        assert_eq!(put("/api/models/m/load"), Some(Route::Control(Verb::Load, "m")));
        assert_eq!(put("/api/models/m/unload"), Some(Route::Control(Verb::Unload, "m")));
        assert_eq!(put("/api/models/m/traffic"), Some(Route::Change(Action::Traffic, "m")));
        assert_eq!(find(&Method::GET, "/api/models/m/traffic"), Some(Route::Traffic("m")));
        assert_eq!(put("/api/models/m/aliases/champion"), Some(Route::Change(Action::PutAlias("champion"), "m")));
        for path in [
            "/",
            "/api",
            "/api/",
            "/api/models/",
            "/api/models/m/",
            "/api/models/m/load/",
            "/api/models/m/drop",
            "/api/models/m/aliases/",
        ] {
            assert_eq!(put(path), None, "{path}");
        }
    }
}
