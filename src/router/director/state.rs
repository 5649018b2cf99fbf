//! What is wanted of each model, and how it is kept in a file.

use crate::registry::VersionNumber;
use crate::traffic::canary::Progress;
use crate::traffic::{Fault, Plan};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Changes that can be taken back.
const MOST_HISTORY: usize = 20;
/// The form of the file.
const FORMAT: &str = "tidegate.traffic/1";

/// Aliases and plan of a model: what a change changes and a rollback restores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// Aliases that differ from `model.toml`; `None` for one that was removed.
    pub aliases: BTreeMap<String, Option<VersionNumber>>,
    /// `None` leaves it to `model.toml`.
    pub plan: Option<Arc<Plan>>,
}

/// A ramp that goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Ramp {
    pub progress: Progress,
    /// What answered when it began, by the name that it is called.
    pub control: String,
    /// The plan to go back to.
    pub before: Option<Arc<Plan>>,
}

/// All that is known of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelState {
    pub desired: Desired,
    pub ramp: Option<Ramp>,
    /// Counts the changes: what a caller has seen, for the next one not to be written over it.
    pub tag: u64,
    /// Earlier states, the last one at the end.
    pub history: Vec<Desired>,
    /// Versions to keep loaded, each until a time in milliseconds since 1970.
    pub warm: BTreeMap<VersionNumber, u64>,
    /// How the last ramp ended.
    pub last: Option<String>,
    /// The canary of `model.toml` that was begun last.
    pub adopted: Option<String>,
}

impl ModelState {
    /// The next state, with this one in its history.
    pub fn next(&self, desired: Desired, ramp: Option<Ramp>) -> Self {
        let mut history = self.history.clone();
        history.push(self.desired.clone());
        let surplus = history.len().saturating_sub(MOST_HISTORY);
        history.drain(..surplus);
        Self { desired, ramp, tag: self.tag + 1, history, ..self.clone() }
    }
}

impl Desired {
    /// As the audit log shows it.
    pub fn document(&self) -> Value {
        let aliases: BTreeMap<_, _> =
            self.aliases.iter().map(|(alias, to)| (alias, to.map(|number| number.to_string()))).collect();
        json!({"aliases": aliases, "traffic": self.plan.as_ref().map(|plan| plan.document())})
    }
}

/// All models by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub models: BTreeMap<String, ModelState>,
}

#[derive(Serialize, Deserialize)]
struct File {
    format: String,
    models: BTreeMap<String, StoredModel>,
}

#[derive(Serialize, Deserialize)]
struct StoredModel {
    desired: StoredDesired,
    #[serde(default)]
    ramp: Option<StoredRamp>,
    tag: u64,
    #[serde(default)]
    history: Vec<StoredDesired>,
    #[serde(default)]
    warm: BTreeMap<u64, u64>,
    #[serde(default)]
    last: Option<String>,
    #[serde(default)]
    adopted: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredDesired {
    #[serde(default)]
    aliases: BTreeMap<String, Option<u64>>,
    traffic: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct StoredRamp {
    progress: Progress,
    control: String,
    before: Option<Value>,
}

impl State {
    pub fn to_text(&self) -> Result<String, String> {
        let models = self.models.iter().map(|(name, model)| (name.clone(), StoredModel::of(model))).collect();
        let file = File { format: FORMAT.to_owned(), models };
        serde_json::to_string_pretty(&file).map_err(|error| error.to_string())
    }

    /// Reads the text of a state file; the error says what is wrong with it.
    pub fn of_text(text: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if file.format != FORMAT {
            return Err(format!("format: expected \"{FORMAT}\", got \"{}\"", crate::text::shorten(&file.format, 40)));
        }
        let model = |(name, stored): (String, StoredModel)| {
            let state = stored.read().map_err(|fault| format!("models.{name}: {fault}"))?;
            Ok((name, state))
        };
        Ok(Self { models: file.models.into_iter().map(model).collect::<Result<_, String>>()? })
    }
}

fn stored_plan(plan: Option<&Arc<Plan>>) -> Option<Value> {
    plan.map(|plan| plan.document())
}

/// A plan that was written by us names its control itself.
fn read_plan(document: Option<Value>) -> Result<Option<Arc<Plan>>, Fault> {
    document.map(|document| Plan::read(&document, |_| false).map(Arc::new)).transpose()
}

impl StoredModel {
    fn of(model: &ModelState) -> Self {
        let ramp = model.ramp.as_ref().map(|ramp| StoredRamp {
            progress: ramp.progress.clone(),
            control: ramp.control.clone(),
            before: stored_plan(ramp.before.as_ref()),
        });
        Self {
            desired: StoredDesired::of(&model.desired),
            ramp,
            tag: model.tag,
            history: model.history.iter().map(StoredDesired::of).collect(),
            warm: model.warm.iter().map(|(version, until)| (version.0, *until)).collect(),
            last: model.last.clone(),
            adopted: model.adopted.clone(),
        }
    }

    fn read(self) -> Result<ModelState, Fault> {
        let ramp = self
            .ramp
            .map(|ramp| Ok(Ramp { progress: ramp.progress, control: ramp.control, before: read_plan(ramp.before)? }));
        Ok(ModelState {
            desired: self.desired.read()?,
            ramp: ramp.transpose()?,
            tag: self.tag,
            history: self.history.into_iter().map(StoredDesired::read).collect::<Result<_, _>>()?,
            warm: self.warm.into_iter().map(|(version, until)| (VersionNumber(version), until)).collect(),
            last: self.last,
            adopted: self.adopted,
        })
    }
}

impl StoredDesired {
    fn of(desired: &Desired) -> Self {
        Self {
            aliases: desired.aliases.iter().map(|(alias, to)| (alias.clone(), to.map(|number| number.0))).collect(),
            traffic: stored_plan(desired.plan.as_ref()),
        }
    }

    fn read(self) -> Result<Desired, Fault> {
        Ok(Desired {
            aliases: self.aliases.into_iter().map(|(alias, to)| (alias, to.map(VersionNumber))).collect(),
            plan: read_plan(self.traffic)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let plan = |document: Value| Some(Arc::new(Plan::read(&document, |_| false).expect("a good plan")));
        // A number that a reader of lesser care takes for its neighbour.
        let progress = Progress { evidence: [1.0328351306668804, 0.0, -1e-300], ..Progress::new(5, Some(7)) };
        let ramp = Ramp { progress, control: "champion".into(), before: None };
        let first = ModelState {
            desired: Desired {
                aliases: [("champion".to_owned(), Some(VersionNumber(1))), ("old".to_owned(), None)].into(),
                plan: plan(json!({"canary": {"version": "2"}})),
            },
            ..ModelState::default()
        };
        let model = first.next(first.desired.clone(), Some(ramp));
        State { models: [("churn".to_owned(), model)].into() }
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let state = state();
        assert_eq!(State::of_text(&state.to_text().expect("text")), Ok(state));
    }

    #[test]
    fn what_is_no_state_says_why() {
        for (text, words) in [
            ("", "EOF"),
            ("{\"format\": \"other\", \"models\": {}}", "format: expected"),
            (&state().to_text().expect("text").replace("\"2\"", "\"\""), "models.churn: canary.version"),
        ] {
            assert!(State::of_text(text).expect_err("no state").contains(words), "{text}");
        }
    }

    #[test]
    fn the_history_is_bounded() {
        let mut model = ModelState::default();
        for _ in 0..50 {
            model = model.next(Desired::default(), None);
        }
        assert_eq!((model.history.len(), model.tag), (MOST_HISTORY, 50));
    }
}
