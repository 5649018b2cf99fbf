//! One invocation to its answer.

use super::answer::{ping, version as version_text, write};
use super::{csv, request};
use crate::front::context::Context;
use crate::front::incoming::Incoming;
use crate::front::reply::{ApiError, Cause, Reply};
use crate::front::serve::{Front, Terms};
use crate::router::Routed;
use crate::tensor::Tensor;
use crate::text;
use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Csv,
}

impl Front {
    pub(in crate::front) async fn invoke(
        &self,
        version: &Routed,
        headers: &HeaderMap,
        incoming: &mut Incoming,
        context: &mut Context,
    ) -> Result<Reply, ApiError> {
        let kind = kind(headers)?;
        let bytes = self.body(headers, incoming, context).await?;
        let inputs = match kind {
            Kind::Json => request::parse(&bytes, version, self.settings.max_json_depth)?,
            Kind::Csv => csv::parse(&bytes, version)?,
        };
        let rows = inputs.first().map_or(1, Tensor::rows);
        let answer = self.compute(version, inputs, Terms::default(), context).await?;
        let body = write(version, &answer.outputs, rows)?;
        Ok(context.success(version, answer.timing, body))
    }

    pub(in crate::front) fn ping(&self) -> Reply {
        ping(self.is_ready())
    }

    pub(in crate::front) fn version(&self) -> Reply {
        version_text()
    }
}

/// The two content types that MLflow reads, and no parameter but UTF-8.
fn kind(headers: &HeaderMap) -> Result<Kind, ApiError> {
    let text = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default()).unwrap_or_default();
    let refused =
        |words: String| ApiError { field: Some("content-type".into()), ..ApiError::new(Cause::MediaType, words) };
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let kind = match parts.next().as_deref() {
        Some("application/json") => Kind::Json,
        Some("text/csv") => Kind::Csv,
        _ => {
            let got = text::shorten(text, 60);
            let words = format!(
                "This predictor only supports the following content types: Types: ['text/csv', 'application/json']. Got '{got}'."
            );
            return Err(refused(words));
        }
    };
    match parts.find(|part| !part.is_empty() && part != "charset=utf-8" && part != "charset=\"utf-8\"") {
        None => Ok(kind),
        Some(other) => Err(refused(format!(
            "The scoring client requires an utf-8 charset and no other parameter, got '{}'",
            text::shorten(&other, 60)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn two_content_types_are_read() {
        let of = |text: &'static str| kind(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(text))]));
        assert_eq!(of("application/json"), Ok(Kind::Json));
        assert_eq!(of("Application/JSON; charset=UTF-8"), Ok(Kind::Json));
        assert_eq!(of("text/csv;charset=utf-8"), Ok(Kind::Csv));
        for bad in ["", "text/plain", "application/json; charset=latin-1", "text/csv; header=present"] {
            assert_eq!(of(bad).map_err(|error| error.cause), Err(Cause::MediaType), "{bad}");
        }
        assert!(kind(&HeaderMap::new()).is_err());
    }
}
