//! One admin request to one reply.

use super::index;
use crate::front::ids::Ids;
use crate::front::probes;
use crate::front::reply::{ApiError, Cause, Reply, json};
use crate::metrics::{Exposition, process};
use crate::registry::{self, Registry};
use crate::sync::Lifecycle;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::sync::Arc;

/// Everything a request on the admin port needs.
pub struct Admin {
    registry: Arc<Registry>,
    life: Arc<Lifecycle>,
}

impl Admin {
    pub fn new(registry: Arc<Registry>, life: Arc<Lifecycle>) -> Self {
        Self { registry, life }
    }

    /// Answers any request. A body is not read: no path here takes one.
    pub fn answer(&self, request: &Request<Incoming>) -> Reply {
        let path = request.uri().path();
        self.dispatch(request.method(), path).unwrap_or_else(|error| error.reply(&Ids::new(request.headers())))
    }

    fn dispatch(&self, method: &Method, path: &str) -> Result<Reply, ApiError> {
        let reply: Box<dyn Fn() -> Result<Reply, ApiError> + '_> = match path {
            "/metrics" => Box::new(|| Ok(self.metrics())),
            "/livez" => Box::new(|| Ok(probes::live())),
            "/readyz" => Box::new(|| Ok(probes::ready(&self.registry.readiness(), self.life.is_leaving()))),
            "/api/models" => Box::new(|| Ok(json(StatusCode::OK, index::models(&self.registry.catalog()).to_string()))),
            _ => match path.strip_prefix("/api/models/") {
                Some(name) if !name.is_empty() && !name.contains('/') => Box::new(move || self.model(name)),
                _ => return Err(unknown(path)),
            },
        };
        if method != Method::GET && method != Method::HEAD {
            let words = format!("{method} is not allowed on {}: use GET, HEAD", crate::text::shorten(path, 80));
            let field = Some("method".into());
            return Err(ApiError { allow: Some("GET, HEAD"), field, ..ApiError::new(Cause::Method, words) });
        }
        reply()
    }

    fn model(&self, name: &str) -> Result<Reply, ApiError> {
        let catalog = self.registry.catalog();
        match catalog.get(name) {
            Some(slot) => Ok(json(StatusCode::OK, index::model_in_full(slot).to_string())),
            None => {
                let known = catalog.sorted().iter().map(|slot| slot.name.as_str()).collect::<Vec<_>>().join(", ");
                let words = format!("no model '{}': the models are {known}", crate::text::shorten(name, 60));
                Err(ApiError { field: Some("model".into()), ..ApiError::new(Cause::NotFound, words) })
            }
        }
    }

    fn metrics(&self) -> Reply {
        let mut text = Exposition::default();
        registry::expose(&self.registry.catalog(), &mut text);
        text.append(&process::render());
        let mut reply = Response::new(Full::new(Bytes::from(text.into_text())));
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        reply.headers_mut().insert(CONTENT_TYPE, kind);
        reply
    }
}

fn unknown(path: &str) -> ApiError {
    let path = crate::text::shorten(path, 80);
    let words =
        format!("no such path: {path}. The admin port has /metrics, /livez, /readyz, /api/models, /api/models/NAME");
    ApiError { field: Some("path".into()), ..ApiError::new(Cause::NotFound, words) }
}
