//! The cells that are counted into: lock-free, fixed in size.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of a histogram's buckets in whole units, and what one unit is in the shown base unit.
#[derive(Debug, PartialEq)]
pub struct Unit {
    pub bounds: &'static [u64],
    pub scale: f64,
}

/// Nanoseconds shown as seconds: 10 us to 10 s.
pub const SECONDS: Unit = Unit {
    bounds: &[
        10_000,
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        100_000_000,
        250_000_000,
        500_000_000,
        1_000_000_000,
        2_500_000_000,
        5_000_000_000,
        10_000_000_000,
    ],
    scale: 1e-9,
};

/// Counts per bucket, and the sum.
#[derive(Debug)]
pub struct Histogram {
    unit: &'static Unit,
    /// One per bound, and one for what lies beyond the last.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    pub fn new(unit: &'static Unit) -> Self {
        let buckets = (0..=unit.bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { unit, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts one value, in the histogram's whole units.
    #[inline]
    pub fn observe(&self, value: u64) {
        let bucket = self.unit.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// Counts a duration in a histogram of nanoseconds.
    #[inline]
    pub fn observe_duration(&self, value: Duration) {
        self.observe(u64::try_from(value.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The sum of all values, in the histogram's whole units.
    pub fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// The upper end of the bucket in which a quantile lies; `None` where nothing was counted, or where it
    /// lies beyond the last bound.
    pub fn quantile(&self, part: f64) -> Option<u64> {
        quantile(self.unit, &self.counts().0, part)
    }

    /// Counts per bucket, and the sum, in whole units.
    pub fn counts(&self) -> (Vec<u64>, u64) {
        (self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect(), self.sum.load(Relaxed))
    }

    /// Adds counts per bucket and their sum, as [`Histogram::counts`] gives them.
    pub fn add(&self, counts: &[u64], sum: u64) {
        for (bucket, count) in self.buckets.iter().zip(counts) {
            bucket.fetch_add(*count, Relaxed);
        }
        self.sum.fetch_add(sum, Relaxed);
    }

    /// Bounds in the shown unit beside cumulative counts, then the sum and the count.
    pub(super) fn read(&self) -> (Vec<(f64, u64)>, f64, u64) {
        let mut running = 0;
        let mut cumulative = Vec::with_capacity(self.unit.bounds.len());
        for (bound, bucket) in self.unit.bounds.iter().zip(&self.buckets) {
            running += bucket.load(Relaxed);
            cumulative.push((*bound as f64 * self.unit.scale, running));
        }
        let count = running + self.buckets[self.unit.bounds.len()].load(Relaxed);
        (cumulative, self.sum.load(Relaxed) as f64 * self.unit.scale, count)
    }
}

/// The upper end of the bucket in which a quantile of `counts` lies, in whole units.
pub fn quantile(unit: &Unit, counts: &[u64], part: f64) -> Option<u64> {
    let wanted = (part * counts.iter().sum::<u64>() as f64).ceil() as u64;
    let mut seen = 0;
    let at = counts.iter().position(|count| {
        seen += count;
        seen > 0 && seen >= wanted
    })?;
    unit.bounds.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_counts_in_its_own_bucket() {
        static UNIT: Unit = Unit { bounds: &[10, 20], scale: 1.0 };
        let histogram = Histogram::new(&UNIT);
        for value in [0, 10, 11, 20, 21] {
            histogram.observe(value);
        }
        assert_eq!(histogram.read(), (vec![(10.0, 2), (20.0, 4)], 62.0, 5));
        assert_eq!(histogram.count(), 5);
        assert_eq!(
            (histogram.quantile(0.4), histogram.quantile(0.8), histogram.quantile(0.9)),
            (Some(10), Some(20), None)
        );
    }
}
