//! A request's body, whole and within its limit.

use super::reply::{ApiError, Cause};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::CONTENT_ENCODING;
use std::time::Duration;

/// Reads a body of at most `limit` bytes. A body that came in one piece is not copied.
pub async fn read(headers: &HeaderMap, body: &mut Incoming, limit: usize) -> Result<Bytes, ApiError> {
    refuse_encoded(headers)?;
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(too_large(usize::try_from(announced).unwrap_or(usize::MAX), limit));
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::field("body", format!("the body ended early: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        let have = first.len().max(whole.len());
        if have + data.len() > limit {
            return Err(too_large(have + data.len(), limit));
        }
        if have == 0 {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// Bytes of an unwanted body that are read and thrown away.
const DISCARD: usize = 1 << 20;
/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// Reads what is left of a body that was refused, within bounds: a caller who is still sending
/// would otherwise meet a closed connection instead of the answer. Tells whether the end was reached.
pub async fn discard(body: &mut Incoming) -> bool {
    let announced = body.size_hint().lower();
    let reading = async {
        let mut left = DISCARD;
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, Bytes::len);
            left = match left.checked_sub(size) {
                Some(left) => left,
                None => return,
            };
        }
    };
    if announced <= DISCARD as u64 {
        let _ = tokio::time::timeout(DISCARD_TIME, reading).await;
    }
    body.is_end_stream()
}

fn too_large(got: usize, limit: usize) -> ApiError {
    let words = format!("the body has {got} bytes or more, but --max-body allows {limit}");
    ApiError {
        limit: Some(("max_body", limit, got)),
        field: Some("body".into()),
        ..ApiError::new(Cause::TooLarge, words)
    }
}

fn refuse_encoded(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            let words = format!("content-encoding {encoding:?} is not read: send the body as it is");
            Err(ApiError { field: Some("content-encoding".into()), ..ApiError::new(Cause::MediaType, words) })
        }
        _ => Ok(()),
    }
}
