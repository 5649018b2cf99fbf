//! Counts of experiments and shadows over restarts.
//!
//! They are written to a file of their own now and then, and at a stop; what a plan has counted is
//! taken up by the same experiment of the next process. A canary's counts of its step do not depend
//! on it: they are kept with the plan.

use super::run::{Desk, now};
use super::store::Store;
use crate::traffic::{Live, Record};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const FORMAT: &str = "tidegate.experiments/1";
/// How often they are written, in milliseconds.
const EVERY: u64 = 10_000;
/// What nobody has taken up for so long is let go, in milliseconds: a model that is gone, say.
const LONGEST: u64 = 7 * 24 * 3_600_000;

#[derive(Serialize, Deserialize)]
struct File {
    format: String,
    models: BTreeMap<String, Kept>,
}

/// The counts of one model and when they were written.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    at: u64,
    counts: Value,
}

/// What earlier processes have counted, and when this one has written.
#[derive(Default)]
pub struct Past {
    models: BTreeMap<String, Kept>,
    written: u64,
    /// What each plan had counted then.
    seen: BTreeMap<String, u64>,
    /// The file could be neither read nor set aside: nothing is written over it.
    closed: bool,
}

impl Past {
    /// Reads the file. One that makes no sense is set aside and told of: counts are not worth a
    /// server that does not start.
    pub fn read(store: &Store) -> Self {
        let read = |text: String| {
            let file: File = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            if file.format == FORMAT { Ok(file.models) } else { Err(format!("format: expected \"{FORMAT}\"")) }
        };
        let past = |models| Self { models, written: now(), ..Self::default() };
        match store.read_counts().map(|text| text.map(read)) {
            Ok(None) => past(BTreeMap::new()),
            Ok(Some(Ok(mut models))) => {
                models.retain(|_, kept| now().saturating_sub(kept.at) < LONGEST);
                past(models)
            }
            Ok(Some(Err(reason))) | Err(reason) => {
                let aside = store.set_counts_aside();
                tracing::error!(reason, ?aside, "the counts of experiments cannot be read, and begin anew");
                Self { closed: aside.is_err(), ..past(BTreeMap::new()) }
            }
        }
    }

    /// Has a plan go on with what was counted of it before, once.
    pub fn hand(&mut self, model: &str, live: &Live) {
        let Some(kept) = self.models.remove(model) else { return };
        match serde_json::from_value::<Record>(kept.counts) {
            Ok(record) => live.recall(&record),
            Err(error) => tracing::warn!(model, %error, "the counts of its experiment cannot be read"),
        }
    }
}

impl Desk {
    /// Plans of `model.toml` come into force when their model is loaded: that is when they go on.
    pub(super) fn recall(&mut self) {
        if self.past.models.is_empty() {
            return;
        }
        for (name, live) in self.plans() {
            self.past.hand(&name, &live);
        }
    }

    /// The plans in force by model: those that were written, also where their model is not loaded yet,
    /// and those of `model.toml`.
    fn plans(&self) -> BTreeMap<String, Arc<Live>> {
        let mut plans = self.lives.clone();
        for slot in self.registry.catalog().sorted() {
            if let Some(routing) = slot.serving.load().routing.clone() {
                plans.entry(slot.name.to_string()).or_insert_with(|| routing.live.clone());
            }
        }
        plans
    }

    /// Writes the counts, if it is time and there are new ones.
    pub(super) fn write_counts_when_due(&mut self) {
        if now().saturating_sub(self.past.written) >= EVERY {
            self.write_counts();
        }
    }

    pub(super) fn write_counts(&mut self) {
        self.past.written = now();
        let plans = self.plans();
        let seen = plans.iter().map(|(name, live)| (name.clone(), live.seen())).collect();
        if self.past.closed || seen == self.past.seen {
            return;
        }
        let mut models = self.past.models.clone();
        for (name, live) in plans {
            let counts = serde_json::to_value(live.write_down()).unwrap_or_default();
            models.insert(name, Kept { at: now(), counts });
        }
        let text = serde_json::to_string(&File { format: FORMAT.to_owned(), models });
        match text.map_err(|error| error.to_string()).and_then(|text| self.store.write_counts(&text)) {
            Ok(()) => self.past.seen = seen,
            Err(reason) => tracing::error!(reason, "the counts of experiments cannot be written"),
        }
    }
}
