//! What came of the requests of each arm.
//!
//! Requests are counted one by one. Of sticky traffic, units are kept as well: requests of one unit
//! are no independent witnesses, so errors count once per unit, and means are means of units. Where
//! there are more units than are kept, those with the lowest hashes stay: a fair sample, the same on
//! every replica.

mod cells;
mod record;
mod units;

pub use cells::{CELLS, cell, shift};
pub use record::Record;
pub use units::{Kept, Units};

use super::canary::Counts;
use super::hash::BUCKETS;
use super::live::{Assignment, Why};
use crate::metrics::{Counter, Histogram, SECONDS};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Classes that are counted by themselves; the last cell is all others.
pub const CLASSES: usize = 33;
/// Units of one kind of event that are remembered, so that each counts once.
const MOST_SEEN: usize = 1 << 16;
/// Errors, slow answers, answers with NaN.
pub const EVENTS: usize = 3;

/// What is known of an answered request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    pub latency: Duration,
    pub rows: u64,
    pub error: bool,
    pub slow: bool,
    pub nan: bool,
    /// The prediction as one number.
    pub score: Option<f64>,
    pub class: Option<usize>,
}

impl Outcome {
    fn events(&self) -> [bool; EVENTS] {
        [self.error, self.slow, self.nan]
    }
}

/// The counts of one arm.
pub struct ArmTally {
    pub requests: Counter,
    pub rows: Counter,
    /// Of requests.
    pub events: [Counter; EVENTS],
    /// Of units where traffic is sticky, else of requests.
    pub first_events: [Counter; EVENTS],
    pub latency: Histogram,
    pub classes: [Counter; CLASSES],
    pub cells: [Counter; CELLS],
    score: Mutex<Moments>,
}

impl Default for ArmTally {
    fn default() -> Self {
        Self {
            requests: Counter::default(),
            rows: Counter::default(),
            events: Default::default(),
            first_events: Default::default(),
            latency: Histogram::new(&SECONDS),
            classes: std::array::from_fn(|_| Counter::default()),
            cells: std::array::from_fn(|_| Counter::default()),
            score: Mutex::default(),
        }
    }
}

/// Number, mean and sum of squared deviations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    pub n: f64,
    pub mean: f64,
    pub m2: f64,
}

impl Moments {
    pub fn add(&mut self, x: f64) {
        self.n += 1.0;
        let off = x - self.mean;
        self.mean += off / self.n;
        self.m2 += off * (x - self.mean);
    }

    pub fn variance(&self) -> f64 {
        if self.n > 1.0 { self.m2 / (self.n - 1.0) } else { 0.0 }
    }

    /// The moments of both together (Chan).
    pub fn merge(&mut self, other: &Self) {
        let n = self.n + other.n;
        if n > 0.0 {
            let off = other.mean - self.mean;
            self.mean += off * other.n / n;
            self.m2 += other.m2 + off * off * self.n * other.n / n;
            self.n = n;
        }
    }
}

/// The counts of an experiment.
pub struct Tally {
    pub arms: Vec<ArmTally>,
    /// Requests that no comparison counts, in the order of [`Why::OUTSIDE`].
    pub outside: [Counter; Why::OUTSIDE.len()],
    /// When counting began, in milliseconds since 1970.
    since: AtomicU64,
    units: Option<Mutex<Units>>,
    seen: [Mutex<HashSet<u64>>; EVENTS],
}

impl Tally {
    pub fn new(arms: usize, sticky: bool) -> Self {
        Self {
            arms: (0..arms).map(|_| ArmTally::default()).collect(),
            outside: Default::default(),
            since: AtomicU64::new(now()),
            units: sticky.then(|| Mutex::new(Units::new(arms))),
            seen: Default::default(),
        }
    }

    /// When counting began, in milliseconds since 1970.
    pub fn since(&self) -> u64 {
        self.since.load(Relaxed)
    }

    /// Counts a request.
    pub fn record(&self, to: Assignment, outcome: &Outcome) {
        if let Some(at) = Why::OUTSIDE.iter().position(|(why, _)| *why == to.why) {
            self.outside[at].add(1);
            return;
        }
        let Some(arm) = self.arms.get(to.arm) else { return };
        arm.requests.add(1);
        arm.rows.add(outcome.rows);
        for (event, happened) in outcome.events().into_iter().enumerate() {
            if happened {
                arm.events[event].add(1);
                if self.units.is_none() || self.is_first(event, to.unit) {
                    arm.first_events[event].add(1);
                }
            }
        }
        if !outcome.error {
            arm.latency.observe_duration(outcome.latency);
            arm.see_prediction(outcome);
        }
        match &self.units {
            Some(units) => lock(units).see(to.arm, to.unit, outcome),
            None => outcome.score.into_iter().for_each(|score| lock(&arm.score).add(score)),
        }
    }

    /// Whether a unit has this event for the first time. When too many have had it, nobody is new.
    fn is_first(&self, event: usize, unit: u64) -> bool {
        let mut seen = lock(&self.seen[event]);
        seen.len() < MOST_SEEN && seen.insert(unit)
    }

    /// The weights are others from now on: units that come are compared with these.
    pub fn begin_ratio(&self) {
        if let Some(units) = &self.units {
            lock(units).begin_ratio();
        }
    }

    /// What the guards of a canary look at: two arms, the control first.
    pub fn counts(&self) -> Counts {
        let arm = |at: usize, read: &dyn Fn(&ArmTally) -> u64| self.arms.get(at).map_or(0, read);
        let pair = |read: &dyn Fn(&ArmTally) -> u64| [arm(0, read), arm(1, read)];
        Counts {
            requests: pair(&|arm| arm.requests.get()),
            events: std::array::from_fn(|event| pair(&|arm| arm.first_events[event].get())),
        }
    }

    /// How far the predictions of an arm lie from the control's: the population stability index of
    /// their classes or, where there are none, of their scores, less what chance alone would give.
    pub fn drift(&self, arm: usize) -> Option<f64> {
        let (control, arm) = (self.arms.first()?, self.arms.get(arm)?);
        let read = |counters: &[Counter]| counters.iter().map(Counter::get).collect::<Vec<_>>();
        let classes = shift(&read(&control.classes), &read(&arm.classes));
        let scores = shift(&read(&control.cells), &read(&arm.cells));
        match (classes, scores) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        }
    }

    /// The units that are kept; `None` where every request is its own.
    pub fn kept(&self) -> Option<Kept> {
        self.units.as_ref().map(|units| lock(units).kept())
    }

    /// Moments of an arm's scores by request, where no units are kept.
    pub fn score(&self, arm: usize) -> Moments {
        self.arms.get(arm).map(|arm| *lock(&arm.score)).unwrap_or_default()
    }
}

impl ArmTally {
    fn see_prediction(&self, outcome: &Outcome) {
        if let Some(class) = outcome.class {
            self.classes[class.min(CLASSES - 1)].add(1);
        }
        if let Some(score) = outcome.score {
            self.cells[cell(score)].add(1);
        }
    }
}

/// No code panics while it holds one of these, so a poisoned lock holds a whole value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Basis points as a share.
pub fn share(weight: u32) -> f64 {
    f64::from(weight) / f64::from(BUCKETS)
}
