//! What is counted per version. The cells die with the version; no series outlives it.

use crate::metrics::{Counter, Histogram, SECONDS};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How a request was spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Plain,
    Oip,
}

/// Label values, in the order of [`Protocol`].
pub const PROTOCOLS: [&str; 2] = ["plain", "oip"];

/// The statuses that are counted by their own name; all others are counted as 500.
pub const CODES: [u16; 12] = [200, 400, 404, 405, 408, 413, 415, 422, 499, 500, 503, 504];

#[derive(Debug)]
pub struct VersionStats {
    requests: [[Counter; CODES.len()]; PROTOCOLS.len()],
    /// Time to answer, successes only.
    pub latency: Histogram,
    /// Predicted rows.
    pub rows: Counter,
    in_flight: AtomicUsize,
}

impl Default for VersionStats {
    fn default() -> Self {
        Self {
            requests: Default::default(),
            latency: Histogram::new(&SECONDS),
            rows: Counter::default(),
            in_flight: AtomicUsize::new(0),
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
