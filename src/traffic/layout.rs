//! Which buckets belong to which arm.
//!
//! The control has what the others leave, so the arms always fill all buckets. Another arm's buckets
//! begin at a place that does not depend on any weight: while it ramps up it only gains buckets, and
//! nobody is moved back and forth. One arm grows from the first bucket, a second one from the last;
//! that fits for all weights. For three and more no places fit for all weights, so each has a slot.
//!
//! The layouts of other systems count up from the first bucket in order, the control first.

use super::hash::{BUCKETS, Hash};

/// The most arms a split has.
pub const MOST_ARMS: usize = 16;

/// Buckets `start..end` of an arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Range {
    start: u32,
    end: u32,
    arm: u8,
}

/// The arms of all buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    ranges: Vec<Range>,
    /// Buckets in no range are in no arm, rather than in the control.
    sparse: bool,
}

/// An arm that has outgrown its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutError {
    pub arm: usize,
    pub slot: u32,
}

impl Layout {
    /// `weights` in basis points, the control first, 10,000 in all. `slots` are how large each of the
    /// other arms may become; without them all may become equally large.
    pub fn new(weights: &[u32], slots: &[u32]) -> Result<Self, LayoutError> {
        let treatments = weights.get(1..).unwrap_or_default();
        let mut ranges = Vec::with_capacity(treatments.len());
        let mut slot_start = 0;
        for (at, weight) in treatments.iter().enumerate() {
            let range = match (at, treatments.len(), slots.is_empty()) {
                (0, 1 | 2, true) => Range { start: 0, end: *weight, arm: 1 },
                (_, 2, true) => Range { start: BUCKETS.saturating_sub(*weight), end: BUCKETS, arm: 2 },
                (_, count, equal) => {
                    let slot = if equal { BUCKETS / count as u32 } else { slots.get(at).copied().unwrap_or(0) };
                    if *weight > slot {
                        return Err(LayoutError { arm: at + 1, slot });
                    }
                    let start = slot_start;
                    slot_start += slot;
                    Range { start, end: start + weight, arm: at as u8 + 1 }
                }
            };
            ranges.push(range);
        }
        Ok(Self { ranges, sparse: false })
    }

    /// As the system of `hash` lays arms out. With a coverage below 10,000 every arm keeps its first
    /// buckets only, as in GrowthBook.
    pub fn counted(weights: &[u32], coverage: u32) -> Self {
        let mut start = 0;
        let mut ranges = Vec::with_capacity(weights.len());
        for (arm, weight) in weights.iter().enumerate() {
            let covered = (u64::from(*weight) * u64::from(coverage) / u64::from(BUCKETS)) as u32;
            ranges.push(Range { start, end: start + covered, arm: arm as u8 });
            start += weight;
        }
        Self { ranges, sparse: true }
    }

    /// The arm of a bucket; `None` where it is in no arm.
    pub fn arm(&self, bucket: u32) -> Option<usize> {
        let found = self.ranges.iter().find(|range| range.start <= bucket && bucket < range.end);
        match found {
            Some(range) => Some(range.arm.into()),
            None if self.sparse => None,
            None => Some(0),
        }
    }
}

impl Hash {
    /// Whether arms are laid out as another system does it.
    pub fn is_foreign(self) -> bool {
        self != Self::Xxh3
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sizes(layout: &Layout, arms: usize) -> Vec<u32> {
        let mut sizes = vec![0; arms];
        (0..BUCKETS).for_each(|bucket| sizes[layout.arm(bucket).expect("a full partition")] += 1);
        sizes
    }

    /// Weights of a control and `treatments` others, each within an equal slot.
    fn weights(treatments: usize) -> impl Strategy<Value = Vec<u32>> {
        proptest::collection::vec(0..=BUCKETS / treatments as u32, treatments).prop_map(|others| {
            let control = BUCKETS - others.iter().sum::<u32>();
            [vec![control], others].concat()
        })
    }

    proptest! {
        #[test]
        fn every_bucket_has_one_arm_and_every_arm_its_weight(weights in (1_usize..6).prop_flat_map(weights)) {
            let layout = Layout::new(&weights, &[]).expect("within the slots");
            prop_assert_eq!(sizes(&layout, weights.len()), weights);
        }

        #[test]
        fn an_arm_that_grows_keeps_every_bucket(
            (before, after) in (1_usize..6).prop_flat_map(|count| (weights(count), weights(count)))
        ) {
            let (small, large) = (Layout::new(&before, &[]).expect("fits"), Layout::new(&after, &[]).expect("fits"));
            for bucket in 0..BUCKETS {
                let arm = small.arm(bucket).expect("full");
                if arm > 0 && after[arm] >= before[arm] {
                    prop_assert_eq!(large.arm(bucket), Some(arm), "bucket {}", bucket);
                }
            }
        }

        #[test]
        fn two_arms_fit_whatever_they_weigh(first in 0..=BUCKETS, share in 0..=100_u32) {
            let second = (BUCKETS - first) * share / 100;
            let weights = [BUCKETS - first - second, first, second];
            let layout = Layout::new(&weights, &[]).expect("two always fit");
            prop_assert_eq!(sizes(&layout, 3), weights);
        }
    }

    #[test]
    fn slots_bound_three_and_more() {
        assert_eq!(Layout::new(&[4000, 4000, 1000, 1000], &[]), Err(LayoutError { arm: 1, slot: 3333 }));
        let layout = Layout::new(&[4000, 4000, 1000, 1000], &[6000, 2000, 2000]).expect("fits");
        assert_eq!(sizes(&layout, 4), [4000, 4000, 1000, 1000]);
    }

    #[test]
    fn counted_layouts_are_those_of_growthbook() {
        // Its own cases: two equal arms at half coverage are [0, 0.25) and [0.5, 0.75).
        let half = Layout::counted(&[5000, 5000], 5000);
        let arms = [0, 2499, 2500, 4999, 5000, 7499, 7500].map(|bucket| half.arm(bucket));
        assert_eq!(arms, [Some(0), Some(0), None, None, Some(1), Some(1), None]);
    }
}
