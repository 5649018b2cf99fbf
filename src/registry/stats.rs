//! What is counted per version. The cells die with the version; no series outlives it.

use crate::metrics::{Counter, Histogram, SECONDS};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How a request was spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Plain,
    Oip,
    Grpc,
    /// KServe's first version and TF Serving, which share their paths.
    V1,
    /// MLflow's scoring server, and with it SageMaker.
    Mlflow,
}

/// Label values, in the order of [`Protocol`].
pub const PROTOCOLS: [&str; 5] = ["plain", "oip", "grpc", "v1", "mlflow"];

/// The statuses that are counted by their own name; all others are counted as 500.
pub const CODES: [u16; 12] = [200, 400, 404, 405, 408, 413, 415, 422, 499, 500, 503, 504];

/// Variants of a version that have series of their own; further ones share the last.
const MOST_VARIANTS: usize = 32;

/// What is counted per variant of a split: the name by which a plan reached the version.
#[derive(Debug, Default)]
pub struct VariantCells {
    /// Predicted rows.
    pub rows: Counter,
    /// Answered requests, and those that were refused or failed.
    pub good: Counter,
    pub bad: Counter,
}

#[derive(Debug)]
pub struct VersionStats {
    requests: [[Counter; CODES.len()]; PROTOCOLS.len()],
    /// Time to answer, successes only.
    pub latency: Histogram,
    /// Predicted rows of requests that no plan assigned.
    pub rows: Counter,
    /// Nanoseconds that answered requests took to be read, to wait and to be computed. What is left of
    /// `latency`'s sum went into writing their answers.
    pub input_ns: Counter,
    pub queue_ns: Counter,
    pub compute_ns: Counter,
    /// Nanoseconds that refused and failed requests took.
    pub fail_ns: Counter,
    /// When the last answer was given, in milliseconds since 1970.
    last_ms: AtomicU64,
    in_flight: AtomicUsize,
    variants: Mutex<BTreeMap<String, Arc<VariantCells>>>,
}

impl Default for VersionStats {
    fn default() -> Self {
        Self {
            requests: Default::default(),
            latency: Histogram::new(&SECONDS),
            rows: Counter::default(),
            input_ns: Counter::default(),
            queue_ns: Counter::default(),
            compute_ns: Counter::default(),
            fail_ns: Counter::default(),
            last_ms: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            variants: Mutex::default(),
        }
    }
}

impl VersionStats {
    pub fn count(&self, protocol: Protocol, code: u16) {
        let known = CODES.iter().position(|known| *known == code).unwrap_or(9);
        self.requests[protocol as usize][known].add(1);
    }

    /// Counts by protocol and code, those that have been counted at all.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, u16, &Counter)> {
        self.requests.iter().zip(PROTOCOLS).flat_map(|(codes, protocol)| {
            codes
                .iter()
                .zip(CODES)
                .filter(|(counter, _)| counter.get() > 0)
                .map(move |(counter, code)| (protocol, code, counter))
        })
    }

    /// The cells of a variant, made where it is new. Looked up when a plan is published, not per request.
    pub fn variant(&self, name: &str) -> Arc<VariantCells> {
        let mut variants = self.variants.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if variants.len() < MOST_VARIANTS || variants.contains_key(name) { name } else { "other" };
        variants.entry(name.to_owned()).or_default().clone()
    }

    /// All variants by name.
    pub fn variants(&self) -> Vec<(String, Arc<VariantCells>)> {
        let variants = self.variants.lock().unwrap_or_else(PoisonError::into_inner);
        variants.iter().map(|(name, cells)| (name.clone(), cells.clone())).collect()
    }

    /// Counts an answered request: how long it took in all, and what of it went where.
    pub fn answered(&self, total: Duration, input: Duration, queue: Duration, compute: Duration) {
        self.latency.observe_duration(total);
        self.input_ns.add(nanoseconds(input));
        self.compute_ns.add(nanoseconds(compute));
        if !queue.is_zero() {
            self.queue_ns.add(nanoseconds(queue));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_ms.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// When the last answer was given, in milliseconds since 1970; 0 before the first.
    pub fn last_ms(&self) -> u64 {
        self.last_ms.load(Relaxed)
    }

    /// What is left of the answered requests' time: their answers were written in it.
    pub fn output_ns(&self) -> u64 {
        let parts = [&self.input_ns, &self.queue_ns, &self.compute_ns];
        parts.iter().fold(self.latency.sum(), |left, part| left.saturating_sub(part.get()))
    }

    /// Requests that were not answered with a prediction.
    pub fn failures(&self) -> u64 {
        self.requests().filter(|(_, code, _)| *code != 200).map(|(.., counter)| counter.get()).sum()
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// Counts a request as in flight; [`VersionStats::leave`] must follow.
    pub fn enter(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }
}

pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_counts_as_500() {
        let stats = VersionStats::default();
        stats.count(Protocol::Oip, 200);
        stats.count(Protocol::Oip, 418);
        let seen: Vec<_> = stats.requests().map(|(protocol, code, counter)| (protocol, code, counter.get())).collect();
        assert_eq!(seen, [("oip", 200, 1), ("oip", 500, 1)]);
    }
}
