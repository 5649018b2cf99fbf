//! The messages of a call on their way in: how long and how slow each may be.

use super::status::plain_status;
use crate::front::body::too_large;
use crate::front::incoming::Incoming;
use crate::front::reply::{ApiError, Cause};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};
use tonic::Status;

/// Bytes before a message: whether it is packed, and its length.
const PREFIX: usize = 5;

/// A call's body. A message has to be there in time once it has begun, and be no longer than allowed; between
/// the messages of a stream any time may pass.
pub struct Messages {
    body: Incoming,
    limit: usize,
    time: Duration,
    prefix: [u8; PREFIX],
    /// How much of the prefix has come.
    have: usize,
    /// How much of the message is to come.
    left: usize,
    /// Runs while a message is awaited.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Messages {
    /// `awaited`: whether a message is owed from the start, as in a call of one message.
    pub fn new(body: Incoming, limit: usize, time: Duration, awaited: bool) -> Self {
        // Most messages are there with their head: a timer is only set for one that is not.
        let timer = awaited.then(|| Box::pin(sleep(time)));
        Self { body, limit, time, prefix: [0; PREFIX], have: 0, left: 0, timer }
    }

    /// Follows the messages through a piece of the body.
    fn follow(&mut self, mut piece: &[u8]) -> Result<(), Status> {
        while !piece.is_empty() {
            if self.left > 0 {
                let taken = self.left.min(piece.len());
                self.left -= taken;
                piece = &piece[taken..];
            } else {
                self.prefix[self.have] = piece[0];
                self.have += 1;
                piece = &piece[1..];
                if self.have < PREFIX {
                    continue;
                }
                let [_, length @ ..] = self.prefix;
                self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                self.have = 0;
                if self.left > self.limit {
                    return Err(plain_status(&too_large(self.left, self.limit)));
                }
            }
        }
        if self.have == 0 && self.left == 0 {
            self.timer = None;
        } else if self.timer.is_none() {
            self.timer = Some(Box::pin(sleep(self.time)));
        }
        Ok(())
    }

    fn late(&self) -> Status {
        let words = format!(
            "the message was not there within {} ms (--body-timeout, or the call's own deadline)",
            self.time.as_millis()
        );
        plain_status(&ApiError::new(Cause::SlowRequest, words))
    }
}

impl Body for Messages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(Err(status)) = frame.data_ref().map(|piece| self.follow(piece)) {
                    return Poll::Ready(Some(Err(status)));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Some(Err(Status::cancelled(format!("the call broke off: {error}")))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match self.timer.as_mut().map(|timer| timer.as_mut().poll(context)) {
                Some(Poll::Ready(())) => Poll::Ready(Some(Err(self.late()))),
                _ => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
