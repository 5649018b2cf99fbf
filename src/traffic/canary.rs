//! A canary: a version that gets more traffic step by step, as long as nothing speaks against it.
//!
//! What to do at a moment is decided from values: the plan, how far it has come, what was counted and
//! the time. So whole ramps are simulated in tests.

mod document;
mod progress;
mod webhook;

pub use progress::{Counts, Progress, Verdict};
pub use webhook::{Webhook, When};

use super::Fault;
use super::hash::BUCKETS;
use std::time::Duration;

/// What a step takes at least where the plan does not say.
pub const MIN_TIME: Duration = Duration::from_secs(600);
pub const MIN_REQUESTS: u64 = 500;
/// Steps where the plan gives none, in basis points.
const STEPS: [u32; 6] = [100, 500, 1000, 2500, 5000, 10_000];

/// One step of a ramp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Basis points of the traffic.
    pub weight: u32,
    pub min_time: Duration,
    /// Requests that the canary has answered in this step.
    pub min_requests: u64,
    /// Whether it also waits for somebody's word.
    pub manual: bool,
}

/// A ramp and what guards it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub version: String,
    pub steps: Vec<Step>,
    /// How often going on is considered. Guards are looked at all the time.
    pub check_every: Duration,
    /// Slower answers count against it; without it, slower than 99 % of those before.
    pub slo: Option<Duration>,
    /// The chance that a version that does no harm is rolled back.
    pub alpha: f64,
    /// Largest shift of the predictions (PSI); 0 for any.
    pub max_drift: f64,
    /// How long the former version stays loaded after the promotion.
    pub bake: Duration,
    /// A step that takes longer than this is given up.
    pub max_hold: Option<Duration>,
    /// Who is asked before it goes on, and who is told.
    pub webhooks: Vec<Webhook>,
}

impl Default for Plan {
    fn default() -> Self {
        let step = |weight| Step { weight, min_time: MIN_TIME, min_requests: MIN_REQUESTS, manual: false };
        Self {
            version: String::new(),
            steps: STEPS.map(step).to_vec(),
            check_every: Duration::from_secs(10),
            slo: None,
            alpha: 0.001,
            max_drift: 0.25,
            bake: Duration::from_secs(1800),
            max_hold: None,
            webhooks: Vec::new(),
        }
    }
}

impl Plan {
    /// Refuses what could never end.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let steps = || self.steps.iter().enumerate();
        for ((at, step), (_, next)) in steps().zip(steps().skip(1)) {
            if next.weight <= step.weight {
                let words = format!(
                    "{} does not go beyond the step before, {}: let the weights rise",
                    next.weight, step.weight
                );
                return Err(Fault::new(format!("canary.steps[{}].weight", at + 1), words));
            }
        }
        for (at, step) in steps() {
            if let Some(hold) = self.max_hold.filter(|hold| *hold <= step.min_time) {
                let words = format!(
                    "{} s is not less than max_hold, {} s, so the step would always be given up: make one longer",
                    step.min_time.as_secs_f64(),
                    hold.as_secs_f64()
                );
                return Err(Fault::new(format!("canary.steps[{at}].min_time"), words));
            }
        }
        Ok(())
    }

    /// Whether somebody is asked before it gets any traffic.
    pub fn is_confirmed_first(&self) -> bool {
        self.webhooks.iter().any(|webhook| webhook.when == When::ConfirmRollout)
    }

    /// The canary's share at a step.
    pub fn share(&self, step: usize) -> f64 {
        f64::from(self.weight(step)) / f64::from(BUCKETS)
    }

    /// Its weight at a step, in basis points; at the last one for steps beyond.
    pub fn weight(&self, step: usize) -> u32 {
        self.steps.get(step).or(self.steps.last()).map_or(0, |step| step.weight)
    }
}
