//! The data port: one request to one reply.

use super::context::{Context, Flight};
use super::grpc::{Answered, is_grpc};
use super::ids::REQUEST_ID;
use super::incoming::Incoming;
use super::reply::{ApiError, Cause, Reply, TABLE, json};
use super::route::{Named, Route, Task, route};
use super::{Settings, body, mlflow, oip, openapi, pack, plain, probes};
use crate::batcher::{Answer, Rank};
use crate::engine::Asked;
use crate::metrics::{names, process};
use crate::registry::{Protocol, Registry, Version};
use crate::router::{self, Asker, Body as Seen, Choice, Names, Routed};
use crate::sync::Lifecycle;
use crate::tensor::Tensor;
use bytes::Bytes;
use http_body_util::Either;
use hyper::body::Body;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode, Version as HttpVersion};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Everything a request on the data port needs.
pub struct Front {
    pub(super) registry: Arc<Registry>,
    pub(super) settings: Settings,
    life: Arc<Lifecycle>,
    /// Refusals by cause, in the table's order.
    rejected: Vec<metrics::Counter>,
}

impl Front {
    pub fn new(registry: Arc<Registry>, settings: Settings, life: Arc<Lifecycle>) -> Self {
        let rejected = TABLE.iter().map(|row| process::counter(names::REJECTED, "reason", row.code)).collect();
        Self { registry, settings, life, rejected }
    }

    /// Answers any request; whatever goes wrong becomes a reply.
    pub async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Answered, Infallible> {
        Ok(match is_grpc(request.headers()) {
            true => Box::pin(self.call(request)).await,
            false => self.rest(request).await.map(Either::Left),
        })
    }

    async fn rest(&self, request: Request<Incoming>) -> Reply {
        let version = request.version();
        let (parts, mut incoming) = request.into_parts();
        let mut context = Context::new(&parts.headers);
        let result = self.dispatch(&parts.method, parts.uri.path(), &parts.headers, &mut incoming, &mut context).await;
        let mut reply = match result {
            Ok(reply) => reply,
            Err(error) => {
                self.note(&error, &context);
                match parts.uri.path() {
                    "/invocations" => mlflow::refusal(&error, &context.ids),
                    _ => error.reply(&context.ids),
                }
            }
        };
        reply = pack::pack(&parts.headers, reply);
        let unread = !incoming.is_end_stream() && !body::discard(&mut incoming).await;
        if version <= HttpVersion::HTTP_11 && (unread || self.life.is_leaving()) {
            // Says that the connection ends with this answer, so that no later request meets a closed one.
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }

    /// Counts and logs a refusal.
    pub(super) fn note(&self, error: &ApiError, context: &Context) {
        if let Some(at) = TABLE.iter().position(|row| row.cause == error.cause) {
            self.rejected[at].increment(1);
        }
        if error.cause == Cause::Internal {
            tracing::error!(request_id = context.ids.request_text(), error = error.message, "answered 500");
        } else {
            tracing::debug!(request_id = context.ids.request_text(), error = error.message, "refused");
        }
    }

    /// Whether requests can be answered, now and for a while.
    pub(super) fn is_ready(&self) -> bool {
        self.registry.readiness().ready && !self.life.is_leaving()
    }

    async fn dispatch(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        incoming: &mut Incoming,
        context: &mut Context,
    ) -> Result<Reply, ApiError> {
        let (spoken, named) = match route(method, path)? {
            Route::Predict(named) => (Spoken::Plain, named),
            Route::OipInfer(named) => (Spoken::Oip, named),
            Route::V1Infer(task, named) => (Spoken::V1(task), named),
            Route::Invocations => (Spoken::Mlflow, Named { model: None, version: None }),
            other => {
                let mut reply = match other {
                    Route::Repository(asked) => Box::pin(self.repository(asked, headers, incoming, context)).await?,
                    other => self.facts(other)?,
                };
                reply.headers_mut().insert(REQUEST_ID, context.ids.request.clone());
                return Ok(reply);
            }
        };
        let routed = self.route(&named, headers, incoming, context).await?;
        let flight = Flight::new(&routed, spoken.protocol());
        // What is rare is boxed: every connection keeps room for the largest future that is not.
        let result = match spoken {
            Spoken::Plain => self.plain(&routed, headers, incoming, context).await,
            Spoken::Oip => self.infer(&routed, headers, incoming, context).await,
            Spoken::V1(task) => Box::pin(self.v1(&routed, task, headers, incoming, context)).await,
            Spoken::Mlflow => Box::pin(self.invoke(&routed, headers, incoming, context)).await,
        };
        flight.end(&result, context);
        result
    }

    /// Chooses the version of a prediction, by the traffic plan where the path names none. Reads the
    /// body before that only where the plan finds the unit in it.
    async fn route(
        &self,
        named: &Named<'_>,
        headers: &HeaderMap,
        incoming: &mut Incoming,
        context: &mut Context,
    ) -> Result<Routed, ApiError> {
        if let Choice::Version(routed) = self.choose_for(named, headers, context, Seen::Unread)? {
            return Ok(routed);
        }
        let bytes = self.body(headers, incoming, context).await?;
        let seen = Seen::Json { bytes: &bytes, max_depth: self.settings.max_json_depth };
        let chosen = self.choose_for(named, headers, context, seen)?;
        context.body = Some(bytes);
        match chosen {
            Choice::Version(routed) => Ok(routed),
            Choice::NeedsBody => Err(ApiError::new(Cause::Internal, "routed twice")),
        }
    }

    pub(super) fn choose_for(
        &self,
        named: &Named<'_>,
        headers: &HeaderMap,
        context: &Context,
        body: Seen<'_>,
    ) -> Result<Choice, ApiError> {
        let asker = Asker { headers, id: context.ids.prediction.as_bytes(), body };
        Ok(router::choose(&self.registry.catalog(), self.names(named), &asker)?)
    }

    /// Reads the body, and from then on counts the time that the model may take.
    pub(super) async fn body(
        &self,
        headers: &HeaderMap,
        incoming: &mut Incoming,
        context: &mut Context,
    ) -> Result<Bytes, ApiError> {
        if let Some(bytes) = context.body.take() {
            return Ok(bytes);
        }
        context.read_timeout(headers)?;
        let time = context.timeout.map_or(self.settings.body_time, |asked| asked.min(self.settings.body_time));
        let bytes = body::read(headers, incoming, self.settings.max_body, time).await?;
        context.received = Instant::now();
        Ok(bytes)
    }

    async fn plain(
        &self,
        routed: &Routed,
        headers: &HeaderMap,
        incoming: &mut Incoming,
        context: &mut Context,
    ) -> Result<Reply, ApiError> {
        accept_json(headers)?;
        let bytes = self.body(headers, incoming, context).await?;
        let request = plain::parse(&bytes, routed, self.settings.max_json_depth)?;
        let rows = request.inputs.first().map_or(1, Tensor::rows);
        let plain::Parsed { inputs, extras } = request;
        let answer = self.compute(routed, Asked { inputs, extras }, Terms::default(), context).await?;
        let body = plain::write(routed, &answer.outputs, extras, rows, context.ids.prediction_text())?;
        Ok(context.success(routed, answer.timing, body))
    }

    /// Runs a checked request. All protocols end here.
    pub(super) async fn compute(
        &self,
        routed: &Routed,
        asked: impl Into<Asked>,
        terms: Terms,
        context: &mut Context,
    ) -> Result<Answer, ApiError> {
        let deadline = context.deadline(terms.timeout, routed);
        let input = context.received.elapsed();
        let (answer, _) = router::predict(routed, asked, context.call(deadline, terms.rank)).await?;
        context.ran = Some((input, answer.timing));
        Ok(answer)
    }

    /// Probes and metadata.
    fn facts(&self, route: Route<'_>) -> Result<Reply, ApiError> {
        let leaving = self.life.is_leaving();
        match route {
            Route::Live | Route::OipLive => Ok(probes::live()),
            Route::Ready | Route::OipReady => Ok(probes::ready(&self.registry.readiness(), leaving)),
            Route::OipServer => Ok(oip::server()),
            Route::OipModels => Ok(oip::models(&self.registry.catalog())),
            Route::OipModel(named) => {
                let version = self.choose(&named)?;
                Ok(oip::model(&version, &self.registry.catalog()))
            }
            Route::OipModelReady(named) => oip::model_ready(&named, self.choose(&named)),
            Route::Config(named) => self.model_config(&named),
            Route::Stats(named) => self.model_stats(&named),
            Route::V1(asked) => self.v1_facts(asked),
            Route::Ping => Ok(self.ping()),
            Route::Version => Ok(self.version()),
            Route::OpenApi => {
                let document = openapi::data(&self.registry.catalog(), self.settings.default_model.as_deref());
                Ok(json(StatusCode::OK, document.to_string()))
            }
            Route::Predict(_) | Route::OipInfer(_) | Route::Repository(_) | Route::V1Infer(..) | Route::Invocations => {
                Err(ApiError::new(Cause::Internal, "routed twice"))
            }
        }
    }

    /// The version that a path names, or the default one.
    pub(super) fn choose(&self, named: &Named<'_>) -> Result<Arc<Version>, ApiError> {
        let routed = router::choose_without_plan(&self.registry.catalog(), self.names(named))?;
        Ok(routed.version().clone())
    }

    fn names<'a>(&'a self, named: &'a Named<'_>) -> Names<'a> {
        Names {
            model: named.model.as_deref(),
            version: named.version.as_deref(),
            default_model: self.settings.default_model.as_deref(),
        }
    }
}

/// How a prediction is asked for.
#[derive(Clone, Copy)]
enum Spoken {
    Plain,
    Oip,
    V1(Task),
    Mlflow,
}

impl Spoken {
    fn protocol(self) -> Protocol {
        match self {
            Self::Plain => Protocol::Plain,
            Self::Oip => Protocol::Oip,
            Self::V1(_) => Protocol::V1,
            Self::Mlflow => Protocol::Mlflow,
        }
    }
}

/// What a request's own parameters ask for beside its inputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    pub timeout: Option<Duration>,
    pub rank: Rank,
}

/// What curl says of a body when nobody told it better.
const CURL_DEFAULT: &str = "application/x-www-form-urlencoded";

/// JSON, or nothing said about the type, or curl's default for it.
pub(super) fn accept_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    if value == "application/json" {
        return Ok(());
    }
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || essence == "text/json" || essence.ends_with("+json");
    if is_json || essence.is_empty() || essence == CURL_DEFAULT {
        return Ok(());
    }
    let words = format!("content-type '{}' is not read here: send application/json", crate::text::shorten(text, 60));
    Err(ApiError { field: Some("content-type".into()), ..ApiError::new(Cause::MediaType, words) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn size<F>(_: &impl Fn(Arc<Front>, Request<Incoming>) -> F) -> usize {
        size_of::<F>()
    }

    /// Each request moves it into its connection's place for it, and each connection keeps that place.
    #[test]
    fn what_a_request_keeps_while_it_waits_is_small() {
        let size = size(&Front::answer);
        assert!(size <= 3000, "{size} bytes");
    }
}
