//! Canaries that stand in `model.toml`: each is begun once, when it is new or changed.
//!
//! A ramp is more than what a file says: it has a step, counts and an end, which are kept in the state.
//! So a canary in `model.toml` is a wish, taken over like one that was written by the API, and what has
//! been taken over is remembered: it does not begin again when it has ended, or when the server starts.

use super::change::{Change, ChangeError, View};
use super::run::{Desk, now};
use crate::registry::{Slot, Who};
use crate::traffic::Plan;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Tells a wish from others.
fn digest(plan: &Plan) -> String {
    format!("{:016x}", xxh3_64(plan.document().to_string().as_bytes()))
}

impl Desk {
    /// Begins the canaries that are wished for and have not been begun.
    pub(super) fn take_wishes(&mut self) {
        // A file of plans says it all.
        if self.is_directed_by_file() {
            return;
        }
        let wishes: Vec<(Arc<Slot>, Arc<Plan>)> = self
            .registry
            .catalog()
            .sorted()
            .into_iter()
            .filter_map(|slot| Some((slot.clone(), slot.status.load().canary.clone()?)))
            .collect();
        self.wishes.retain(|model, _| wishes.iter().any(|(slot, _)| slot.name.as_str() == model));
        for (slot, plan) in wishes {
            let model = slot.name.as_str();
            if self.model(model).adopted.as_deref() == Some(&digest(&plan)) {
                self.wishes.remove(model);
                continue;
            }
            let problem = self.take_wish(&slot, &plan).err();
            let told = problem.as_ref().map(|words| format!("model.toml: traffic.{words}"));
            if told.is_some() && self.wishes.get(model) != told.as_ref() {
                tracing::warn!(model, reason = told, "the canary of model.toml is not begun");
            }
            match told {
                Some(words) => drop(self.wishes.insert(model.to_owned(), words)),
                None => drop(self.wishes.remove(model)),
            }
        }
    }

    fn take_wish(&mut self, slot: &Slot, plan: &Plan) -> Result<(), String> {
        let (model, state) = (slot.name.as_str(), self.model(slot.name.as_str()));
        if state.ramp.is_some() {
            return Err("canary: another one is under way: it begins when that has ended".into());
        }
        if state.desired.plan.as_ref().is_some_and(|plan| !plan.split.is_empty()) {
            return Err("canary: a split was written by the API: end it by a promotion first".into());
        }
        let (serving, status) = (slot.serving.load_full(), slot.status.load_full());
        let view = View { model, serving: &serving, status: &status, state: &state, now: now() };
        match view.apply(&Change::Traffic(plan.document())) {
            Ok(mut next) => {
                next.state.adopted = Some(digest(plan));
                self.unstage(model);
                self.put(model, next, Who::Watcher, None).map_err(|error| error.to_string())
            }
            Err(ChangeError::Load(versions)) => {
                self.stage(model, versions);
                Err("canary: its version is being loaded".into())
            }
            Err(error) => Err(error.to_string()),
        }
    }
}
