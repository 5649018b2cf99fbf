//! The Page-Hinkley test: a cumulative sum of deviations from the running mean.

use serde::{Deserialize, Serialize};

/// Page (1954), with river's defaults and its forgetting factor, in both directions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageHinkley {
    /// Values before which nothing is said.
    pub min_instances: u64,
    /// A deviation smaller than this is tolerated, in the units of the stream.
    pub delta: f64,
    /// The sum of deviations that is a change, in the units of the stream.
    pub threshold: f64,
    /// What is kept of the sum at each step.
    pub alpha: f64,
    seen: u64,
    mean: f64,
    /// Sums that a rise and a fall make grow, and their extremes.
    rising: f64,
    falling: f64,
    lowest: f64,
    highest: f64,
}

impl Default for PageHinkley {
    fn default() -> Self {
        Self {
            min_instances: 30,
            delta: 0.005,
            threshold: 50.0,
            alpha: 1.0 - 0.0001,
            seen: 0,
            mean: 0.0,
            rising: 0.0,
            falling: 0.0,
            lowest: f64::MAX,
            highest: f64::MIN,
        }
    }
}

impl PageHinkley {
    /// Takes in a value; whether the mean has changed. After a change it begins anew with the next value.
    /// What is not finite is passed over.
    pub fn update(&mut self, x: f64) -> bool {
        if !x.is_finite() {
            return false;
        }
        self.seen += 1;
        self.mean += (x - self.mean) / self.seen as f64;
        let off = x - self.mean;
        self.rising = self.alpha * self.rising + off - self.delta;
        self.falling = self.alpha * self.falling + off + self.delta;
        self.lowest = self.lowest.min(self.rising);
        self.highest = self.highest.max(self.falling);
        let changed = self.rising - self.lowest > self.threshold || self.highest - self.falling > self.threshold;
        let changed = changed && self.seen >= self.min_instances;
        if changed {
            self.reset();
        }
        changed
    }

    fn reset(&mut self) {
        let Self { min_instances, delta, threshold, alpha, .. } = *self;
        *self = Self { min_instances, delta, threshold, alpha, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_are_found() {
        for step in [1.0, -1.0] {
            let mut detector = PageHinkley { threshold: 5.0, ..PageHinkley::default() };
            assert!((0..100).all(|_| !detector.update(0.0)), "a constant has not changed");
            assert!((0..10).any(|_| detector.update(step)), "a step of {step}");
            assert_eq!(detector, PageHinkley { threshold: 5.0, ..PageHinkley::default() }, "it begins anew");
        }
    }

    #[test]
    fn what_is_no_number_changes_nothing() {
        let mut detector = PageHinkley::default();
        let before = detector.clone();
        assert!(!detector.update(f64::NAN) && !detector.update(f64::INFINITY));
        assert_eq!(detector, before);
    }
}
