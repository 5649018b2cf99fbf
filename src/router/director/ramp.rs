//! Canaries at work: what was counted, what that means, and doing it.

use super::change::{Change, Next, View};
use super::gate::Phase;
use super::run::{Desk, now};
use super::state::{ModelState, Ramp};
use crate::registry::{What, Who};
use crate::traffic::Live;
use crate::traffic::canary::{Counts, Plan, Verdict, When};
use serde_json::{Value, json};
use std::sync::Arc;

/// How often the counts of a step are written down, in milliseconds.
const KEEP_EVERY: u64 = 5000;

/// A ramp of this process.
pub struct Running {
    /// What had been counted when the step began here.
    base: Counts,
    kept: u64,
}

/// A ramp at one moment.
pub struct Moment<'a> {
    pub model: &'a str,
    pub canary: &'a Plan,
    pub ramp: &'a Ramp,
    /// Of this step.
    pub counts: Counts,
    pub now: u64,
}

impl Moment<'_> {
    /// Tells the step from all others.
    pub fn about(&self) -> u64 {
        self.ramp.progress.entered
    }

    fn phase(&self) -> Phase {
        if self.ramp.progress.awaiting { Phase::Waiting } else { Phase::Progressing }
    }
}

/// A model's canary with its plan.
fn canary_of(state: &ModelState) -> Option<(&Ramp, &Plan)> {
    Some((state.ramp.as_ref()?, state.desired.plan.as_ref()?.canary.as_ref()?))
}

impl Running {
    pub(super) fn at(live: Option<&Arc<Live>>) -> Self {
        Self { base: live.map(|live| live.tally.counts()).unwrap_or_default(), kept: now() }
    }
}

impl Desk {
    /// Begins to count for a ramp that was not there before, or is another one.
    pub(super) fn begin_ramp(&mut self, model: &str, before: Option<&Ramp>) {
        let ramp = self.state.models.get(model).and_then(|model| model.ramp.as_ref());
        match ramp {
            None => drop(self.ramps.remove(model)),
            Some(ramp) if before.is_none_or(|before| before.progress.entered != ramp.progress.entered) => {
                let running = Running::at(self.lives.get(model));
                self.ramps.insert(model.to_owned(), running);
            }
            Some(_) => {}
        }
    }

    /// What was counted in the step, over all processes.
    pub(super) fn counted(&self, model: &str, ramp: &Ramp) -> Counts {
        let seen = self.lives.get(model).map(|live| live.tally.counts()).unwrap_or_default();
        let base = self.ramps.get(model).map(|running| running.base).unwrap_or_default();
        ramp.progress.carried.plus(seen.minus(base))
    }

    /// Looks at every ramp and does what is to be done.
    pub(super) fn run_ramps(&mut self) {
        let names: Vec<String> =
            self.state.models.iter().filter(|(_, model)| model.ramp.is_some()).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.run_ramp(&name);
        }
    }

    fn run_ramp(&mut self, model: &str) {
        let state = self.model(model);
        let Some((ramp, canary)) = canary_of(&state) else { return };
        let (counts, now) = (self.counted(model, ramp), now());
        let drift = self.lives.get(model).and_then(|live| live.tally.drift(1));
        let at = Moment { model, canary, ramp, counts, now };
        let recalled = self.recalled(&at, at.phase()).map(Verdict::RollBack);
        match recalled.unwrap_or_else(|| self.permitted(&at, ramp.progress.judge(canary, now, &counts, drift))) {
            Verdict::Hold(words) => self.hold(model, words, now, counts),
            Verdict::Begin(words) => self.go_on(&at, &state, |ramp| ramp.progress.begin(now, words.clone()), &words),
            Verdict::Advance(words) => {
                let advance = |ramp: &mut Ramp| ramp.progress.advance(canary, now, &counts, words.clone());
                self.go_on(&at, &state, advance, &words);
            }
            Verdict::Promote(words) => self.end(model, &words, |view| {
                let mut next = view.apply(&Change::Promote(canary.version.clone())).ok()?;
                next.state.last = Some(format!("promoted: {words}"));
                Some(next)
            }),
            Verdict::RollBack(words) => self.end(model, &words, |view| Some(view.roll_back(&words))),
        }
    }

    /// What webhooks leave of a verdict. The word of a person, by `approve`, stands for theirs.
    fn permitted(&mut self, at: &Moment<'_>, verdict: Verdict) -> Verdict {
        let (when, phase) = match &verdict {
            Verdict::Begin(_) => (When::ConfirmRollout, Phase::Waiting),
            Verdict::Advance(_) => (When::ConfirmTrafficIncrease, Phase::Progressing),
            Verdict::Promote(_) => (When::ConfirmPromotion, Phase::WaitingPromotion),
            Verdict::Hold(_) | Verdict::RollBack(_) => return verdict,
        };
        if at.ramp.progress.approved {
            return verdict;
        }
        self.confirmed(at, when, phase).map_or_else(Verdict::Hold, |()| verdict)
    }

    fn go_on(&mut self, at: &Moment<'_>, state: &ModelState, step: impl FnOnce(&mut Ramp), words: &str) {
        let mut next = state.clone();
        if let Some(ramp) = &mut next.ramp {
            step(ramp);
        }
        next.tag += 1;
        self.finish(at.model, Next { what: What::Canary, state: next }, words.to_owned());
    }

    /// Tells webhooks of a change that is in force: a ramp that has begun, gone on, or ended.
    pub(super) fn tell_webhooks(&mut self, model: &str, states: [&ModelState; 2], what: What, counts: Counts) {
        let [before, after] = states.map(canary_of);
        let now = now();
        match (before, after) {
            (Some((was, _)), Some((is, _))) if was.progress.entered == is.progress.entered => {}
            (_, Some((ramp, canary))) => {
                let at = Moment { model, canary, ramp, counts: Counts::default(), now };
                self.announce(&at, at.phase(), &ramp.progress.words);
            }
            (Some((ramp, canary)), None) => {
                let promoted = what == What::Promote;
                let phase = if promoted { Phase::Succeeded } else { Phase::Failed };
                let words = states[1].last.as_deref().filter(|words| states[0].last.as_deref() != Some(*words));
                let words = words.unwrap_or(if promoted { "promoted by request" } else { "ended by request" });
                self.announce(&Moment { model, canary, ramp, counts, now }, phase, words);
            }
            (None, None) => {}
        }
    }

    /// Nothing to do: what was counted is written down now and then, so that a restart goes on here.
    fn hold(&mut self, model: &str, words: String, now: u64, counts: Counts) {
        let Some(ramp) = self.state.models.get_mut(model).and_then(|state| state.ramp.as_mut()) else { return };
        if ramp.progress.words != words {
            tracing::info!(model, step = ramp.progress.step + 1, words, "the canary holds");
            (ramp.progress.words, ramp.progress.checked) = (words, now);
        }
        let Some(running) = self.ramps.get_mut(model) else { return };
        if now.saturating_sub(running.kept) >= KEEP_EVERY && ramp.progress.carried != counts {
            running.kept = now;
            self.keep_counts();
        }
    }

    /// Writes down what was counted, as what a next process starts with.
    pub(super) fn keep_counts(&mut self) {
        let names: Vec<String> = self.ramps.keys().cloned().collect();
        for name in &names {
            let Some(ramp) = self.state.models.get(name).and_then(|model| model.ramp.clone()) else { continue };
            let counts = self.counted(name, &ramp);
            let running = Running::at(self.lives.get(name));
            self.ramps.insert(name.clone(), running);
            if let Some(ramp) = self.state.models.get_mut(name).and_then(|model| model.ramp.as_mut()) {
                ramp.progress.carried = counts;
            }
        }
        if !names.is_empty() {
            self.keep();
        }
    }

    fn end(&mut self, model: &str, words: &str, next: impl FnOnce(&View<'_>) -> Option<Next>) {
        let Ok(slot) = self.slot(model) else { return };
        let (serving, status, state) = (slot.serving.load_full(), slot.status.load_full(), self.model(model));
        let view = View { model, serving: &serving, status: &status, state: &state, now: now() };
        // A version that is not ready to be promoted is waited for.
        if let Some(next) = next(&view) {
            self.finish(model, next, words.to_owned());
        }
    }

    fn finish(&mut self, model: &str, next: Next, words: String) {
        if let Err(error) = self.put(model, next, Who::Canary, Some(words)) {
            tracing::error!(model, %error, "the canary's decision could not be carried out");
        }
    }

    /// How a canary stands.
    pub(super) fn shown_ramp(&self, model: &str) -> Value {
        let state = self.model(model);
        let Some((ramp, canary)) = canary_of(&state) else { return Value::Null };
        let counts = self.counted(model, ramp);
        let webhooks = self.shown_webhooks(&Moment { model, canary, ramp, counts, now: now() });
        let drift = self.lives.get(model).and_then(|live| live.tally.drift(1));
        let progress = &ramp.progress;
        json!({
            "version": canary.version,
            "control": ramp.control,
            "step": progress.step + 1,
            "steps": canary.steps.len(),
            "weight": progress.weight(canary),
            "seconds": now().saturating_sub(progress.entered) as f64 / 1000.0,
            "requests": {"control": counts.requests[0], "canary": counts.requests[1]},
            "errors": {"control": counts.events[0][0], "canary": counts.events[0][1]},
            "slow": {"control": counts.events[1][0], "canary": counts.events[1][1]},
            "nan": {"control": counts.events[2][0], "canary": counts.events[2][1]},
            "e_values": (0..3).map(|guard| progress.log_evidence(canary, guard, &counts).min(700.0).exp()).collect::<Vec<_>>(),
            "slow_over_ms": progress.slow_over.map(|nanos| nanos as f64 / 1e6),
            "drift": drift,
            "paused": progress.paused,
            "approved": progress.approved,
            "webhooks": webhooks,
            "words": progress.words,
        })
    }
}
