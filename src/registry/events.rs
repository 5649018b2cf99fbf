//! What happened to the models, in order: loads, failures, swaps, unloads.

use super::version::Version;
use crate::text;
use serde::Serialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Events that are kept; the oldest go first.
const MOST: usize = 1000;
/// Letters of a reason that are kept: a list of long ones would hold memory for nothing.
const LONGEST_REASON: usize = 600;

/// Whose doing an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The files changed.
    Watcher,
    /// Someone asked for it.
    Api,
    /// The file of plans changed.
    File,
    /// A canary's own decision.
    Canary,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A version came into service, perhaps in place of an earlier generation of it.
    Load,
    /// A version could not be loaded.
    Failure,
    /// Requests that name no version are answered by another one.
    Swap,
    /// A version left service.
    Unload,
    /// An alias was moved or removed.
    Alias,
    /// A traffic plan was written.
    Traffic,
    Promote,
    Rollback,
    /// A canary went on, was held, promoted or rolled back.
    Canary,
}

/// A version at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    pub version: String,
    pub generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Moment {
    pub(super) fn of(version: &Version) -> Self {
        Self { version: version.name.to_string(), generation: version.generation, reason: None }
    }

    pub(super) fn failed(version: impl ToString, generation: u64, reason: &str) -> Self {
        Self { version: version.to_string(), generation, reason: Some(text::shorten(reason, LONGEST_REASON)) }
    }
}

/// One side of a change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Side {
    Version(Moment),
    /// Aliases and plan of a model.
    Traffic(Value),
}

impl From<Moment> for Side {
    fn from(moment: Moment) -> Self {
        Self::Version(moment)
    }
}

impl Side {
    fn version(&self) -> Option<&str> {
        match self {
            Self::Version(moment) => Some(&moment.version),
            Self::Traffic(_) => None,
        }
    }
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    pub time: String,
    pub who: Who,
    pub what: What,
    pub model: String,
    pub before: Option<Side>,
    pub after: Option<Side>,
    /// The numbers behind it, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Event {
    pub fn now(who: Who, what: What, model: impl ToString, before: Option<Side>, after: Option<Side>) -> Self {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        Self { time, who, what, model: model.to_string(), before, after, note: None }
    }
}

/// The list. Lines are added and never changed.
#[derive(Default)]
pub(super) struct Events(Mutex<VecDeque<Event>>);

impl Events {
    pub fn add(&self, who: Who, what: What, model: impl ToString, before: Option<Moment>, after: Option<Moment>) {
        self.put(Event::now(who, what, model, before.map(Side::from), after.map(Side::from)));
    }

    pub fn put(&self, event: Event) {
        let mut list = self.lock();
        if is_known_failure(&list, &event) {
            return;
        }
        if list.len() == MOST {
            list.pop_front();
        }
        list.push_back(event);
    }

    /// All that is kept, the oldest first.
    pub fn list(&self) -> Vec<Event> {
        self.lock().iter().cloned().collect()
    }

    /// No code panics while it holds the list, so a poisoned lock holds a whole one.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that cannot be read is tried every few seconds; the same failure over and over would push
/// everything else out of the list.
fn is_known_failure(list: &VecDeque<Event>, event: &Event) -> bool {
    let version = |event: &Event| event.after.as_ref().or(event.before.as_ref())?.version().map(str::to_owned);
    let last = list.iter().rev().find(|other| other.model == event.model && version(other) == version(event));
    event.what == What::Failure && last.is_some_and(|last| last.what == What::Failure && last.after == event.after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded_and_in_order() {
        let events = Events::default();
        for number in 0..MOST + 10 {
            events.add(Who::Api, What::Failure, "m", None, Some(Moment::failed(number, 1, "bad")));
        }
        let list = events.list();
        assert_eq!(list.len(), MOST);
        assert_eq!(list[0].after.as_ref().and_then(Side::version), Some("10"));
    }

    #[test]
    fn a_failure_tried_again_is_told_once() {
        let events = Events::default();
        let fail = |version: u64, reason| {
            events.add(Who::Watcher, What::Failure, "m", None, Some(Moment::failed(version, 1, reason)));
        };
        fail(1, "bad");
        fail(2, "bad");
        fail(1, "bad");
        assert_eq!(events.list().len(), 2);
        fail(1, "worse");
        fail(1, "bad");
        assert_eq!(events.list().len(), 4);
    }
}
