//! A request's body on its way in, and how much of it may be framing.
//!
//! In chunks, the bytes on the wire are more than those of the body, and the HTTP layer reads a chunk's
//! size of any length: `0000..` has no end and no byte of body. So the socket counts what it reads
//! while such a body is awaited, and the body pays it back with every piece that it delivers. A body
//! whose length is announced has no framing, so it is not counted; nor is HTTP/2, which bounds its frames.

use super::connection::{Busy, Pulse};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::{Error, Request, Version};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

/// What may come in beyond the body delivered. The HTTP layer reads ahead, some 400 KiB at a time: with
/// 420 KiB honest bodies of 8 MiB were refused, with 600 KiB none.
const AHEAD: usize = 2 << 20;
/// What may come in for a piece of the body besides its bytes: a chunk's size, zeros before it, two
/// ends of lines. The shortest take 5 bytes.
const PER_PIECE: usize = 32;
/// Nothing is counted.
const OFF: usize = usize::MAX;

/// Bytes that may still come in before more of the body is delivered. One task reads the socket and
/// polls the body, so a load and a store are enough.
pub(super) struct Framing(AtomicUsize);

impl Default for Framing {
    fn default() -> Self {
        Self(AtomicUsize::new(OFF))
    }
}

impl Framing {
    fn start(&self) {
        self.0.store(AHEAD, Relaxed);
    }

    fn end(&self) {
        self.0.store(OFF, Relaxed);
    }

    /// Takes in that the socket has read so many bytes.
    pub fn received(&self, bytes: usize) -> io::Result<()> {
        let left = self.0.load(Relaxed);
        if left == OFF {
            return Ok(());
        }
        let rest = left.checked_sub(bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, Overhead))?;
        self.0.store(rest, Relaxed);
        Ok(())
    }

    fn delivered(&self, bytes: usize) {
        let left = self.0.load(Relaxed).saturating_add(bytes).saturating_add(PER_PIECE);
        // What is saved up is bounded too, or many tiny chunks would pay for one endless size.
        self.0.store(left.min(AHEAD), Relaxed);
    }
}

/// What the socket says when it has read too much framing.
#[derive(Debug, thiserror::Error)]
#[error(
    "more than {AHEAD} bytes of chunk sizes and extensions came without a byte of the body; send plain chunk sizes or a content-length"
)]
pub(super) struct Overhead;

impl Overhead {
    /// Whether this is why a body broke off.
    pub fn is_behind(error: &Error) -> bool {
        let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
        source.and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<Self>())
    }
}

/// A request's body.
pub struct Incoming {
    body: hyper::body::Incoming,
    /// The connection is not idle as long as the body is there: who answers drops it last.
    busy: Busy,
    /// Only where the body comes in chunks.
    counted: bool,
    broken: bool,
}

impl Incoming {
    /// Keeps the connection from counting as idle where the body is dropped before the answer is there.
    pub(super) fn busy(&self) -> Busy {
        self.busy.pulse().request()
    }

    /// Whether the body has broken off: no later request can be told from what is left of it.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Counts the framing of the request's body from here on, if it has any.
    pub(super) fn of(request: Request<hyper::body::Incoming>, pulse: &Arc<Pulse>) -> Request<Self> {
        let is_chunked = |body: &hyper::body::Incoming| body.size_hint().exact().is_none();
        let counted = request.version() <= Version::HTTP_11 && is_chunked(request.body());
        request.map(|body| {
            if counted {
                pulse.framing.start();
            }
            Self { body, busy: pulse.request(), counted, broken: false }
        })
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let (true, Poll::Ready(frame)) = (self.counted, &polled) {
            let pulse = self.busy.pulse();
            match frame {
                Some(Ok(frame)) => pulse.framing.delivered(frame.data_ref().map_or(0, Bytes::len)),
                // After an error the connection ends; the next request is none of this body's.
                Some(Err(_)) | None => pulse.framing.end(),
            }
        }
        self.broken |= matches!(polled, Poll::Ready(Some(Err(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_without_end_is_seen_and_nothing_is_counted_before_and_after() {
        let framing = Framing::default();
        framing.received(1 << 40).expect("no body is awaited");
        framing.start();
        framing.received(AHEAD).expect("read ahead");
        assert!(framing.received(1).is_err());
        framing.end();
        framing.received(1 << 40).expect("the body is there");
    }

    #[test]
    fn honest_chunks_of_any_size_pay_for_themselves() {
        for size in [1, 100, 4096, 400 << 10] {
            let framing = Framing::default();
            framing.start();
            for _ in 0..(64 << 20) / (size + 20) {
                // With the size in eight digits, as some clients have it, and a small extension.
                framing.received(size + 20).expect("honest");
                framing.delivered(size);
            }
        }
    }

    #[test]
    fn what_was_delivered_does_not_buy_a_size_without_end() {
        let framing = Framing::default();
        framing.start();
        for _ in 0..1_000_000 {
            framing.delivered(1);
        }
        assert!(framing.received(AHEAD + 1).is_err());
    }
}
