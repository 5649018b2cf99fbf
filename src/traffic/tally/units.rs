//! A fair sample of the units, each with its arm and the mean of its scores.

use super::{Moments, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Units that are kept.
const MOST: usize = 1 << 15;

/// A unit's requests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    pub arm: u8,
    /// It has been in another arm as well, and is in no comparison.
    pub moved: bool,
    /// A request of it has failed.
    pub erred: bool,
    pub scores: u32,
    pub sum: f64,
}

impl Seen {
    /// Adds what was seen of the same unit elsewhere.
    fn add(&mut self, other: &Self) {
        self.moved |= other.moved || self.arm != other.arm;
        self.erred |= other.erred;
        self.scores = self.scores.saturating_add(other.scores);
        self.sum += other.sum;
    }
}

/// The keys are hashes already.
#[derive(Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash << 8 | u64::from(*byte));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// The units with the lowest hashes.
pub struct Units {
    map: HashMap<u64, Seen, BuildHasherDefault<AsItIs>>,
    /// Hashes below this are kept. Only low bits count: the high ones decide the arm.
    below: u32,
    most: usize,
    /// New units per arm since the weights are what they are.
    fresh: Vec<u64>,
}

/// The sample at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub units: Vec<(u64, Seen)>,
    /// The share of units that is kept.
    pub part: f64,
    /// New units per arm since the weights are what they are, of those that are kept.
    pub fresh: Vec<u64>,
}

impl Units {
    pub fn new(arms: usize) -> Self {
        Self::with_most(arms, MOST)
    }

    fn with_most(arms: usize, most: usize) -> Self {
        // All room is made now: a request does not wait for memory.
        let map = HashMap::with_capacity_and_hasher(most + 1, BuildHasherDefault::default());
        Self { map, below: u32::MAX, most, fresh: vec![0; arms] }
    }

    pub fn see(&mut self, arm: usize, unit: u64, outcome: &Outcome) {
        if place(unit) > self.below {
            return;
        }
        let fresh = &mut self.fresh;
        let seen = self.map.entry(unit).or_insert_with(|| {
            fresh.iter_mut().skip(arm).take(1).for_each(|count| *count += 1);
            Seen { arm: arm as u8, ..Seen::default() }
        });
        seen.moved |= usize::from(seen.arm) != arm;
        seen.erred |= outcome.error;
        if let Some(score) = outcome.score {
            seen.scores = seen.scores.saturating_add(1);
            seen.sum += score;
        }
        self.thin();
    }

    /// Lets a half of the units go where there are too many.
    fn thin(&mut self) {
        while self.map.len() > self.most {
            self.keep_below(self.below / 2);
            // A half of the new ones has been let go with the rest.
            self.fresh.iter_mut().for_each(|count| *count = 0);
        }
    }

    fn keep_below(&mut self, below: u32) {
        self.below = self.below.min(below);
        let below = self.below;
        self.map.retain(|unit, _| place(*unit) <= below);
    }

    /// Takes in what an earlier process has seen.
    pub fn recall(&mut self, kept: &Kept) {
        self.keep_below((kept.part * f64::from(u32::MAX)).round() as u32);
        let below = self.below;
        for (unit, before) in kept.units.iter().filter(|(unit, _)| place(*unit) <= below) {
            let seen = self.map.entry(*unit).or_insert(Seen { arm: before.arm, ..Seen::default() });
            seen.add(before);
        }
        self.fresh.iter_mut().zip(&kept.fresh).for_each(|(count, before)| *count += before);
        self.thin();
    }

    pub fn begin_ratio(&mut self) {
        self.fresh.iter_mut().for_each(|count| *count = 0);
    }

    pub fn kept(&self) -> Kept {
        let units = self.map.iter().map(|(unit, seen)| (*unit, *seen)).collect();
        Kept { units, part: f64::from(self.below) / f64::from(u32::MAX), fresh: self.fresh.clone() }
    }
}

/// A unit's place in the sample, independent of its arm.
fn place(unit: u64) -> u32 {
    unit as u32
}

impl Kept {
    /// Both samples as one: what a single server would have, had it seen all.
    pub fn merge(mut self, other: &Self) -> Self {
        let part = self.part.min(other.part);
        let below = (part * f64::from(u32::MAX)) as u32;
        let mut map: HashMap<u64, Seen> = self.units.into_iter().collect();
        for (unit, seen) in &other.units {
            map.entry(*unit).or_insert(Seen { arm: seen.arm, ..Seen::default() }).add(seen);
        }
        self.units = map.into_iter().filter(|(unit, _)| place(*unit) <= below).collect();
        self.fresh.resize(self.fresh.len().max(other.fresh.len()), 0);
        // A unit that came to two replicas is new once: counted over units, not over replicas.
        self.fresh.iter_mut().enumerate().for_each(|(arm, count)| {
            *count = self.units.iter().filter(|(_, seen)| usize::from(seen.arm) == arm).count() as u64;
        });
        self.part = part;
        self
    }

    /// How many units an arm has, those that are not kept included.
    pub fn units(&self, arm: usize) -> u64 {
        let kept = self.units.iter().filter(|(_, seen)| usize::from(seen.arm) == arm).count();
        (kept as f64 / self.part.max(f64::MIN_POSITIVE)).round() as u64
    }

    /// Units that were seen in more than one arm, of those that are kept.
    pub fn moved(&self) -> u64 {
        self.units.iter().filter(|(_, seen)| seen.moved).count() as u64
    }

    /// Units of an arm that have seen an error, and all of them, of those that are kept and stayed.
    pub fn errors(&self, arm: usize) -> (u64, u64) {
        let mine = || self.units.iter().filter(|(_, seen)| usize::from(seen.arm) == arm && !seen.moved);
        (mine().filter(|(_, seen)| seen.erred).count() as u64, mine().count() as u64)
    }

    /// Moments of the units' mean scores.
    pub fn score(&self, arm: usize) -> Moments {
        let mut moments = Moments::default();
        let mine = |seen: &Seen| usize::from(seen.arm) == arm && !seen.moved && seen.scores > 0;
        let mut means: Vec<(u64, f64)> = self
            .units
            .iter()
            .filter(|(_, seen)| mine(seen))
            .map(|(unit, seen)| (*unit, seen.sum / f64::from(seen.scores)))
            .collect();
        // In one order everywhere, so that the same units give the same bits.
        means.sort_by_key(|(unit, _)| *unit);
        means.iter().for_each(|(_, mean)| moments.add(*mean));
        moments
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::testing::Draws;

    fn scored(score: f64) -> Outcome {
        Outcome { score: Some(score), ..Outcome::default() }
    }

    #[test]
    fn the_sample_is_bounded_and_its_means_are_those_of_units() {
        let mut units = Units::with_most(2, 1000);
        let mut draws = Draws::new(3);
        let ids: Vec<u64> = (0..10_000).map(|_| draws.next()).collect();
        for _ in 0..3 {
            ids.iter().for_each(|id| units.see((id >> 63) as usize, *id, &scored((id >> 63) as f64)));
        }
        let kept = units.kept();
        assert!(kept.units.len() <= 1000 && kept.units.len() > 400, "{}", kept.units.len());
        assert!(kept.units.iter().all(|(_, seen)| seen.scores <= 3 && !seen.moved));
        assert_eq!((kept.score(0).mean, kept.score(1).mean), (0.0, 1.0));
        let all = kept.units(0) + kept.units(1);
        assert!((9000..11_000).contains(&all), "{all} of 10000");
    }

    #[test]
    fn replicas_merge_to_what_one_would_have_seen() {
        let mut draws = Draws::new(9);
        let (mut one, mut parts) = (Units::with_most(2, 500), [0; 3].map(|_| Units::with_most(2, 500)));
        for _ in 0..20_000 {
            let unit = (draws.next() % 700).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let score = scored((unit % 8) as f64);
            one.see((unit >> 63) as usize, unit, &score);
            parts[(draws.next() % 3) as usize].see((unit >> 63) as usize, unit, &score);
        }
        let [a, b, c] = parts.map(|part| part.kept());
        let (merged, one) = (a.merge(&b).merge(&c), one.kept());
        assert_eq!((merged.part, merged.units.len()), (one.part, one.units.len()));
        for arm in 0..2 {
            assert_eq!(merged.units(arm), one.units(arm));
            assert_eq!(merged.score(arm), one.score(arm));
        }
    }

    #[test]
    fn a_unit_in_two_arms_is_in_no_mean() {
        let mut units = Units::new(2);
        [(0, 1), (1, 1), (0, 2)].into_iter().for_each(|(arm, unit)| units.see(arm, unit, &scored(1.0)));
        let kept = units.kept();
        assert_eq!((kept.moved(), kept.score(0).n, kept.fresh), (1, 1.0, vec![2, 0]));
    }
}
