//! Whether the process can answer, and why not.

use super::Shared;
use crate::engine::device::Status;
use crate::registry::slot::Slot;
use crate::registry::status::State;
use std::sync::{Arc, PoisonError};

/// Whether requests can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    pub ready: bool,
    /// Some version has failed, though others serve, or the GPU is lost.
    pub degraded: bool,
    /// Why it is not ready.
    pub reason: Option<String>,
}

impl Shared {
    pub(super) fn readiness(&self) -> Readiness {
        let catalog = self.catalog.load();
        let tried = *self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let serves = |slot: &Arc<Slot>| slot.serving.load().default.is_some();
        let missing: Vec<&str> =
            self.required.iter().map(String::as_str).filter(|name| !catalog.get(name).is_some_and(serves)).collect();
        let mut expected = catalog.models.values().filter(|slot| !self.explicit || was_asked_for(slot)).peekable();
        let any = expected.peek().is_none() || expected.any(serves);
        let reason = match (tried, missing.is_empty(), any) {
            (false, ..) => Some("models are still loading".to_owned()),
            (_, false, _) => Some(format!("required models do not serve: {}", missing.join(", "))),
            (_, _, false) => Some("no model serves".to_owned()),
            _ => None,
        };
        let degraded = catalog.models.values().any(|slot| slot.status.load().has_problem());
        let degraded = degraded || matches!(self.device.status(), Status::Lost(_));
        Readiness { ready: reason.is_none(), degraded, reason }
    }
}

/// Whether anything of a model is in service, on its way there, or has failed to come.
fn was_asked_for(slot: &Slot) -> bool {
    let came = |state| matches!(state, State::Loading | State::Ready | State::Failed);
    slot.status.load().versions.iter().any(|line| came(line.state))
}
