//! A shadow: a version that computes beside the one that answers, and is compared with it.
//!
//! It has a thread of its own at a low priority behind a bounded queue. Whoever answers callers only
//! ever tries to put a job in: a full queue, or one that is not there, costs the shadow its job and
//! nobody else anything.

mod comparison;

pub use comparison::{Comparison, Row};

use super::plan::Shadow;
use crate::metrics::Counter;
use crate::sync::priority;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Jobs that may wait, and bytes of their tensors.
const MOST_JOBS: usize = 256;
const MOST_BYTES: usize = 16 << 20;
/// Behind everything else that this process does.
const PRIORITY: i32 = 19;

/// What a shadow does for one request.
pub type Job = Box<dyn FnOnce() + Send>;

/// A shadow in force.
pub struct Mirror {
    pub shadow: Shadow,
    queue: Arc<Queue>,
    drawn: AtomicU64,
    pub comparison: Mutex<Comparison>,
    /// Requests that it was to see and did not: too much was waiting, here or for those who answer.
    pub dropped: Counter,
    /// Requests that it failed to compute.
    pub failed: Counter,
}

/// What a shadow has come to, to be written down and taken up by the next process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    comparison: Comparison,
    dropped: u64,
    failed: u64,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<(usize, Job)>,
    bytes: usize,
    started: bool,
    closed: bool,
}

impl Mirror {
    pub fn new(shadow: Shadow) -> Self {
        Self {
            shadow,
            queue: Arc::default(),
            drawn: AtomicU64::new(0),
            comparison: Mutex::default(),
            dropped: Counter::default(),
            failed: Counter::default(),
        }
    }

    /// Whether the next request is in the sample.
    pub fn samples(&self) -> bool {
        if self.shadow.sample >= 1.0 {
            return true;
        }
        let drawn = self.drawn.fetch_add(1, Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (drawn ^ (drawn >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        // The high bits as a fraction.
        ((mixed >> 11) as f64) < self.shadow.sample * (1_u64 << 53) as f64
    }

    /// Whether a job would be taken now: asked before anything is copied for it.
    pub fn has_room(&self, bytes: usize) -> bool {
        let state = self.queue.lock();
        let room = state.jobs.len() < MOST_JOBS && state.bytes.saturating_add(bytes) <= MOST_BYTES;
        if !room {
            self.dropped.add(1);
        }
        room
    }

    /// Hands a job over, or drops and counts it. `bytes` are those it holds.
    pub fn offer(&self, bytes: usize, job: Job) {
        let mut state = self.queue.lock();
        let room = state.jobs.len() < MOST_JOBS && state.bytes.saturating_add(bytes) <= MOST_BYTES;
        if !room || !self.start(&mut state) {
            self.dropped.add(1);
            return;
        }
        state.bytes += bytes;
        state.jobs.push_back((bytes, job));
        drop(state);
        self.queue.wake.notify_one();
    }

    fn start(&self, state: &mut State) -> bool {
        if !state.started {
            let queue = self.queue.clone();
            let name = format!("shadow-{}", self.shadow.version.chars().take(8).collect::<String>());
            let thread = std::thread::Builder::new().name(name).spawn(move || queue.work());
            if let Err(error) = &thread {
                tracing::warn!(%error, version = self.shadow.version, "the shadow has no thread");
            }
            state.started = thread.is_ok();
        }
        state.started
    }

    pub fn write_down(&self) -> Record {
        Record { comparison: self.compared().clone(), dropped: self.dropped.get(), failed: self.failed.get() }
    }

    /// Takes up what an earlier process has compared, in place of the few that came before this was asked.
    pub fn recall(&self, record: &Record) {
        if record.comparison.is_sound() {
            *self.compared() = record.comparison.clone();
            self.dropped.add(record.dropped);
            self.failed.add(record.failed);
        }
    }

    /// No code panics while it holds the comparison, so a poisoned lock holds a whole one.
    pub fn compared(&self) -> MutexGuard<'_, Comparison> {
        self.comparison.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.closed = true;
        state.jobs.clear();
        drop(state);
        self.queue.wake.notify_all();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        priority::lower_this_thread(PRIORITY);
        while let Some(job) = self.next() {
            // Engines are contained where they run; this is for what compares.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a shadow's job panicked; contained");
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some((bytes, job)) = state.jobs.pop_front() {
                state.bytes -= bytes;
                return Some(job);
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn mirror(sample: f64) -> Mirror {
        Mirror::new(Shadow { version: "2".into(), sample, threshold: 0.5 })
    }

    #[test]
    fn a_job_that_hangs_costs_only_later_jobs() {
        let mirror = mirror(1.0);
        let (release, held) = mpsc::channel::<()>();
        let (began, begun) = mpsc::channel();
        mirror.offer(
            0,
            Box::new(move || {
                began.send(()).expect("awaited");
                let _ = held.recv();
            }),
        );
        begun.recv().expect("it began");
        let (done, finished) = mpsc::channel();
        for _ in 0..MOST_JOBS + 10 {
            let done = done.clone();
            mirror.offer(0, Box::new(move || done.send(()).expect("awaited")));
        }
        assert_eq!(mirror.dropped.get(), 10);
        mirror.offer(MOST_BYTES + 1, Box::new(|| {}));
        assert_eq!(mirror.dropped.get(), 11);
        drop(release);
        (0..MOST_JOBS).for_each(|_| finished.recv().expect("it goes on"));
    }

    #[test]
    fn a_panic_is_contained() {
        let mirror = mirror(1.0);
        mirror.offer(0, Box::new(|| panic!("on purpose")));
        let (done, finished) = mpsc::channel();
        mirror.offer(0, Box::new(move || done.send(()).expect("awaited")));
        finished.recv().expect("the next one runs");
    }

    #[test]
    fn a_comparison_is_taken_up_where_it_was_and_a_damaged_one_is_not() {
        let (before, after) = (mirror(1.0), mirror(1.0));
        let rows = [0.2, 0.9].map(|score| Row { class: Some(format!("{score}")), score: Some(score) });
        let times = [std::time::Duration::from_millis(1); 2];
        before.compared().add([&rows, &rows], times, 0.5, |_| serde_json::Value::Null);
        before.dropped.add(3);
        let text = serde_json::to_string(&before.write_down()).expect("text");
        after.recall(&serde_json::from_str(&text).expect("a record"));
        assert_eq!(after.write_down(), before.write_down());
        after.compared().add([&rows, &rows], times, 0.5, |_| serde_json::Value::Null);
        let short = text.replacen("[[", "[[7,", 1);
        let damaged = mirror(1.0);
        damaged.recall(&serde_json::from_str(&short).expect("a record"));
        assert_eq!((damaged.compared().requests(), damaged.dropped.get()), (0, 0));
    }

    #[test]
    fn the_sample_has_its_rate() {
        let mirror = mirror(0.2);
        let taken = (0..10_000).filter(|_| mirror.samples()).count();
        assert!((1900..2100).contains(&taken), "{taken}");
    }
}
