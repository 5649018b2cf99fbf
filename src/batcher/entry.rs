//! The one cell a caller and a worker share: a request on its way in, its answer on the way out.
//!
//! Whoever moves an entry out of `Waiting` owns its inputs and gives its place in the queue back:
//! the worker that takes it, or the caller who leaves. So the queue's counts are exact at any time.

use super::{BatchError, Lane};
use crate::engine::{Asked, Extras};
use crate::sync::primitive::{AtomicUsize, Condvar, Mutex, MutexGuard};
use crate::tensor::Tensor;
use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Where a request's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From admission to the start of its batch.
    pub queue: Duration,
    /// The engine's time for the whole batch.
    pub compute: Duration,
}

/// A place in line: 1 is the highest priority, and who names none stands behind all who do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u64);

impl Default for Rank {
    fn default() -> Self {
        Self(u64::MAX)
    }
}

impl Rank {
    /// 0 names no priority.
    pub fn new(priority: u64) -> Self {
        if priority == 0 { Self::default() } else { Self(priority) }
    }
}

/// A request's own rows of its batch's outputs, in the signature's order, and of the extras that it
/// asked for.
#[derive(Clone, Debug)]
pub struct Answer {
    pub outputs: Vec<Tensor>,
    pub timing: Timing,
}

/// One admitted request.
pub(super) struct Entry {
    pub rows: usize,
    pub bytes: usize,
    /// Rows that waited before it when it was admitted.
    pub ahead: AtomicUsize,
    pub extras: Extras,
    pub rank: Rank,
    pub key: u64,
    pub arrived: Instant,
    pub deadline: Instant,
    cell: Mutex<Cell>,
    done: Condvar,
}

struct Cell {
    stage: Stage,
    waker: Option<Waker>,
}

enum Stage {
    Waiting(Vec<Tensor>),
    Running,
    Done(Box<Result<Answer, BatchError>>),
    /// The caller has left, or has its answer.
    Gone,
}

/// What a caller left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It was still waiting: its place is to be given back.
    Waiting,
    /// It is being computed in vain.
    Running,
    /// Its answer was there.
    Done,
}

impl Entry {
    pub fn new(asked: Asked, rows: usize, rank: Rank, key: u64, arrived: Instant, deadline: Instant) -> Arc<Self> {
        let Asked { inputs, extras } = asked;
        let bytes = inputs.iter().map(Tensor::bytes).sum();
        let cell = Mutex::new(Cell { stage: Stage::Waiting(inputs), waker: None });
        let (ahead, done) = (AtomicUsize::new(0), Condvar::new());
        Arc::new(Self { rows, bytes, ahead, extras, rank, key, arrived, deadline, cell, done })
    }

    pub fn is_waiting(&self) -> bool {
        matches!(self.lock().stage, Stage::Waiting(_))
    }

    /// Whether an answer would still be of use to somebody.
    pub fn is_wanted(&self, now: Instant) -> bool {
        self.deadline > now && !matches!(self.lock().stage, Stage::Gone)
    }

    /// The inputs, for the worker that computes them; `None` where the caller has left.
    pub fn take(&self) -> Option<Vec<Tensor>> {
        let mut cell = self.lock();
        match std::mem::replace(&mut cell.stage, Stage::Running) {
            Stage::Waiting(inputs) => Some(inputs),
            other => {
                cell.stage = other;
                None
            }
        }
    }

    /// Hands the answer over; `false` where nobody waits for it any more.
    pub fn finish(&self, result: Result<Answer, BatchError>) -> bool {
        let mut cell = self.lock();
        if matches!(cell.stage, Stage::Gone) {
            return false;
        }
        cell.stage = Stage::Done(Box::new(result));
        let waker = cell.waker.take();
        // The woken may want the cell at once.
        drop(cell);
        if let Some(waker) = waker {
            waker.wake();
        }
        self.done.notify_one();
        true
    }

    fn leave(&self) -> Left {
        let mut cell = self.lock();
        match std::mem::replace(&mut cell.stage, Stage::Gone) {
            Stage::Waiting(_) => Left::Waiting,
            Stage::Running => Left::Running,
            Stage::Done(_) | Stage::Gone => Left::Done,
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Result<Answer, BatchError>> {
        let mut cell = self.lock();
        match std::mem::replace(&mut cell.stage, Stage::Gone) {
            Stage::Done(result) => Poll::Ready(*result),
            other => {
                cell.stage = other;
                cell.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn wait_until(&self, deadline: Instant) -> Option<Result<Answer, BatchError>> {
        let mut cell = self.lock();
        loop {
            match std::mem::replace(&mut cell.stage, Stage::Gone) {
                Stage::Done(result) => return Some(*result),
                other => cell.stage = other,
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            cell = self.done.wait_timeout(cell, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// No code panics while it holds the cell, so a poisoned lock holds a whole value.
    fn lock(&self) -> MutexGuard<'_, Cell> {
        self.cell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller's claim on an answer. Dropping it withdraws the request.
#[must_use = "dropping a ticket withdraws its request"]
pub struct Ticket {
    entry: Arc<Entry>,
    lane: Arc<Lane>,
}

impl Ticket {
    pub(super) fn new(entry: Arc<Entry>, lane: Arc<Lane>) -> Self {
        Self { entry, lane }
    }

    /// Waits for the answer or the deadline, whichever comes first. Needs a tokio timer.
    pub async fn answer(self) -> Result<Answer, BatchError> {
        let deadline = tokio::time::Instant::from_std(self.entry.deadline);
        match tokio::time::timeout_at(deadline, poll_fn(|context| self.entry.poll(context))).await {
            Ok(result) => result,
            Err(_) => Err(self.expire()),
        }
    }

    /// The same on a plain thread.
    pub fn wait(self) -> Result<Answer, BatchError> {
        self.entry.wait_until(self.entry.deadline).unwrap_or_else(|| Err(self.expire()))
    }

    fn expire(&self) -> BatchError {
        if let Left::Waiting = self.entry.leave() {
            self.lane.give_back(&self.entry);
            self.lane.stats().expired.add(1);
        }
        BatchError::Deadline(self.entry.deadline - self.entry.arrived)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Left::Waiting = self.entry.leave() {
            self.lane.give_back(&self.entry);
            self.lane.stats().cancelled.add(1);
        }
    }
}

#[cfg(all(test, tidegate_loom))]
mod loom_model {
    use super::*;
    use loom::thread::{self, JoinHandle};

    fn entry() -> Arc<Entry> {
        let now = Instant::now();
        Entry::new(Asked::default(), 1, Rank::default(), 0, now, now + Duration::from_secs(3600))
    }

    /// A worker's part: whether it got the request and, if so, whether its answer was wanted.
    fn worker(entry: &Arc<Entry>) -> JoinHandle<Option<bool>> {
        let entry = entry.clone();
        thread::spawn(move || entry.take().map(|_| entry.finish(Err(BatchError::Panicked))))
    }

    #[test]
    fn a_caller_who_leaves_and_a_worker_agree_on_who_owns_the_request() {
        loom::model(|| {
            let entry = entry();
            let worker = worker(&entry);
            let polled = entry.poll(&mut Context::from_waker(Waker::noop())).is_ready();
            let left = entry.leave();
            let finished = worker.join().expect("no panic");
            // Who has the request gives its place back, and an answer goes to a caller or is told to be in vain.
            let agreed = match left {
                Left::Waiting => finished.is_none(),
                Left::Running => finished == Some(false),
                Left::Done => finished == Some(true),
            };
            assert!(agreed && (!polled || left == Left::Done), "{polled} {left:?} {finished:?}");
        });
    }

    #[test]
    fn two_workers_do_not_both_get_a_request() {
        loom::model(|| {
            let entry = entry();
            let other = worker(&entry);
            let mine = entry.take().is_some();
            assert_ne!(mine, other.join().expect("no panic").is_some());
        });
    }

    #[test]
    fn a_task_that_waits_is_woken() {
        loom::model(|| {
            let entry = entry();
            let worker = worker(&entry);
            let answer = loom::future::block_on(poll_fn(|context| entry.poll(context)));
            assert_eq!(answer.err(), Some(BatchError::Panicked));
            assert_eq!(worker.join().expect("no panic"), Some(true));
        });
    }

    #[test]
    fn a_thread_that_waits_is_woken() {
        loom::model(|| {
            let entry = entry();
            let worker = worker(&entry);
            let answer = entry.wait_until(entry.deadline).expect("before the deadline");
            assert_eq!(answer.err(), Some(BatchError::Panicked));
            assert_eq!(worker.join().expect("no panic"), Some(true));
        });
    }
}
