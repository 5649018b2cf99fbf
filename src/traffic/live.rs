//! A plan in force: units in, arms out, and what came of it.

use super::canary;
use super::hash::{self, BUCKETS};
use super::layout::Layout;
use super::plan::{LAYER_SLOTS, Plan};
use super::tally::{self, Tally};
use super::{Fault, Mirror, mirror};
use crate::metrics::Counter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Salt of the units that are in no experiment: the same for all, so that it is the same units.
const HOLDOUT: &[u8] = b"holdout";

/// Why a unit has its arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Dealt by its hash.
    Dealt,
    Forced,
    /// The request has no unit: control.
    Missing,
    /// Held out of all experiments, in another experiment of the layer, not covered: control.
    Holdout,
    Layer,
    Coverage,
}

impl Why {
    /// All but [`Why::Dealt`], in the order of their counters.
    pub const OUTSIDE: [(Self, &'static str); 5] = [
        (Self::Forced, "forced"),
        (Self::Missing, "missing_unit"),
        (Self::Holdout, "holdout"),
        (Self::Layer, "layer"),
        (Self::Coverage, "coverage"),
    ];
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Place of the arm; 0 is the control.
    pub arm: usize,
    /// Tells the unit from others.
    pub unit: u64,
    pub why: Why,
}

/// A canary's step in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What answers now, by the name that it is called.
    pub control: String,
    /// Basis points of the canary.
    pub weight: u32,
    pub slow_over: Option<Duration>,
}

/// A published plan. Never changed, only replaced; what it counts outlives it where the next plan is
/// the same experiment.
pub struct Live {
    pub plan: Arc<Plan>,
    pub stage: Option<Stage>,
    /// Names of the arms, the control first; empty where the default version answers everything.
    pub names: Vec<Arc<str>>,
    pub weights: Vec<u32>,
    pub tally: Arc<Tally>,
    pub mirrors: Vec<Arc<Mirror>>,
    layout: Layout,
    salts: Salts,
}

/// What a plan has counted, to be written down and taken up by the next process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    experiment: Value,
    counts: tally::Record,
    shadows: Vec<(Value, mirror::Record)>,
}

/// One salt per question.
struct Salts {
    arm: Vec<u8>,
    coverage: Vec<u8>,
    layer: Vec<u8>,
}

impl Live {
    /// Puts a plan into force for a model. `before` is the plan that it replaces.
    pub fn new(model: &str, plan: Arc<Plan>, stage: Option<Stage>, before: Option<&Self>) -> Result<Self, Fault> {
        let (names, weights, layout) = match (&stage, &plan.canary) {
            (Some(stage), Some(canary)) => ramp(stage, canary),
            _ => (plan.split.iter().map(|arm| arm.name.clone()).collect(), plan.weights(), plan.layout()?),
        };
        let names: Vec<Arc<str>> = names.into_iter().map(Arc::from).collect();
        let goes_on = before.filter(|before| before.names == names && before.plan.dealing() == plan.dealing());
        let tally = match goes_on {
            Some(before) => before.tally.clone(),
            None => Arc::new(Tally::new(names.len(), plan.sticky.is_some())),
        };
        if goes_on.is_some_and(|before| before.weights != weights || before.plan.coverage != plan.coverage) {
            tally.begin_ratio();
        }
        let kept = |one: &super::Shadow| before?.mirrors.iter().find(|mirror| mirror.shadow == *one).cloned();
        let mirrors = plan.shadow.iter().map(|one| kept(one).unwrap_or_else(|| Arc::new(Mirror::new(one.clone()))));
        let mirrors = mirrors.collect();
        let salts = Salts::new(model, &plan);
        Ok(Self { plan, stage, names, weights, tally, mirrors, layout, salts })
    }

    /// The arm of a unit; without a unit, the control. Allocates nothing.
    pub fn assign(&self, unit: Option<&[u8]>) -> Assignment {
        let Some(unit) = unit else { return Assignment { arm: 0, unit: 0, why: Why::Missing } };
        let (plan, salts) = (&*self.plan, &self.salts);
        let (bucket, identity) = plan.hash.bucket(&salts.arm, unit);
        let outside = |why| Assignment { arm: 0, unit: identity, why };
        if let Some(arm) = self.forced(unit) {
            return Assignment { arm, unit: identity, why: Why::Forced };
        }
        // The last buckets, so that a larger holdout holds whom a smaller one held.
        if plan.holdout > 0 && hash::place(HOLDOUT, unit, BUCKETS) >= BUCKETS - plan.holdout {
            return outside(Why::Holdout);
        }
        if let Some(layer) = &plan.layer {
            let slot = hash::place(&salts.layer, unit, LAYER_SLOTS);
            if slot < layer.start || slot >= layer.end {
                return outside(Why::Layer);
            }
        }
        let own = !plan.hash.is_foreign();
        if own && plan.coverage < BUCKETS && hash::place(&salts.coverage, unit, BUCKETS) >= plan.coverage {
            return outside(Why::Coverage);
        }
        match self.layout.arm(bucket) {
            Some(arm) => Assignment { arm, unit: identity, why: Why::Dealt },
            None => outside(Why::Coverage),
        }
    }

    fn forced(&self, unit: &[u8]) -> Option<usize> {
        if self.plan.forced.is_empty() {
            return None;
        }
        let arm = self.plan.forced.get(std::str::from_utf8(unit).ok()?)?;
        self.names.iter().position(|name| **name == **arm)
    }

    /// What tells this experiment from others: the arms, and how units are dealt to them.
    fn experiment(&self) -> Value {
        let names: Vec<&str> = self.names.iter().map(AsRef::as_ref).collect();
        json!({"arms": names, "dealing": self.plan.dealing()})
    }

    pub fn write_down(&self) -> Record {
        let shadow = |mirror: &Arc<Mirror>| (mirror.shadow.document(), mirror.write_down());
        Record {
            experiment: self.experiment(),
            counts: self.tally.write_down(),
            shadows: self.mirrors.iter().map(shadow).collect(),
        }
    }

    /// Goes on with what an earlier process has counted of the same experiment and the same shadows.
    pub fn recall(&self, record: &Record) {
        if record.experiment == self.experiment() {
            self.tally.recall(&record.counts);
        }
        for mirror in &self.mirrors {
            let own = mirror.shadow.document();
            let before = record.shadows.iter().find(|(shadow, _)| *shadow == own);
            before.into_iter().for_each(|(_, before)| mirror.recall(before));
        }
    }

    /// Requests that were counted or compared so far: whether there is anything new.
    pub fn seen(&self) -> u64 {
        let arms: u64 = self.tally.arms.iter().map(|arm| arm.requests.get()).sum();
        let outside: u64 = self.tally.outside.iter().map(Counter::get).sum();
        let shadows = self.mirrors.iter().map(|one| one.compared().requests() + one.dropped.get() + one.failed.get());
        arms + outside + shadows.sum::<u64>()
    }

    /// The share of dealt units that each arm is promised.
    pub fn shares(&self) -> Vec<f64> {
        let sum: u32 = self.weights.iter().sum();
        self.weights.iter().map(|weight| f64::from(*weight) / f64::from(sum.max(1))).collect()
    }
}

/// The canary beside what it is to replace.
fn ramp(stage: &Stage, canary: &canary::Plan) -> (Vec<String>, Vec<u32>, Layout) {
    let weights = vec![BUCKETS.saturating_sub(stage.weight), stage.weight];
    // One arm beside the control fits whatever it weighs.
    let layout = Layout::new(&weights, &[]).unwrap_or_else(|_| Layout::counted(&weights, BUCKETS));
    (vec![stage.control.clone(), canary.version.clone()], weights, layout)
}

impl Salts {
    fn new(model: &str, plan: &Plan) -> Self {
        let own = plan.salt.clone().unwrap_or_else(|| model.to_owned());
        // Another system knows its own salt and no phases of ours.
        let arm = if plan.hash.is_foreign() { own.clone() } else { format!("{own}/{}/arm", plan.phase) };
        let layer = plan.layer.as_ref().map(|layer| format!("layer/{}", layer.name)).unwrap_or_default();
        let coverage = format!("{own}/{}/coverage", plan.phase);
        Self { arm: arm.into_bytes(), coverage: coverage.into_bytes(), layer: layer.into_bytes() }
    }
}

#[cfg(test)]
mod tests;
