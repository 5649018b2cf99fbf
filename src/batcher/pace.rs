//! How fast a lane's queue moves, as it was lately seen to.
//!
//! A measured cost says how long a batch takes on a free machine; how long a request waits behind
//! others depends on everything else that runs. So the pace is taken from the waits themselves:
//! time waited over rows that were ahead. It corrects itself: behind an empty queue nothing is
//! predicted, so requests are admitted again and tell the new pace.

use crate::sync::primitive::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
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

#[cfg(all(test, tidegate_loom))]
mod loom_model {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    /// After 80 ns a row: 40 seen, 160 seen, and either after the other.
    const POSSIBLE: [u128; 4] = [75, 90, 84, 86];

    /// A prediction for four rows with its margin is five times the pace.
    fn per_row(pace: &Pace) -> u128 {
        pace.predict(4).as_nanos() / 5
    }

    #[test]
    fn a_lost_update_loses_one_sample_and_no_more() {
        loom::model(|| {
            let pace = Arc::new(Pace::default());
            pace.observe(1, Duration::from_nanos(80));
            let threads = [40, 160].map(|nanos| {
                let pace = pace.clone();
                thread::spawn(move || pace.observe(1, Duration::from_nanos(nanos)))
            });
            let between = per_row(&pace);
            assert!(between == 80 || POSSIBLE.contains(&between), "{between}");
            for thread in threads {
                thread.join().expect("no panic");
            }
            assert!(POSSIBLE.contains(&per_row(&pace)), "{}", per_row(&pace));
        });
    }
}
