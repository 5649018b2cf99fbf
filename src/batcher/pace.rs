//! How fast a lane's queue moves, as it was lately seen to.
//!
//! A measured cost says how long a batch takes on a free machine; how long a request waits behind
//! others depends on everything else that runs. So the pace is taken from the waits themselves:
//! time waited over rows that were ahead. It corrects itself: behind an empty queue nothing is
//! predicted, so requests are admitted again and tell the new pace.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Weight of the newest wait: one part in this many.
const MEMORY: u64 = 8;
/// A prediction is an average: this much more is kept free, in quarters.
const MARGIN_QUARTERS: u32 = 5;

/// Nanoseconds of waiting per row ahead, a moving average.
#[derive(Debug, Default)]
pub struct Pace(AtomicU64);

impl Pace {
    /// Takes in how long a request waited behind `ahead` rows.
    pub fn observe(&self, ahead: usize, waited: Duration) {
        let Some(per_row) = u64::try_from(waited.as_nanos()).ok().and_then(|ns| ns.checked_div(ahead as u64)) else {
            return;
        };
        let old = self.0.load(Relaxed);
        // A lost update between two threads loses one sample of many.
        let new = if old == 0 { per_row } else { old - old / MEMORY + per_row / MEMORY };
        self.0.store(new, Relaxed);
    }

    /// How long a request would wait behind `ahead` rows, with a margin.
    pub fn predict(&self, ahead: usize) -> Duration {
        let ahead = u64::try_from(ahead).unwrap_or(u64::MAX);
        Duration::from_nanos(self.0.load(Relaxed).saturating_mul(ahead)) * MARGIN_QUARTERS / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_follows_what_is_seen() {
        let pace = Pace::default();
        assert_eq!(pace.predict(100), Duration::ZERO, "nothing is known, nothing is predicted");
        pace.observe(10, Duration::from_micros(100));
        assert_eq!(pace.predict(4), Duration::from_micros(50), "ten microseconds a row, and a quarter");
        for _ in 0..200 {
            pace.observe(1, Duration::from_micros(40));
        }
        let slow = pace.predict(100);
        assert!(slow > Duration::from_micros(4900) && slow < Duration::from_micros(5100), "{slow:?}");
        pace.observe(0, Duration::from_secs(1));
        assert_eq!(pace.predict(100), slow, "nothing ahead tells nothing");
    }
}
