//! A request's body, whole and within its limits of size and time.

use super::incoming::{Incoming, Overhead};
use super::oip::JSON_LENGTH;
use super::reply::{ApiError, Cause};
use super::unpack::{Packing, unpack};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Body;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Room that is made at first for a body in several pieces.
const SMALLEST: usize = 4096;
/// What the widest numbers need.
const ALIGNMENT: usize = 8;
/// Bytes of an unwanted body that are read and thrown away.
const DISCARD: usize = 1 << 20;
/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// Reads a body of at most `limit` bytes, before and after unpacking, within `time`. A plain body
/// that came in one piece is not copied; what comes in several is put together so that the byte at
/// [`tensors_at`] lies aligned for numbers of any type, which then need no copy of their own.
pub async fn read(headers: &HeaderMap, body: &mut Incoming, limit: usize, time: Duration) -> Result<Bytes, ApiError> {
    let coding = Packing::of(headers)?;
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(too_large(usize::try_from(announced).unwrap_or(usize::MAX), limit));
    }
    let packed = within(collect(body, limit, tensors_at(headers)), time).await?;
    match coding {
        None => Ok(packed),
        Some(packing) => unpack(packing, &packed, limit),
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

/// Where the raw tensors of a body begin, by its headers; at its front where they do not tell.
fn tensors_at(headers: &HeaderMap) -> usize {
    let told = headers.get(JSON_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    told.unwrap_or(0)
}

async fn collect<B>(body: &mut B, limit: usize, aligned: usize) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    let most = body.size_hint().exact().and_then(|exact| usize::try_from(exact).ok()).unwrap_or(limit);
    // In front of the whole body, which lies aligned itself as allocators go.
    let pad = aligned.wrapping_neg() % ALIGNMENT;
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        let have = first.len().max(whole.len().saturating_sub(pad));
        if have + data.len() > limit {
            return Err(too_large(have + data.len(), limit));
        }
        if have == 0 {
            first = data;
            continue;
        }
        make_room(&mut whole, pad + have + data.len(), pad + most);
        if whole.is_empty() {
            whole.resize(pad, 0);
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { Bytes::from(whole).slice(pad..) })
}

/// Makes room for `size` bytes in all, by steps that grow fourfold and end at `most` exactly: so what
/// was sent, not what was announced, decides how much memory a body takes, and all the places that it
/// moves through together are a third more than `most`. By a vector's own doubling they are four times
/// as much.
pub(super) fn make_room(whole: &mut Vec<u8>, size: usize, most: usize) {
    if size <= whole.capacity() {
        return;
    }
    let mut step = most.max(size);
    while step.div_ceil(4) >= size.max(SMALLEST) {
        step = step.div_ceil(4);
    }
    whole.reserve_exact(step - whole.len());
}

fn broken_off(error: &hyper::Error) -> ApiError {
    let words = match Overhead::is_behind(error) {
        true => format!("the body was given up: {Overhead}"),
        false => format!("the body ended early: {error}"),
    };
    ApiError::field("body", words)
}

/// Reads what is left of a body that was refused, within bounds: a caller who is still sending
/// would otherwise meet a closed connection instead of the answer. Tells whether the end was reached.
pub async fn discard(body: &mut Incoming) -> bool {
    if body.is_broken() || body.size_hint().lower() > DISCARD as u64 {
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

pub(super) fn too_large(got: usize, limit: usize) -> ApiError {
    let words = format!("the body has {got} bytes or more, but --max-body allows {limit}");
    ApiError {
        limit: Some(("max_body", limit, got)),
        field: Some("body".into()),
        ..ApiError::new(Cause::TooLarge, words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Frame;
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::Context;

    /// A body in pieces.
    struct Pieces(VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = hyper::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    #[tokio::test]
    async fn tensors_lie_aligned_in_a_body_of_several_pieces() {
        let bytes: Vec<u8> = (0..100_000u32).map(|at| at as u8).collect();
        for json in [0, 1, 7, 8, 77, 1001] {
            for size in [1, 5000, 99_999, 100_000] {
                let mut body = Pieces(bytes.chunks(size).map(Bytes::copy_from_slice).collect());
                let whole = collect(&mut body, bytes.len(), json).await.expect("within the limit");
                assert_eq!(whole, bytes);
                let aligned = whole[json..].as_ptr().align_offset(ALIGNMENT) == 0;
                assert!(aligned || size == 100_000, "{json} {size}");
            }
            let mut body = Pieces(bytes.chunks(9).map(Bytes::copy_from_slice).collect());
            assert!(collect(&mut body, bytes.len() - 1, json).await.is_err(), "beyond the limit");
        }
        let told =
            |value: &'static str| tensors_at(&HeaderMap::from_iter([(JSON_LENGTH, value.parse().expect("a value"))]));
        assert_eq!((told("17"), told("-1"), told("x")), (17, 0, 0));
    }

    #[test]
    fn room_grows_fourfold_and_ends_at_the_most() {
        for most in [1, 4095, 100_000, 1 << 20, (1 << 20) + 1] {
            let (mut whole, mut steps) = (Vec::new(), Vec::new());
            for size in 1..=most {
                make_room(&mut whole, size, most);
                whole.push(0);
                if steps.last() != Some(&whole.capacity()) {
                    steps.push(whole.capacity());
                }
            }
            assert_eq!(steps.last(), Some(&most), "{steps:?}");
            assert!(steps.len() < 7, "{steps:?}");
            let places: usize = steps.iter().sum();
            assert!(places <= most + most.div_ceil(3) + steps.len(), "{most}: {steps:?}");
        }
    }
}
