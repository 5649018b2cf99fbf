//! ADWIN: a window that keeps as much of the past as has one mean.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// ADWIN2 of Bifet and Gavalda (SIAM SDM 2007), with the defaults of river.
///
/// The window is kept in buckets of 1, 2, 4, .. values, at most `BUCKETS` of a size, so its memory grows
/// with the logarithm of its length. Every `clock` values all cuts between buckets are tried: where the
/// two sides differ by more than the bound allows, the oldest bucket goes. The chance of a false alarm at
/// a check is at most `delta`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adwin {
    delta: f64,
    clock: u64,
    grace: f64,
    /// Row `i` holds buckets of 2^i values, the oldest first.
    rows: Vec<VecDeque<Bucket>>,
    seen: u64,
    width: f64,
    total: f64,
    /// Sum of squared deviations from the mean.
    variance: f64,
    changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Bucket {
    total: f64,
    variance: f64,
}

/// More buckets of one size than this and the two oldest become one of the next size.
const BUCKETS: usize = 5;
/// Neither side of a cut may be shorter.
const SHORTEST: f64 = 5.0;
/// Rows of buckets: 2^40 values are more than any stream has.
const MOST_ROWS: usize = 40;

impl Default for Adwin {
    fn default() -> Self {
        Self::new(0.002, 32, 10)
    }
}

impl Adwin {
    /// `delta`: the chance of a false alarm at a check; `clock`: values between checks; `grace`: values
    /// before the first. A `delta` outside (0, 1) is taken for the nearest in it.
    pub fn new(delta: f64, clock: u64, grace: u64) -> Self {
        Self {
            delta: if delta.is_nan() { 0.002 } else { delta.clamp(1e-300, 0.999) },
            clock: clock.max(1),
            grace: grace as f64,
            rows: vec![VecDeque::new()],
            seen: 0,
            width: 0.0,
            total: 0.0,
            variance: 0.0,
            changed: false,
        }
    }

    /// Takes in a value; whether the mean has changed. After a change it begins anew with the next value,
    /// as river does. What is not finite is passed over.
    pub fn update(&mut self, x: f64) -> bool {
        if !x.is_finite() {
            return false;
        }
        if self.changed {
            *self = Self::new(self.delta, self.clock, self.grace as u64);
        }
        self.insert(x);
        self.seen += 1;
        self.changed = self.seen.is_multiple_of(self.clock) && self.width > self.grace && self.shrink();
        self.changed
    }

    /// Values in the window.
    pub fn width(&self) -> f64 {
        self.width
    }

    /// Their mean; `None` before the first.
    pub fn mean(&self) -> Option<f64> {
        (self.width > 0.0).then(|| self.total / self.width)
    }

    fn insert(&mut self, x: f64) {
        if self.width > 0.0 {
            let off = x - self.total / self.width;
            self.variance += self.width * off * off / (self.width + 1.0);
        }
        self.width += 1.0;
        self.total += x;
        if let Some(first) = self.rows.first_mut() {
            first.push_back(Bucket { total: x, variance: 0.0 });
        }
        self.compress();
    }

    /// Merges the two oldest buckets of each size that has too many, smallest first.
    fn compress(&mut self) {
        for row in 0..MOST_ROWS {
            let Some(buckets) = self.rows.get_mut(row).filter(|buckets| buckets.len() > BUCKETS) else { return };
            let (Some(a), Some(b)) = (buckets.pop_front(), buckets.pop_front()) else { return };
            let apart = (a.total - b.total) / length(row);
            let variance = a.variance + b.variance + 0.5 * length(row) * apart * apart;
            if row + 1 == self.rows.len() {
                self.rows.push(VecDeque::new());
            }
            if let Some(next) = self.rows.get_mut(row + 1) {
                next.push_back(Bucket { total: a.total + b.total, variance });
            }
        }
    }

    /// Drops the oldest bucket as long as some cut shows a change; whether one did.
    fn shrink(&mut self) -> bool {
        let mut changed = false;
        while self.has_cut() {
            changed = true;
            self.drop_oldest();
        }
        changed
    }

    fn has_cut(&self) -> bool {
        let (mut old, mut old_total) = (0.0, 0.0);
        for (row, buckets) in self.rows.iter().enumerate().rev() {
            for bucket in buckets {
                old += length(row);
                old_total += bucket.total;
                let (new, new_total) = (self.width - old, self.total - old_total);
                if old >= SHORTEST && new >= SHORTEST && self.differ(old, new, old_total / old - new_total / new) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether means over `old` and `new` values are further apart than the bound.
    fn differ(&self, old: f64, new: f64, apart: f64) -> bool {
        let sure = (2.0 * self.width.ln() / self.delta).ln();
        let parts = 1.0 / (old - SHORTEST + 1.0) + 1.0 / (new - SHORTEST + 1.0);
        let bound = (2.0 * parts * self.variance / self.width * sure).sqrt() + 2.0 / 3.0 * sure * parts;
        apart.abs() > bound
    }

    fn drop_oldest(&mut self) {
        let Some(row) = self.rows.iter().rposition(|buckets| !buckets.is_empty()) else { return };
        let Some(bucket) = self.rows.get_mut(row).and_then(VecDeque::pop_front) else { return };
        let n = length(row);
        self.width -= n;
        self.total -= bucket.total;
        let apart = bucket.total / n - self.total / self.width;
        self.variance -= bucket.variance + n * self.width * apart * apart / (n + self.width);
        self.variance = self.variance.max(0.0);
        let used = self.rows.iter().rposition(|buckets| !buckets.is_empty()).map_or(1, |last| last + 1);
        self.rows.truncate(used);
    }
}

/// Values in a bucket of this row.
fn length(row: usize) -> f64 {
    (1_u64 << row.min(MOST_ROWS)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A stream of 0 and 1 with this share of ones, from a seed.
    fn bernoulli(share: f64, seed: u64) -> impl Iterator<Item = f64> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from(u8::from(((state >> 11) as f64 / (1_u64 << 53) as f64) < share))
        })
    }

    #[test]
    fn false_alarms_are_rare() {
        for share in [0.01, 0.1, 0.3, 0.5] {
            let mut adwin = Adwin::default();
            let alarms = bernoulli(share, 7).take(100_000).filter(|x| adwin.update(*x)).count();
            assert!(alarms <= 1, "{alarms} alarms at {share}");
        }
    }

    #[test]
    fn a_step_is_found_and_the_old_forgotten() {
        let mut adwin = Adwin::default();
        assert!(bernoulli(0.1, 3).take(4000).all(|x| !adwin.update(x)));
        let delay = bernoulli(0.5, 4).take(2000).position(|x| adwin.update(x)).expect("the step is large");
        assert!(delay < 200, "{delay}");
        assert!(adwin.width() < 4000.0, "{}", adwin.width());
        bernoulli(0.5, 5).take(2000).for_each(|x| {
            adwin.update(x);
        });
        assert!(adwin.mean().is_some_and(|mean| (mean - 0.5).abs() < 0.05), "{:?}", adwin.mean());
    }

    #[test]
    fn memory_grows_with_the_logarithm() {
        let mut adwin = Adwin::default();
        bernoulli(0.5, 9).take(100_000).for_each(|x| {
            adwin.update(x);
        });
        let buckets: usize = adwin.rows.iter().map(VecDeque::len).sum();
        assert!(adwin.width() > 50_000.0 && buckets <= 17 * BUCKETS, "{buckets} buckets");
    }

    proptest! {
        /// The totals are those of the buckets, and the variance that of the values, while none is dropped.
        #[test]
        fn what_is_kept_is_what_was_put_in(values in prop::collection::vec(-1.0..1.0f64, 1..400)) {
            let mut adwin = Adwin::new(0.002, u64::MAX, 0);
            values.iter().for_each(|x| { adwin.update(*x); });
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
            let held: f64 = adwin.rows.iter().flatten().map(|bucket| bucket.total).sum();
            let lengths: f64 = adwin.rows.iter().enumerate().map(|(row, held)| length(row) * held.len() as f64).sum();
            prop_assert_eq!(lengths, n);
            prop_assert!((held - adwin.total).abs() < 1e-9 && (adwin.variance - squares).abs() < 1e-9);
        }
    }
}
