//! How far a canary has come, and what to do next.

use super::{Plan, Step};
use crate::traffic::stat::log_ledger;
use serde::{Deserialize, Serialize};

/// What can speak against a canary, with its part of the chance of a false alarm.
const GUARDS: [(&str, f64); 3] = [("errors", 0.5), ("slow answers", 0.25), ("answers with NaN", 0.25)];
/// Predictions of each side before their distributions are compared.
const ENOUGH_TO_COMPARE: u64 = 500;

/// What was counted, the control first. Of sticky traffic each unit counts once per guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub requests: [u64; 2],
    /// Per guard: errors, slow answers, answers with NaN.
    pub events: [[u64; 2]; 3],
}

impl Counts {
    fn zip(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        let pair = |a: [u64; 2], b: [u64; 2]| [with(a[0], b[0]), with(a[1], b[1])];
        let [errors, slow, nan] = self.events;
        let [other_errors, other_slow, other_nan] = other.events;
        Self {
            requests: pair(self.requests, other.requests),
            events: [pair(errors, other_errors), pair(slow, other_slow), pair(nan, other_nan)],
        }
    }

    pub fn plus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    pub fn minus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }
}

/// A canary's state. Kept over restarts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub step: usize,
    /// When the step began, in milliseconds since 1970.
    pub entered: u64,
    /// When going on was last considered.
    pub checked: u64,
    /// What was counted in this step before the process started.
    pub carried: Counts,
    /// Logarithms of the e-values of the steps before, per guard.
    pub evidence: [f64; 3],
    /// Somebody has approved this step.
    pub approved: bool,
    /// Nothing moves until it is resumed.
    #[serde(default)]
    pub paused: bool,
    /// It has no traffic yet: somebody is to let it in.
    #[serde(default)]
    pub awaiting: bool,
    /// Nanoseconds beyond which an answer is slow.
    pub slow_over: Option<u64>,
    /// Why it is where it is.
    pub words: String,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Hold(String),
    /// Let it in: it has had no traffic yet.
    Begin(String),
    Advance(String),
    Promote(String),
    RollBack(String),
}

impl Progress {
    pub fn new(now: u64, slow_over: Option<u64>) -> Self {
        Self {
            step: 0,
            entered: now,
            checked: now,
            carried: Counts::default(),
            evidence: [0.0; 3],
            approved: false,
            paused: false,
            awaiting: false,
            slow_over,
            words: "started".into(),
        }
    }

    /// The canary's weight now, in basis points.
    pub fn weight(&self, plan: &Plan) -> u32 {
        if self.awaiting { 0 } else { plan.weight(self.step) }
    }

    /// Lets the canary in: its first step begins now.
    pub fn begin(&mut self, now: u64, words: String) {
        *self = Self { words, ..Self::new(now, self.slow_over) };
    }

    /// The logarithm of a guard's e-value with what was counted in this step.
    pub fn log_evidence(&self, plan: &Plan, guard: usize, counts: &Counts) -> f64 {
        let [control, canary] = counts.events.get(guard).copied().unwrap_or_default();
        let before = self.evidence.get(guard).copied().unwrap_or(0.0);
        before + log_ledger(canary, control + canary, plan.share(self.step))
    }

    /// Looks at everything. `counts` are of this step, what was carried over included; `drift` is the
    /// shift of the predictions against the control's.
    pub fn judge(&self, plan: &Plan, now: u64, counts: &Counts, drift: Option<f64>) -> Verdict {
        if self.awaiting {
            let words = "let in".to_owned();
            return if self.paused { Verdict::Hold("paused".to_owned()) } else { Verdict::Begin(words) };
        }
        if let Some(words) = self.harm(plan, counts).or_else(|| drifted(plan, counts, drift)) {
            return Verdict::RollBack(words);
        }
        let Some(step) = plan.steps.get(self.step) else { return Verdict::Promote("no step is left".into()) };
        let (spent, canary) = (now.saturating_sub(self.entered), counts.requests[1]);
        if let Some(hold) = plan.max_hold.filter(|hold| u128::from(spent) >= hold.as_millis()) {
            let words = format!(
                "step {} has taken longer than max_hold, {} s, with {canary} requests",
                self.step + 1,
                hold.as_secs_f64()
            );
            return Verdict::RollBack(words);
        }
        if now.saturating_sub(self.checked) < plan.check_every.as_millis() as u64 {
            return Verdict::Hold(self.words.clone());
        }
        if let Some(words) = self.missing(step, spent, canary) {
            return Verdict::Hold(words);
        }
        let words =
            format!("step {} of {} passed with {}", self.step + 1, plan.steps.len(), self.words(plan, counts, drift));
        match self.step + 1 == plan.steps.len() {
            true => Verdict::Promote(words),
            false => Verdict::Advance(words),
        }
    }

    /// What a step still waits for.
    fn missing(&self, step: &Step, spent: u64, requests: u64) -> Option<String> {
        let min_time = step.min_time.as_millis();
        if self.paused {
            Some("paused".to_owned())
        } else if requests == 0 {
            Some("no data: the canary has answered nothing in this step".to_owned())
        } else if requests < step.min_requests {
            Some(format!("{requests} of {} requests", step.min_requests))
        } else if u128::from(spent) < min_time {
            Some(format!("{} of {} s", spent / 1000, min_time / 1000))
        } else if step.manual && !self.approved {
            Some("waits to be approved".to_owned())
        } else {
            None
        }
    }

    /// Begins the next step.
    pub fn advance(&mut self, plan: &Plan, now: u64, counts: &Counts, words: String) {
        for guard in 0..self.evidence.len() {
            let log = self.log_evidence(plan, guard, counts);
            // The ledger grows with a difference to either side. What speaks for the canary is no
            // evidence against it later, so of that nothing is carried on; less is always allowed.
            let before = self.evidence[guard];
            self.evidence[guard] = if self.is_above(plan, guard, counts) { log } else { log.min(before) };
        }
        self.step += 1;
        (self.entered, self.checked) = (now, now);
        self.carried = Counts::default();
        self.approved = false;
        self.words = words;
    }

    /// Whether the canary has more than its share of a guard's events in this step.
    fn is_above(&self, plan: &Plan, guard: usize, counts: &Counts) -> bool {
        let [control, canary] = counts.events.get(guard).copied().unwrap_or_default();
        canary as f64 > plan.share(self.step) * (control + canary) as f64
    }

    fn harm(&self, plan: &Plan, counts: &Counts) -> Option<String> {
        GUARDS.iter().enumerate().find_map(|(guard, (name, part))| {
            let [control, canary] = counts.events.get(guard).copied()?;
            let log = self.log_evidence(plan, guard, counts);
            let share = plan.share(self.step);
            let bar = -(plan.alpha * part).ln();
            (log >= bar && self.is_above(plan, guard, counts)).then(|| {
                format!(
                    "{name}: the canary has {canary} of {} with {:.2} % of the traffic (e-value {:.3e}, limit {:.0})",
                    control + canary,
                    100.0 * share,
                    e_value(log),
                    bar.exp()
                )
            })
        })
    }

    /// The numbers behind a decision.
    pub fn words(&self, plan: &Plan, counts: &Counts, drift: Option<f64>) -> String {
        let guards = GUARDS.iter().enumerate().map(|(guard, (name, _))| {
            let [control, canary] = counts.events.get(guard).copied().unwrap_or_default();
            format!(
                "{name} {canary} against {control} (e-value {:.3})",
                e_value(self.log_evidence(plan, guard, counts))
            )
        });
        let guards: Vec<String> = guards.collect();
        let drift = drift.map_or(String::new(), |psi| format!(", shift of the predictions {psi:.3}"));
        format!("{} requests against {}, {}{drift}", counts.requests[1], counts.requests[0], guards.join(", "))
    }
}

/// Beyond what a number can hold it is only very large.
fn e_value(log: f64) -> f64 {
    log.min(700.0).exp()
}

fn drifted(plan: &Plan, counts: &Counts, drift: Option<f64>) -> Option<String> {
    let enough = counts.requests.iter().all(|count| *count >= ENOUGH_TO_COMPARE);
    let psi = drift.filter(|psi| enough && plan.max_drift > 0.0 && *psi > plan.max_drift)?;
    Some(format!("the predictions have shifted: PSI {psi:.3} against the version in service, limit {}", plan.max_drift))
}

#[cfg(test)]
mod tests;
