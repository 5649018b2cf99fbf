//! The compute threads of the process, shared by all lanes in turn.
//!
//! A lane with work stands in line once per worker it wants; a worker runs one batch of it and
//! sends it to the back of the line if more is waiting. So a hot model never starves a cold one,
//! and the number of threads does not grow with the number of models.

use super::{Budget, Lane, Limits};
use crate::sync::priority;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a stop waits for the batches in hand.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Owns the threads; stops them when dropped.
pub struct Pool {
    line: Arc<Line>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The line the lanes stand in.
pub(super) struct Line {
    pub budget: Arc<Budget>,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Arc<Lane>>,
    timed: BinaryHeap<Reverse<Timed>>,
    stopped: bool,
}

/// A lane to be looked at again at a point in time.
struct Timed(Instant, Arc<Lane>);

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// What a worker does with a lane after a turn.
pub(super) enum Next {
    /// More is waiting.
    Again,
    /// Look again then.
    At(Instant),
    /// Nothing is waiting.
    Rest,
}

impl Pool {
    /// Starts `threads` workers, with the default limits for the process.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        Self::with_limits(threads, Limits::default())
    }

    /// Starts `threads` workers for lanes that share `limits`.
    pub fn with_limits(threads: usize, limits: Limits) -> std::io::Result<Self> {
        let budget = Arc::new(Budget::new(limits));
        let line = Arc::new(Line { budget, state: Mutex::default(), wake: Condvar::default() });
        let pool = Self { line: line.clone(), threads: Mutex::default() };
        for number in 0..threads.max(1) {
            let line = line.clone();
            let thread = std::thread::Builder::new().name(format!("compute-{number}")).spawn(move || line.work())?;
            pool.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(pool)
    }

    /// What waits in the whole process.
    pub fn budget(&self) -> &Budget {
        &self.line.budget
    }

    pub(super) fn line(&self) -> Arc<Line> {
        self.line.clone()
    }

    /// Ends the threads after the batch in hand, or leaves them to it where that takes too long.
    /// What still waits is answered with [`super::BatchError::Stopped`].
    pub fn stop(&self) {
        let left = self.line.stop();
        left.iter().for_each(|lane| lane.give_up());
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let patience = Instant::now() + STOP_TIME;
        while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        threads.into_iter().filter(JoinHandle::is_finished).for_each(|thread| drop(thread.join()));
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Line {
    /// Puts a lane at the end of the line; `false` where the pool has stopped.
    pub fn push(&self, lane: Arc<Lane>) -> bool {
        let mut state = self.lock();
        if state.stopped {
            return false;
        }
        state.ready.push_back(lane);
        drop(state);
        self.wake.notify_one();
        true
    }

    fn push_at(&self, at: Instant, lane: Arc<Lane>) -> bool {
        let mut state = self.lock();
        if state.stopped {
            return false;
        }
        state.timed.push(Reverse(Timed(at, lane)));
        drop(state);
        self.wake.notify_one();
        true
    }

    fn work(&self) {
        priority::lower_this_thread(priority::COMPUTE);
        while let Some(lane) = self.next() {
            let turn = catch_unwind(AssertUnwindSafe(|| lane.turn()));
            let goes_on = match turn {
                Ok(Next::Again) => self.push(lane.clone()),
                Ok(Next::At(at)) => self.push_at(at, lane.clone()),
                Ok(Next::Rest) => true,
                Err(_) => !lane.turn_panicked() || self.push(lane.clone()),
            };
            if !goes_on {
                lane.give_up();
            }
        }
    }

    fn next(&self) -> Option<Arc<Lane>> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            let now = Instant::now();
            while state.timed.peek().is_some_and(|Reverse(timed)| timed.0 <= now) {
                if let Some(Reverse(Timed(at, lane))) = state.timed.pop() {
                    lane.unpark(at);
                    state.ready.push_back(lane);
                }
            }
            if let Some(lane) = state.ready.pop_front() {
                return Some(lane);
            }
            state = match state.timed.peek().map(|Reverse(timed)| timed.0) {
                Some(at) => self.wake.wait_timeout(state, at - now).unwrap_or_else(PoisonError::into_inner).0,
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn stop(&self) -> Vec<Arc<Lane>> {
        let mut state = self.lock();
        state.stopped = true;
        let ready = std::mem::take(&mut state.ready).into_iter();
        let timed = std::mem::take(&mut state.timed).into_iter().map(|Reverse(timed)| timed.1);
        let left = ready.chain(timed).collect();
        drop(state);
        self.wake.notify_all();
        left
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
