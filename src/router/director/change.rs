//! Changes: checked against what is loaded, and worked out without touching anything.

use super::state::{Desired, ModelState, Ramp};
use crate::registry::{ModelStatus, Serving, State as Standing, VersionNumber, What};
use crate::text;
use crate::traffic::canary::Progress;
use crate::traffic::{Fault, Plan};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long the version that answered before stays loaded after a change.
const WARM: Duration = Duration::from_secs(1800);
/// Members of an answer to `GET` that are no part of the plan.
const SHOWN_ONLY: &str = "status";

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Traffic(Value),
    /// Points an alias at a version, or removes it.
    Alias(String, Option<String>),
    Promote(String),
    Rollback,
    /// `approve`, `pause` or `resume` a canary.
    Canary(String),
}

/// Why a change is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("no model '{name}': the models are {}", if .known.is_empty() { "none".to_owned() } else { .known.join(", ") })]
    UnknownModel { name: String, known: Vec<String> },
    #[error("{0}")]
    Wrong(Fault),
    /// A version is not in service, and why.
    #[error("{field}: version {version} of model '{model}' is not ready: {reason}")]
    NotReady { field: String, model: String, version: VersionNumber, reason: String },
    /// These are there and have to be loaded first.
    #[error("versions are not loaded yet")]
    Load(BTreeSet<VersionNumber>),
    #[error("the plan has changed meanwhile: it is at \"{current}\", and If-Match says {given}; read it again")]
    Stale { current: u64, given: String },
    #[error("{0}")]
    Conflict(String),
    #[error("aliases and plans come from {0}, and change with that file only")]
    ReadOnly(String),
    #[error("the state cannot be written: {0}")]
    Store(String),
    #[error("the server is stopping")]
    Stopping,
}

impl From<Fault> for ChangeError {
    fn from(fault: Fault) -> Self {
        Self::Wrong(fault)
    }
}

/// A model as it is, for checks.
pub struct View<'a> {
    pub model: &'a str,
    pub serving: &'a Serving,
    pub status: &'a ModelStatus,
    pub state: &'a ModelState,
    pub now: u64,
}

/// A worked-out change.
pub struct Next {
    pub what: What,
    pub state: ModelState,
}

impl View<'_> {
    pub fn apply(&self, change: &Change) -> Result<Next, ChangeError> {
        match change {
            Change::Traffic(document) => self.traffic(document),
            Change::Alias(alias, to) => self.alias(alias, to.as_deref()),
            Change::Promote(version) => self.promote(version),
            Change::Rollback => self.rollback(),
            Change::Canary(action) => self.canary(action),
        }
    }

    fn number(&self, name: &str) -> Option<VersionNumber> {
        self.serving.aliases.get(name).copied().or_else(|| name.parse().ok())
    }

    /// The number that a name means, which must be that of a version on disk.
    fn known(&self, field: &str, name: &str) -> Result<VersionNumber, ChangeError> {
        let there = |number: &VersionNumber| self.status.versions.iter().any(|line| line.version == *number);
        self.number(name).filter(there).ok_or_else(|| {
            let versions: BTreeSet<_> = self.status.versions.iter().map(|line| line.version).collect();
            let names = versions.iter().map(ToString::to_string).chain(self.serving.aliases.keys().cloned());
            let known = names.collect::<Vec<_>>().join(", ");
            let name = text::shorten(name, 60);
            let words = format!("'{name}' is no version or alias of model '{}': it has {known}", self.model);
            Fault::new(field, words).into()
        })
    }

    fn is_ready(&self, number: VersionNumber) -> bool {
        self.serving.versions.contains_key(&number)
    }

    /// Refuses a version that is not in service, with the reason.
    fn ready(&self, field: &str, number: VersionNumber) -> Result<VersionNumber, ChangeError> {
        if self.is_ready(number) {
            return Ok(number);
        }
        let line = self.status.versions.iter().find(|line| line.version == number);
        let reason = match line.map(|line| (line.state, &line.reason)) {
            Some((state, Some(reason))) => format!("{}: {reason}", state.name()),
            Some((Standing::Unloaded, None)) => {
                format!("unloaded; load it first: POST /api/models/{}/load", self.model)
            }
            Some((state, None)) => state.name().to_owned(),
            None => "gone".to_owned(),
        };
        Err(ChangeError::NotReady { field: field.to_owned(), model: self.model.to_owned(), version: number, reason })
    }

    /// Versions that would have to be loaded, of those that these names mean.
    fn to_load(&self, named: &[(String, String)]) -> Result<(), ChangeError> {
        let mut missing = BTreeSet::new();
        for (field, name) in named {
            let number = self.known(field, name)?;
            let failed =
                |line: &crate::registry::VersionStatus| line.version == number && line.state == Standing::Failed;
            if !self.is_ready(number) {
                if self.status.versions.iter().any(failed) {
                    self.ready(field, number)?;
                }
                missing.insert(number);
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(ChangeError::Load(missing)) }
    }

    fn traffic(&self, document: &Value) -> Result<Next, ChangeError> {
        let mut document = document.clone();
        document.as_object_mut().and_then(|members| members.remove(SHOWN_ONLY));
        let default = self.serving.default.as_ref().map(|version| version.number);
        let plan = Plan::read(&document, |name| default.is_some() && self.number(name) == default)?;
        let named: Vec<_> = plan.named().into_iter().map(|(field, name)| (field, name.to_owned())).collect();
        for (field, name) in &named {
            self.known(field, name)?;
        }
        let ramp = self.ramp(&plan)?;
        self.to_load(&named)?;
        let desired = Desired { plan: Some(Arc::new(plan)), ..self.state.desired.clone() };
        Ok(Next { what: What::Traffic, state: self.warmed(self.state.next(desired, ramp)) })
    }

    /// The ramp of a plan with a canary: the one that goes on, where it is the same canary.
    fn ramp(&self, plan: &Plan) -> Result<Option<Ramp>, ChangeError> {
        let Some(canary) = &plan.canary else { return Ok(None) };
        let before = self.state.desired.plan.as_ref();
        if let Some(ramp) = &self.state.ramp
            && before.is_some_and(|before| before.canary.as_ref() == Some(canary) && before.sticky == plan.sticky)
        {
            return Ok(Some(ramp.clone()));
        }
        let Some(default) = &self.serving.default else {
            let words =
                format!("model '{}' has no version that answers now, so there is nothing to compare with", self.model);
            return Err(ChangeError::Conflict(words));
        };
        if self.known("canary.version", &canary.version)? == default.number {
            let words = format!("version {} answers already: name another one", default.number);
            return Err(Fault::new("canary.version", words).into());
        }
        let champion = self.serving.aliases.get("champion") == Some(&default.number);
        let control = if champion { "champion".to_owned() } else { default.name.to_string() };
        let slow_over = match canary.slo {
            Some(slo) => u64::try_from(slo.as_nanos()).ok(),
            None => default.stats.latency.quantile(0.99),
        };
        let before = match &self.state.ramp {
            Some(ramp) => ramp.before.clone(),
            None => before.cloned(),
        };
        let awaiting = canary.is_confirmed_first();
        let progress = Progress { awaiting, ..Progress::new(self.now, slow_over) };
        Ok(Some(Ramp { progress, control, before }))
    }

    fn alias(&self, alias: &str, to: Option<&str>) -> Result<Next, ChangeError> {
        let good = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if alias.is_empty() || alias.len() > 128 || !alias.chars().all(good) || alias.parse::<u64>().is_ok() {
            let words =
                "expected letters, digits, '.', '_' and '-', and not a number alone, which names the version itself";
            return Err(Fault::new("alias", words).into());
        }
        let mut desired = self.state.desired.clone();
        match to {
            Some(name) if name == alias => {
                return Err(
                    Fault::new("version", format!("the alias '{alias}' cannot mean itself: name a version")).into()
                );
            }
            Some(name) => {
                let number = self.ready("version", self.known("version", name)?)?;
                desired.aliases.insert(alias.to_owned(), Some(number));
            }
            None if !self.serving.aliases.contains_key(alias) => {
                let known = self.serving.aliases.keys().cloned().collect::<Vec<_>>().join(", ");
                let words = format!("model '{}' has no alias '{alias}': it has {known}", self.model);
                return Err(Fault::new("alias", words).into());
            }
            None => {
                let plan = self.state.desired.plan.as_ref();
                let user = plan.and_then(|plan| plan.named().into_iter().find(|(_, name)| *name == alias));
                if let Some((field, _)) = user {
                    let words = format!(
                        "the traffic plan of model '{}' uses the alias '{alias}' in {field}: change that first",
                        self.model
                    );
                    return Err(ChangeError::Conflict(words));
                }
                desired.aliases.insert(alias.to_owned(), None);
            }
        }
        Ok(Next { what: What::Alias, state: self.warmed(self.state.next(desired, self.state.ramp.clone())) })
    }

    fn promote(&self, version: &str) -> Result<Next, ChangeError> {
        let number = self.ready("version", self.known("version", version)?)?;
        let mut desired = self.state.desired.clone();
        desired.aliases.insert("champion".into(), Some(number));
        // Shadows go on, but for the one that answers now.
        let shadow = desired.plan.iter().flat_map(|plan| plan.shadow.clone());
        let shadow = shadow.filter(|one| self.number(&one.version) != Some(number)).collect();
        desired.plan = Some(Arc::new(Plan { shadow, ..Plan::default() }));
        let mut state = self.warmed(self.without_ramp().next(desired, None));
        if let Some(canary) = self.state.desired.plan.as_ref().and_then(|plan| plan.canary.as_ref()) {
            let until = self.now.saturating_add(canary.bake.as_millis() as u64);
            state.warm.values_mut().for_each(|warm| *warm = (*warm).max(until));
        }
        Ok(Next { what: What::Promote, state })
    }

    fn rollback(&self) -> Result<Next, ChangeError> {
        let mut history = self.state.history.clone();
        let Some(desired) = history.pop() else {
            let words = format!("model '{}' has no earlier plan: nothing has been changed yet", self.model);
            return Err(ChangeError::Conflict(words));
        };
        let plan = desired.plan.as_ref();
        let named = plan.map(|plan| plan.named()).unwrap_or_default();
        let named = named.into_iter().map(|(field, name)| (field, name.to_owned()));
        // An alias of the earlier state may mean another version than it does now.
        let number = |name: String| match desired.aliases.get(&name) {
            Some(Some(number)) => number.to_string(),
            _ => name,
        };
        let named = named.map(|(field, name)| (field, number(name)));
        let aliases =
            desired.aliases.iter().filter_map(|(alias, to)| Some((format!("aliases.{alias}"), (*to)?.to_string())));
        self.to_load(&named.chain(aliases).collect::<Vec<_>>())?;
        // A canary that was taken out does not go on where it was: it begins again.
        let ramp = match plan.filter(|plan| plan.canary.is_some()) {
            Some(plan) => self.ramp(plan)?,
            None => None,
        };
        let mut state = self.warmed(self.state.next(desired, ramp));
        state.history = history;
        Ok(Next { what: What::Rollback, state })
    }

    fn canary(&self, action: &str) -> Result<Next, ChangeError> {
        let mut state = self.state.clone();
        let Some(ramp) = &mut state.ramp else {
            return Err(ChangeError::Conflict(format!("model '{}' has no canary now", self.model)));
        };
        match action {
            "approve" => ramp.progress.approved = true,
            "pause" => ramp.progress.paused = true,
            "resume" => ramp.progress.paused = false,
            _ => {
                let words = "expected approve, pause or resume; promote and rollback have paths of their own";
                return Err(Fault::new("action", words).into());
            }
        }
        state.tag += 1;
        Ok(Next { what: What::Canary, state })
    }

    /// Ends a canary by its own decision: what it took the place of answers all again.
    pub fn roll_back(&self, words: &str) -> Next {
        let mut state = self.without_ramp();
        state.tag += 1;
        state.last = Some(format!("rolled back: {words}"));
        Next { what: What::Rollback, state }
    }

    /// The state as if the canary had never begun: that is what a later rollback means.
    fn without_ramp(&self) -> ModelState {
        let mut state = self.state.clone();
        if let Some(ramp) = state.ramp.take() {
            state.desired.plan = ramp.before;
            state.history.pop();
        }
        state
    }

    /// What answers now stays loaded for a while, so that going back takes no load.
    fn warmed(&self, mut state: ModelState) -> ModelState {
        let until = self.now.saturating_add(WARM.as_millis() as u64);
        let arms = self
            .serving
            .routing
            .iter()
            .flat_map(|routing| (0..routing.live.names.len()).filter_map(|arm| routing.version(arm)));
        for version in arms.chain(&self.serving.default) {
            state.warm.insert(version.number, until);
        }
        state
    }
}
