//! Running an engine so that its failures stay with the request that caused them.

use super::BatchError;
use crate::engine::{Extras, Prepared, RunError, Session};
use crate::tensor::Tensor;
use crossbeam::queue::ArrayQueue;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Why a run gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Input(String),
    Engine(String),
    Panicked,
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Input(words) => Self::Input(words),
            RunError::Engine(words) => Self::Engine(words),
        }
    }
}

impl From<Failure> for BatchError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Input(words) => Self::Input(words),
            Failure::Engine(words) => Self::Engine(words),
            Failure::Panicked => Self::Panicked,
        }
    }
}

/// Sessions at rest. Made ahead at load; one more is made when all are in use.
pub(super) struct Sessions {
    model: Arc<dyn Prepared>,
    idle: ArrayQueue<Box<dyn Session>>,
}

impl Sessions {
    pub fn new(model: Arc<dyn Prepared>, ahead: usize) -> Result<Self, RunError> {
        let sessions = Self { idle: ArrayQueue::new(ahead.max(1)), model };
        for _ in 0..ahead {
            sessions.rest(sessions.model.session()?);
        }
        Ok(sessions)
    }

    /// Runs one batch on any session.
    pub fn run(&self, inputs: &[Tensor], extras: Extras) -> Result<Vec<Tensor>, Failure> {
        self.with(|session| session.run_asked(inputs, extras))
    }

    /// Runs the rows of several requests as one batch.
    pub fn run_parts(&self, parts: &[&[Tensor]], extras: Extras) -> Result<Vec<Tensor>, Failure> {
        self.with(|session| session.run_parts(parts, extras))
    }

    /// Runs one batch on the calling thread, which must not wait for a device.
    pub fn run_here(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Failure> {
        self.with(|session| session.run_here(inputs, Extras::NONE))
    }

    /// A panicked session is thrown away.
    fn with(
        &self,
        run: impl FnOnce(&mut dyn Session) -> Result<Vec<Tensor>, RunError>,
    ) -> Result<Vec<Tensor>, Failure> {
        let mut session = match self.idle.pop() {
            Some(session) => session,
            None => self.model.session()?,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| run(session.as_mut())));
        match outcome {
            Ok(result) => {
                self.rest(session);
                Ok(result?)
            }
            Err(panic) => {
                // Its state is unknown, and so is its destructor's mood.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(session)));
                tracing::error!(panic = panic_words(panic.as_ref()), "an engine panicked; contained");
                Err(Failure::Panicked)
            }
        }
    }

    fn rest(&self, session: Box<dyn Session>) {
        // Full means more are at rest than threads that run them: the surplus goes.
        let _ = self.idle.push(session);
    }
}

fn panic_words(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
