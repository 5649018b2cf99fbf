//! The phases of a process's life, as one number that every floor may read.

use std::sync::atomic::{AtomicU8, Ordering};

/// Where the process stands. Phases only move forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Bound, loading, not yet told to serve.
    Starting = 0,
    Serving = 1,
    /// Asked to stop: not ready any more, still answering.
    Draining = 2,
    /// No new connections; what is open is being finished.
    Stopping = 3,
}

/// The current phase.
#[derive(Debug, Default)]
pub struct Lifecycle(AtomicU8);

impl Lifecycle {
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            2 => Phase::Draining,
            _ => Phase::Stopping,
        }
    }

    /// Moves on; an earlier phase is ignored.
    pub fn enter(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Whether clients should take their next request elsewhere.
    pub fn is_leaving(&self) -> bool {
        self.phase() >= Phase::Draining
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_only_move_forward() {
        let life = Lifecycle::default();
        life.enter(Phase::Draining);
        life.enter(Phase::Serving);
        assert_eq!(life.phase(), Phase::Draining);
        assert!(life.is_leaving());
    }
}
