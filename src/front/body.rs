//! A request's body, whole, unpacked and within its limits.

use super::reply::{ApiError, Cause};
use bytes::{Bytes, BytesMut};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::CONTENT_ENCODING;
use std::future::poll_fn;
use std::io::Read;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Bytes of an unwanted body that are read and thrown away.
const DISCARD: usize = 1 << 20;
/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// Reads a body of at most `limit` bytes, before and after unpacking, within `time`. A plain body
/// that came in one piece is not copied.
pub async fn read(headers: &HeaderMap, body: &mut Incoming, limit: usize, time: Duration) -> Result<Bytes, ApiError> {
    let coding = Coding::of(headers)?;
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(too_large(usize::try_from(announced).unwrap_or(usize::MAX), limit));
    }
    let packed = within(collect(body, limit), time).await?;
    match coding {
        Coding::None => Ok(packed),
        Coding::Gzip => unpack(MultiGzDecoder::new(&packed[..]), limit),
        Coding::Deflate => unpack(ZlibDecoder::new(&packed[..]), limit),
    }
}

/// Most bodies are there with their head: a timer is only set for one that is not.
async fn within(reading: impl Future<Output = Result<Bytes, ApiError>>, time: Duration) -> Result<Bytes, ApiError> {
    let mut reading = pin!(reading);
    let at_once = poll_fn(|context| match reading.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => Poll::Ready(None),
    });
    if let Some(result) = at_once.await {
        return result;
    }
    tokio::time::timeout(time, reading).await.unwrap_or_else(|_| {
        let words = format!("the body was not there within {} ms (--body-timeout)", time.as_millis());
        Err(ApiError { field: Some("body".into()), ..ApiError::new(Cause::SlowRequest, words) })
    })
}

async fn collect(body: &mut Incoming, limit: usize) -> Result<Bytes, ApiError> {
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

/// Reads what is left of a body that was refused, within bounds: a caller who is still sending
/// would otherwise meet a closed connection instead of the answer. Tells whether the end was reached.
pub async fn discard(body: &mut Incoming) -> bool {
    if body.size_hint().lower() > DISCARD as u64 {
        return false;
    }
    let reading = async {
        let mut left = DISCARD;
        loop {
            match body.frame().await {
                // Only this tells the end of a chunked body; it does not know its length.
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(frame)) => {
                    let size = frame.data_ref().map_or(0, Bytes::len);
                    match left.checked_sub(size) {
                        Some(rest) => left = rest,
                        None => return false,
                    }
                }
            }
        }
    };
    tokio::time::timeout(DISCARD_TIME, reading).await.unwrap_or(false)
}

fn too_large(got: usize, limit: usize) -> ApiError {
    let words = format!("the body has {got} bytes or more, but --max-body allows {limit}");
    ApiError {
        limit: Some(("max_body", limit, got)),
        field: Some("body".into()),
        ..ApiError::new(Cause::TooLarge, words)
    }
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    None,
    Gzip,
    /// In the zlib format, as HTTP has it.
    Deflate,
}

impl Coding {
    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(Self::None) };
        match value.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::None),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            other => {
                let words = format!(
                    "content-encoding '{}' is not read: send gzip, deflate or identity",
                    crate::text::shorten(other, 40)
                );
                Err(ApiError { field: Some("content-encoding".into()), ..ApiError::new(Cause::MediaType, words) })
            }
        }
    }
}

/// Unpacks at most `limit` bytes: a bomb costs no more memory than an honest body may.
fn unpack(packed: impl Read, limit: usize) -> Result<Bytes, ApiError> {
    let mut whole = Vec::new();
    let mut bounded = packed.take(limit as u64 + 1);
    bounded
        .read_to_end(&mut whole)
        .map_err(|error| ApiError::field("body", format!("the body is not what its content-encoding says: {error}")))?;
    if whole.len() > limit {
        return Err(too_large(whole.len(), limit));
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn packed_bodies_come_out_as_they_went_in() {
        let packed = gzip(b"[1,2,3]");
        assert_eq!(unpack(MultiGzDecoder::new(&packed[..]), 7).expect("fits"), &b"[1,2,3]"[..]);
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"[4]").expect("memory");
        let packed = encoder.finish().expect("memory");
        assert_eq!(unpack(ZlibDecoder::new(&packed[..]), 7).expect("fits"), &b"[4]"[..]);
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let bomb = gzip(&vec![b' '; 50 << 20]);
        assert!(bomb.len() < 100_000);
        let error = unpack(MultiGzDecoder::new(&bomb[..]), 1000).expect_err("too much");
        assert_eq!((error.cause, error.limit), (Cause::TooLarge, Some(("max_body", 1000, 1001))));
        let cut = &bomb[..bomb.len() / 2];
        assert_eq!(unpack(MultiGzDecoder::new(cut), 1 << 30).expect_err("cut").cause, Cause::BadRequest);
    }
}
