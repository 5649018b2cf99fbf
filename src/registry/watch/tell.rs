//! What the registry's thread writes into the list of events.

use crate::registry::events::{Events, Moment, What, Who};
use crate::registry::load::Order;
use crate::registry::slot::{Serving, Slot};
use crate::registry::version::Version;
use std::sync::Arc;

/// An order that has ended, and whose doing it was.
pub(super) struct Told<'a> {
    pub events: &'a Events,
    pub who: Who,
    pub order: &'a Order,
}

impl Told<'_> {
    pub fn loaded(&self, before: Option<Moment>, version: &Version) {
        self.events.add(self.who, What::Load, &self.order.model, before, Some(Moment::of(version)));
    }

    pub fn failed(&self, before: Option<Moment>, reason: &str) {
        let after = Moment::failed(self.order.found.number, self.order.generation, reason);
        self.events.add(self.who, What::Failure, &self.order.model, before, Some(after));
    }
}

/// Tells whether another version answers unqualified requests from now on.
pub(super) fn swapped(events: &Events, who: Who, slot: &Slot, serving: &Serving) {
    let moment = |version: &Arc<Version>| Moment::of(version);
    let (before, after) = (slot.serving.load().default.as_ref().map(moment), serving.default.as_ref().map(moment));
    if before.is_some() && after.is_some() && before != after {
        events.add(who, What::Swap, &slot.name, before, after);
    }
}

pub(super) fn unloaded(events: &Events, who: Who, left: &[Arc<Version>]) {
    for version in left {
        events.add(who, What::Unload, &version.model, Some(Moment::of(version)), None);
    }
}
