//! The health service: what probes and load balancers ask before they send anything else.

use super::proto::health::health_check_response::ServingStatus;
use super::proto::health::health_server::Health;
use super::proto::health::{HealthCheckRequest, HealthCheckResponse};
use crate::front::serve::Front;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Interval;
use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Response, Status};

/// Services that can be asked for; the empty name is the server as a whole.
const SERVICES: [&str; 3] = ["", "inference.GRPCInferenceService", "grpc.health.v1.Health"];
/// How often a watched status is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Answers for the whole server.
#[derive(Clone)]
pub struct Checks(pub Arc<Front>);

impl Checks {
    /// `None` for a service that is not here.
    fn status(&self, service: &str) -> Option<ServingStatus> {
        SERVICES.contains(&service).then(|| match self.0.is_ready() {
            true => ServingStatus::Serving,
            false => ServingStatus::NotServing,
        })
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for Checks {
    type WatchStream = Watch;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        match self.status(&service) {
            Some(status) => Ok(Response::new(response(status))),
            None => Err(Status::not_found(format!("unknown service '{}'", crate::text::shorten(&service, 60)))),
        }
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Watch>, Status> {
        let service = request.into_inner().service;
        let looks = tokio::time::interval(LOOK);
        Ok(Response::new(Watch { checks: self.clone(), service, told: None, looks }))
    }
}

/// A service's status now, and whenever it has changed.
pub struct Watch {
    checks: Checks,
    service: String,
    told: Option<ServingStatus>,
    looks: Interval,
}

impl Stream for Watch {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.looks.poll_tick(context).is_ready() {
            let status = self.checks.status(&self.service).unwrap_or(ServingStatus::ServiceUnknown);
            if self.told.replace(status) != Some(status) {
                return Poll::Ready(Some(Ok(response(status))));
            }
        }
        Poll::Pending
    }
}
