//! A call from its head to the service that answers it.

use super::health::Checks;
use super::messages::Messages;
use super::proto::grpc_inference_service_server::GrpcInferenceServiceServer;
use super::proto::health::health_server::HealthServer;
use super::service::Calls;
use super::status::status;
use crate::front::context::Context;
use crate::front::incoming::Incoming;
use crate::front::reply::{ApiError, Cause};
use crate::front::serve::Front;
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Request, Response, Version};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tonic::body::Body;
use tonic::codec::CompressionEncoding::{Deflate, Gzip};
use tonic::codegen::Service;

/// An answer of the data port: a finished one, or a call's, which may be a stream.
pub type Answered = Response<Either<Full<Bytes>, Body>>;

/// Methods whose requests are a stream: they owe no message.
const STREAMS: [&str; 1] = ["/inference.GRPCInferenceService/ModelStreamInfer"];

/// Whether a request is a gRPC call.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    kind.is_some_and(|kind| {
        let rest = kind.strip_prefix(b"application/grpc".as_slice());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+") || rest.starts_with(b";"))
    })
}

impl Front {
    /// Answers a call; whatever goes wrong becomes its status.
    pub(in crate::front) async fn call(self: &Arc<Self>, request: Request<Incoming>) -> Answered {
        // The service drops the body once it has the message.
        let _busy = request.body().busy();
        let mut context = Context::new(request.headers());
        let answered = match self.admitted(&request, &mut context) {
            Ok(()) => self.served(request, context).await,
            Err(error) => {
                self.note(&error, &context);
                status(&error, &context.ids).into_http()
            }
        };
        answered.map(Either::Right)
    }

    fn admitted(&self, request: &Request<Incoming>, context: &mut Context) -> Result<(), ApiError> {
        if request.version() != Version::HTTP_2 {
            let words = "gRPC needs HTTP/2: connect with prior knowledge, or use the REST API";
            return Err(ApiError { field: Some("version".into()), ..ApiError::new(Cause::MediaType, words) });
        }
        context.read_timeout(request.headers())?;
        context.limit(grpc_timeout(request.headers())?);
        Ok(())
    }

    async fn served(self: &Arc<Self>, request: Request<Incoming>, context: Context) -> Response<Body> {
        let limit = self.settings.max_body;
        let time = context.timeout.map_or(self.settings.body_time, |asked| asked.min(self.settings.body_time));
        let awaited = !STREAMS.contains(&request.uri().path());
        let mut request = request.map(|body| Messages::new(body, limit, time, awaited));
        request.extensions_mut().insert(context);
        let result: Result<Response<Body>, Infallible> = if request.uri().path().starts_with("/grpc.health.v1.") {
            let service = HealthServer::new(Checks(self.clone()));
            service.accept_compressed(Gzip).accept_compressed(Deflate).call(request).await
        } else {
            let service = GrpcInferenceServiceServer::new(Calls(self.clone()));
            service
                .max_decoding_message_size(limit)
                .max_encoding_message_size(usize::MAX)
                .accept_compressed(Gzip)
                .accept_compressed(Deflate)
                .send_compressed(Gzip)
                .send_compressed(Deflate)
                .call(request)
                .await
        };
        result.unwrap_or_else(|never| match never {})
    }
}

/// `grpc-timeout`: up to eight digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, ApiError> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let read = || {
        let text = value.to_str().ok()?;
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let count: u64 = digits.parse().ok()?;
        Some(match unit {
            "H" => Duration::from_secs(count * 3600),
            "M" => Duration::from_secs(count * 60),
            "S" => Duration::from_secs(count),
            "m" => Duration::from_millis(count),
            "u" => Duration::from_micros(count),
            "n" => Duration::from_nanos(count),
            _ => return None,
        })
    };
    read().map(Some).ok_or_else(|| {
        let words = format!("grpc-timeout: expected up to 8 digits and one of H, M, S, m, u, n, got {value:?}");
        ApiError::field("grpc-timeout", words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn calls_are_told_by_their_content_type() {
        let told =
            |kind: &'static str| is_grpc(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]));
        for kind in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
            assert!(told(kind), "{kind}");
        }
        for kind in ["application/json", "application/grpc-web", "application/grpcx"] {
            assert!(!told(kind), "{kind}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn time_limits_have_eight_digits_and_a_unit() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_str(text).expect("a value"));
            grpc_timeout(&headers)
        };
        assert_eq!(read("100m"), Ok(Some(Duration::from_millis(100))));
        assert_eq!(read("99999999H"), Ok(Some(Duration::from_secs(99_999_999 * 3600))));
        assert_eq!(read("5n"), Ok(Some(Duration::from_nanos(5))));
        for bad in ["", "S", "5", "5x", "123456789S", "-1S", "+1S", "1.5S"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(grpc_timeout(&HeaderMap::new()), Ok(None));
    }
}
