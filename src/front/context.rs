//! What every prediction carries from its first byte to its answer.

use super::ids::{Ids, PREDICTION_ID, REQUEST_ID};
use super::reply::{ApiError, Reply, json};
use crate::batcher::{Rank, Timing};
use crate::registry::{Protocol, Version, nanoseconds};
use crate::router::{Call, Routed};
use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use std::time::{Duration, Instant};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const MODEL_VERSION: HeaderName = HeaderName::from_static("x-model-version");
const VARIANT: HeaderName = HeaderName::from_static("x-variant");
const TIMEOUT_MS: HeaderName = HeaderName::from_static("x-timeout-ms");

/// Longest time a caller may ask for.
const LONGEST: Duration = Duration::from_secs(3600);

/// A request as far as it is the same in all protocols.
#[derive(Clone)]
pub struct Context {
    /// When its head was read.
    started: Instant,
    /// When its body was read: from then on the server's own time counts.
    pub received: Instant,
    /// The time that the caller's header gives it, from the head on.
    pub timeout: Option<Duration>,
    pub ids: Ids,
    /// Its body, where the choice of a version needed it.
    pub body: Option<Bytes>,
    /// How long its inputs took to be read, and its run, where there was one.
    pub ran: Option<(Duration, Timing)>,
    /// How long the whole took, once its answer has told so.
    total: Option<Duration>,
}

impl Context {
    pub fn new(headers: &HeaderMap) -> Self {
        let started = Instant::now();
        Self { started, received: started, timeout: None, ids: Ids::new(headers), ran: None, body: None, total: None }
    }

    /// The context of one more request in the same call: ids of its own, the time of the call.
    pub fn next(&self) -> Self {
        Self {
            received: Instant::now(),
            ids: Ids::new(&HeaderMap::new()),
            ran: None,
            body: None,
            total: None,
            ..self.clone()
        }
    }

    /// Limits the time further, from the head on.
    pub fn limit(&mut self, time: Option<Duration>) {
        self.timeout = shorter(self.timeout, time);
    }

    /// From now on the server's own time counts.
    pub fn message_is_here(&mut self) {
        self.received = Instant::now();
    }

    /// Reads the header by which a caller limits the time.
    pub fn read_timeout(&mut self, headers: &HeaderMap) -> Result<(), ApiError> {
        self.timeout = headers.get(TIMEOUT_MS).map(milliseconds).transpose()?;
        Ok(())
    }

    /// When the answer has to be there: what the caller asked for (in a header, in the body), else
    /// what the model allows.
    pub fn deadline(&self, in_body: Option<Duration>, version: &Version) -> Instant {
        match shorter(self.timeout, in_body) {
            Some(time) => self.started + time.min(LONGEST),
            None => self.received + version.lane.settings().deadline.min(LONGEST),
        }
    }

    /// What goes with what is asked.
    pub fn call(&self, deadline: Instant, rank: Rank) -> Call<'_> {
        Call { id: self.ids.prediction.as_bytes(), received: self.received, deadline, rank }
    }

    /// Wraps a prediction's body with the headers that every one has.
    pub fn success(&mut self, version: &Routed, timing: Timing, body: Vec<u8>) -> Reply {
        let mut reply = json(StatusCode::OK, body);
        self.tell(reply.headers_mut(), version, timing);
        reply
    }

    /// Adds the headers that every prediction has. The variant is told here for all protocols, since the
    /// bodies of some have no place for it.
    pub fn tell(&mut self, headers: &mut HeaderMap, version: &Routed, timing: Timing) {
        headers.insert(REQUEST_ID, self.ids.request.clone());
        headers.insert(PREDICTION_ID, self.ids.prediction.clone());
        if let Ok(name) = HeaderValue::from_str(&version.name) {
            headers.insert(MODEL_VERSION, name);
        }
        if let Some(Ok(variant)) = version.variant().map(HeaderValue::from_str) {
            headers.insert(VARIANT, variant);
        }
        let total = *self.total.insert(self.received.elapsed());
        if let Ok(timing) = HeaderValue::from_bytes(&server_timing(timing, total)) {
            headers.insert(SERVER_TIMING, timing);
        }
    }
}

fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn milliseconds(value: &HeaderValue) -> Result<Duration, ApiError> {
    let parsed = value.to_str().ok().and_then(|text| text.parse::<u64>().ok()).filter(|ms| *ms > 0);
    parsed.map(Duration::from_millis).ok_or_else(|| {
        ApiError::field(
            "x-timeout-ms",
            format!("header x-timeout-ms: expected a number of milliseconds above 0, got {value:?}"),
        )
    })
}

/// `queue;dur=0.012, compute;dur=0.034, total;dur=0.050`, in milliseconds.
fn server_timing(timing: Timing, total: Duration) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    for (name, time) in [("queue", timing.queue), (", compute", timing.compute), (", total", total)] {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b";dur=");
        // In 64 bits, which 584,000 years fit into: wider divisions take far longer.
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(digits.format(micros / 1000).as_bytes());
        // Adding 1000 keeps leading zeros; the 1 in front is cut off.
        let fraction = digits.format(micros % 1000 + 1000).as_bytes();
        out.push(b'.');
        out.extend_from_slice(&fraction[1..]);
    }
    out
}

/// Counts a request on its version, however it ends: answered, refused, or left by its caller.
pub struct Flight<'a> {
    routed: &'a Routed,
    protocol: Protocol,
    ended: bool,
}

impl<'a> Flight<'a> {
    pub fn new(routed: &'a Routed, protocol: Protocol) -> Self {
        routed.stats.enter();
        Self { routed, protocol, ended: false }
    }

    pub fn end<T>(mut self, result: &Result<T, ApiError>, context: &Context) {
        self.ended = true;
        let stats = &self.routed.stats;
        let total = context.total.unwrap_or_else(|| context.received.elapsed());
        let status = result.as_ref().map_or_else(|error| error.status().as_u16(), |_| 200);
        if status == 200 {
            let (input, timing) = context.ran.unwrap_or_default();
            stats.answered(total, input, timing.queue, timing.compute);
        } else {
            stats.fail_ns.add(nanoseconds(total));
        }
        stats.count(self.protocol, status);
        self.routed.ended(status, total);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.routed.stats.leave();
        if !self.ended {
            self.routed.stats.count(self.protocol, 499);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_timing_is_in_milliseconds() {
        let timing = Timing { queue: Duration::from_micros(5), compute: Duration::from_micros(1234) };
        let text = server_timing(timing, Duration::from_millis(20));
        assert_eq!(String::from_utf8_lossy(&text), "queue;dur=0.005, compute;dur=1.234, total;dur=20.000");
    }
}
