//! What came of a split: counts that add up over replicas, and what they say.

mod report;

use super::Live;
use super::live::Why;
use super::tally::{ArmTally, Kept, Moments};
use crate::metrics::Counter;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The counts of an experiment at a moment. Those of several replicas of one plan are merged to what
/// a single server would have counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub model: String,
    pub phase: u32,
    /// When counting began, in milliseconds since 1970.
    pub since: u64,
    /// The control first.
    pub arms: Vec<Arm>,
    /// Requests that no comparison counts, by reason.
    pub outside: BTreeMap<String, u64>,
    /// The units that are kept, where traffic is sticky.
    pub kept: Option<Kept>,
}

/// The counts of one arm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    pub name: String,
    /// Basis points.
    pub weight: u32,
    /// The version that its name means now, and the names of its classes.
    pub version: Option<String>,
    pub labels: Vec<String>,
    pub requests: u64,
    pub rows: u64,
    /// Errors, slow answers, answers with NaN.
    pub events: Vec<u64>,
    /// Per bucket of [`crate::metrics::SECONDS`], and the sum in nanoseconds.
    pub latency: Vec<u64>,
    pub latency_sum: u64,
    pub classes: Vec<u64>,
    pub cells: Vec<u64>,
    /// By request, where no units are kept.
    pub score: Moments,
}

impl Snapshot {
    /// The counts of a plan in force. `facts` gives an arm's version and the names of its classes.
    pub fn of(model: &str, live: &Live, facts: impl Fn(usize) -> (Option<String>, Vec<String>)) -> Self {
        let tally = &live.tally;
        let arms = live.names.iter().zip(&live.weights).zip(&tally.arms).enumerate();
        let arm = |(at, ((name, weight), counts)): (usize, ((&std::sync::Arc<str>, &u32), &ArmTally))| {
            let (version, labels) = facts(at);
            Arm { name: name.to_string(), weight: *weight, version, labels, ..Arm::of(counts, tally.score(at)) }
        };
        Self {
            model: model.to_owned(),
            phase: live.plan.phase,
            since: tally.since(),
            arms: arms.map(arm).collect(),
            outside: Why::OUTSIDE.iter().zip(&tally.outside).map(|((_, name), n)| ((*name).into(), n.get())).collect(),
            kept: tally.kept(),
        }
    }

    /// Adds another replica's counts; the error says why they are not of the same experiment.
    pub fn merge(&mut self, other: &Self) -> Result<(), String> {
        let names = |one: &Self| one.arms.iter().map(|arm| arm.name.clone()).collect::<Vec<_>>();
        if (&self.model, self.phase, names(self)) != (&other.model, other.phase, names(other)) {
            return Err(format!(
                "these are not the same experiment: model {}, phase {}, arms {} and model {}, phase {}, arms {}",
                self.model,
                self.phase,
                names(self).join(", "),
                other.model,
                other.phase,
                names(other).join(", ")
            ));
        }
        self.since = self.since.min(other.since);
        self.arms.iter_mut().zip(&other.arms).for_each(|(arm, more)| arm.add(more));
        for (reason, count) in &other.outside {
            *self.outside.entry(reason.clone()).or_default() += count;
        }
        self.kept = match (self.kept.take(), &other.kept) {
            (Some(one), Some(two)) => Some(one.merge(two)),
            (one, two) => one.or_else(|| two.clone()),
        };
        Ok(())
    }
}

impl Arm {
    fn of(counts: &ArmTally, score: Moments) -> Self {
        let read = |counters: &[Counter]| counters.iter().map(Counter::get).collect();
        let (latency, latency_sum) = counts.latency.counts();
        Self {
            requests: counts.requests.get(),
            rows: counts.rows.get(),
            events: read(&counts.events),
            latency,
            latency_sum,
            classes: read(&counts.classes),
            cells: read(&counts.cells),
            score,
            ..Self::default()
        }
    }

    fn add(&mut self, other: &Self) {
        let add = |into: &mut Vec<u64>, from: &[u64]| {
            into.resize(into.len().max(from.len()), 0);
            into.iter_mut().zip(from).for_each(|(into, from)| *into = into.saturating_add(*from));
        };
        self.requests = self.requests.saturating_add(other.requests);
        self.rows = self.rows.saturating_add(other.rows);
        self.latency_sum = self.latency_sum.saturating_add(other.latency_sum);
        add(&mut self.events, &other.events);
        add(&mut self.latency, &other.latency);
        add(&mut self.classes, &other.classes);
        add(&mut self.cells, &other.cells);
        self.score.merge(&other.score);
    }
}

#[cfg(test)]
mod tests;
