//! Everything that a tally holds, to be written down and taken up by the next process.

use super::{EVENTS, Kept, MOST_SEEN, Moments, Tally, lock};
use crate::metrics::Counter;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering::Relaxed;

/// The counts at one moment. What is missing in one that was written by an older version is nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    since: u64,
    arms: Vec<Arm>,
    outside: Vec<u64>,
    kept: Option<Kept>,
    /// Per kind of event: the units that have had it.
    seen: Vec<Vec<u64>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Arm {
    requests: u64,
    rows: u64,
    events: Vec<u64>,
    first_events: Vec<u64>,
    latency: Vec<u64>,
    latency_sum: u64,
    classes: Vec<u64>,
    cells: Vec<u64>,
    score: Moments,
}

fn read(counters: &[Counter]) -> Vec<u64> {
    counters.iter().map(Counter::get).collect()
}

fn add(counters: &[Counter], counts: &[u64]) {
    counters.iter().zip(counts).for_each(|(counter, count)| counter.add(*count));
}

impl Tally {
    pub fn write_down(&self) -> Record {
        let arm = |arm: &super::ArmTally| {
            let (latency, latency_sum) = arm.latency.counts();
            Arm {
                requests: arm.requests.get(),
                rows: arm.rows.get(),
                events: read(&arm.events),
                first_events: read(&arm.first_events),
                latency,
                latency_sum,
                classes: read(&arm.classes),
                cells: read(&arm.cells),
                score: *lock(&arm.score),
            }
        };
        Record {
            since: self.since(),
            arms: self.arms.iter().map(arm).collect(),
            outside: read(&self.outside),
            kept: self.kept(),
            seen: self.seen.iter().map(|seen| lock(seen).iter().copied().collect()).collect(),
        }
    }

    /// Adds what an earlier process has counted of the same experiment.
    pub fn recall(&self, record: &Record) {
        self.since.fetch_min(record.since, Relaxed);
        for (arm, before) in self.arms.iter().zip(&record.arms) {
            arm.requests.add(before.requests);
            arm.rows.add(before.rows);
            add(&arm.events, &before.events);
            add(&arm.first_events, &before.first_events);
            arm.latency.add(&before.latency, before.latency_sum);
            add(&arm.classes, &before.classes);
            add(&arm.cells, &before.cells);
            lock(&arm.score).merge(&before.score);
        }
        add(&self.outside, &record.outside);
        if let (Some(units), Some(kept)) = (&self.units, &record.kept) {
            lock(units).recall(kept);
        }
        for (seen, before) in self.seen.iter().zip(&record.seen).take(EVENTS) {
            let mut seen = lock(seen);
            let room = MOST_SEEN.saturating_sub(seen.len());
            seen.extend(before.iter().take(room));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::tally::Outcome;
    use crate::traffic::testing::Draws;
    use crate::traffic::{Assignment, Why};
    use std::time::Duration;

    fn count(tally: &Tally, draws: &mut Draws, requests: usize) {
        for _ in 0..requests {
            let unit = (draws.next() % 900).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let why = if unit.is_multiple_of(11) { Why::Missing } else { Why::Dealt };
            let outcome = Outcome {
                latency: Duration::from_micros(unit % 5000),
                rows: 1 + unit % 3,
                error: unit.is_multiple_of(50),
                slow: unit.is_multiple_of(7),
                nan: false,
                score: Some((unit % 8) as f64),
                class: Some((unit % 4) as usize),
            };
            tally.record(Assignment { arm: (unit >> 63) as usize, unit, why }, &outcome);
        }
    }

    /// As text: the order of sets is no matter, and sums of eighths are exact.
    fn sorted(mut record: Record) -> Record {
        record.seen.iter_mut().for_each(|units| units.sort_unstable());
        record.kept.iter_mut().for_each(|kept| kept.units.sort_unstable_by_key(|(unit, _)| *unit));
        Record { since: 0, ..record }
    }

    #[test]
    fn two_processes_count_what_one_would_have() {
        for sticky in [true, false] {
            let (whole, first, second) = (Tally::new(2, sticky), Tally::new(2, sticky), Tally::new(2, sticky));
            count(&whole, &mut Draws::new(4), 5000);
            let mut draws = Draws::new(4);
            count(&first, &mut draws, 2000);
            let text = serde_json::to_string(&first.write_down()).expect("text");
            second.recall(&serde_json::from_str(&text).expect("a record"));
            assert_eq!(sorted(second.write_down()), sorted(first.write_down()));
            count(&second, &mut draws, 3000);
            assert_eq!(second.counts(), whole.counts(), "sticky: {sticky}");
            let (mut got, mut wanted) = (sorted(second.write_down()), sorted(whole.write_down()));
            // Means are summed up in another order.
            got.arms.iter_mut().chain(&mut wanted.arms).for_each(|arm| arm.score.m2 = arm.score.m2.round());
            got.arms.iter_mut().chain(&mut wanted.arms).for_each(|arm| arm.score.mean = (arm.score.mean * 1e9).round());
            assert_eq!(got, wanted, "sticky: {sticky}");
        }
    }

    #[test]
    fn a_record_of_other_lengths_does_no_harm() {
        let tally = Tally::new(2, true);
        let text = r#"{"arms": [{"requests": 3, "events": [1, 2, 3, 4, 5, 6], "cells": []}, {}, {"requests": 9}],
            "outside": [1], "kept": {"units": [[5, {"arm": 200, "moved": false, "erred": true, "scores": 1, "sum": 0.5}]],
            "part": 7.5, "fresh": [1, 2, 3, 4]}, "seen": [[1], [2], [3], [4]]}"#;
        tally.recall(&serde_json::from_str(text).expect("a record"));
        assert_eq!((tally.counts().requests, tally.kept().map(|kept| kept.units.len())), ([3, 0], Some(1)));
    }
}
