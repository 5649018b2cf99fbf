//! What a traffic plan says, checked.

use super::Fault;
use super::hash::{BUCKETS, Hash};
use super::layout::Layout;
use super::unit::Sticky;
use crate::traffic::canary;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Slots of a layer, which experiments that must not meet share.
pub const LAYER_SLOTS: u32 = 1000;

/// One part of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// A version's number or an alias; also the variant's name.
    pub name: String,
    /// Basis points.
    pub weight: u32,
}

/// The slots of a layer that an experiment owns: `start..end` of a thousand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub name: String,
    pub start: u32,
    pub end: u32,
}

/// A version that computes what the callers are answered by others.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadow {
    pub version: String,
    /// The share of requests, 0 to 1.
    pub sample: f64,
    /// Where a score becomes a decision.
    pub threshold: f64,
}

/// A model's traffic plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Empty: the default version answers everything. Else the control first, the others by name.
    pub split: Vec<Arm>,
    /// How large arms may become, by name; empty: equally large.
    pub slots: BTreeMap<String, u32>,
    /// Without it, every request is its own unit.
    pub sticky: Option<Sticky>,
    pub hash: Hash,
    /// Without it, the model's name.
    pub salt: Option<String>,
    /// A new phase deals all units anew.
    pub phase: u32,
    /// Basis points of the units that take part; the others get the control.
    pub coverage: u32,
    pub layer: Option<Layer>,
    /// Basis points of all units that are in no experiment at all.
    pub holdout: u32,
    /// Units with an arm of their own, for trying things out; they count in no comparison.
    pub forced: BTreeMap<String, String>,
    pub shadow: Vec<Shadow>,
    pub canary: Option<canary::Plan>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            split: Vec::new(),
            slots: BTreeMap::new(),
            sticky: None,
            hash: Hash::default(),
            salt: None,
            phase: 1,
            coverage: BUCKETS,
            layer: None,
            holdout: 0,
            forced: BTreeMap::new(),
            shadow: Vec::new(),
            canary: None,
        }
    }
}

impl Plan {
    /// The versions and aliases that it names, with the member that does.
    pub fn named(&self) -> Vec<(String, &str)> {
        let arms = self.split.iter().map(|arm| (format!("split.{}", arm.name), arm.name.as_str()));
        let shadows =
            self.shadow.iter().enumerate().map(|(at, one)| (format!("shadow[{at}].version"), one.version.as_str()));
        let canary = self.canary.iter().map(|canary| ("canary.version".to_owned(), canary.version.as_str()));
        arms.chain(shadows).chain(canary).collect()
    }

    /// Whether it changes anything.
    pub fn is_empty(&self) -> bool {
        self.split.is_empty() && self.shadow.is_empty() && self.canary.is_none()
    }

    /// What is left of it when its canary is somebody else's business; `None` for nothing.
    pub fn without_canary(self: &Arc<Self>) -> Option<Arc<Self>> {
        let rest = match self.canary {
            None => self.clone(),
            Some(_) => Arc::new(Self { canary: None, ..Self::clone(self) }),
        };
        (!rest.is_empty()).then_some(rest)
    }

    pub fn weights(&self) -> Vec<u32> {
        self.split.iter().map(|arm| arm.weight).collect()
    }

    /// Puts the control in front. Where the plan does not name it, it is the arm called `champion`,
    /// else the one that means the default version, else the first by name: never the largest, which
    /// may change while an arm ramps up.
    pub(super) fn settle(&mut self, control: Option<&str>, is_default: impl Fn(&str) -> bool) -> Result<(), Fault> {
        self.split.sort_by(|a, b| by_name(&a.name, &b.name));
        let find = |fits: &dyn Fn(&str) -> bool| self.split.iter().position(|arm| fits(&arm.name));
        let at = match control {
            Some(name) => find(&|arm| arm == name).ok_or_else(|| {
                Fault::new("control", format!("'{name}' is not in the split: name one of its members, or add it"))
            })?,
            None => find(&|arm| arm == "champion").or_else(|| find(&is_default)).unwrap_or(0),
        };
        if let Some(arm) = (at < self.split.len()).then(|| self.split.remove(at)) {
            self.split.insert(0, arm);
        }
        Ok(())
    }

    /// The layout of its split.
    pub(super) fn layout(&self) -> Result<Layout, Fault> {
        let weights = self.weights();
        if self.hash.is_foreign() {
            return Ok(Layout::counted(&weights, self.coverage));
        }
        let slots: Vec<u32> = match self.slots.is_empty() {
            true => Vec::new(),
            false => self.split.iter().skip(1).map(|arm| self.slots.get(&arm.name).copied().unwrap_or(0)).collect(),
        };
        Layout::new(&weights, &slots).map_err(|error| {
            let arm = self.split.get(error.arm).map_or("", |arm| arm.name.as_str());
            let weight = weights.get(error.arm).copied().unwrap_or(0);
            let words = format!(
                "{weight} is more than the {} buckets that are set aside for it: give 'slots', how large each arm \
                 beside the control may become, {BUCKETS} in all at most",
                error.slot
            );
            Fault::new(format!("split.{arm}"), words)
        })
    }

    /// How units are dealt, whatever the weights are: counts go on as long as this, and the names of
    /// the arms, are the same.
    pub fn dealing(&self) -> Value {
        let sticky = self.sticky.as_ref().map(Sticky::document);
        json!({"sticky": sticky, "hash": self.hash.name(), "salt": self.salt, "phase": self.phase})
    }
}

/// Numbers by their value, before names.
fn by_name(a: &str, b: &str) -> Ordering {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}
