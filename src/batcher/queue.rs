//! The bounded queue of a lane. Every count is exact: see [`super::entry`].

use super::entry::{Entry, Rank};
use super::policy::{self, Decision, Limits, Pending};
use super::{BatchError, Budget, CloseReason, Settings};
use crate::tensor::Tensor;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// Dead entries tolerated before they are swept out.
const SLACK: usize = 64;

/// Waiting requests in order of rank, then of arrival, among them some whose callers have left.
pub(super) struct Queue {
    budget: Arc<Budget>,
    entries: VecDeque<Arc<Entry>>,
    live: usize,
    rows: usize,
    bytes: usize,
    /// Workers that run, or are about to run, this lane.
    pub workers: usize,
    /// Batches being computed.
    pub running: usize,
    /// Until when a worker waits for company, if one does.
    pub parked: Option<Instant>,
    /// Set once the pool has stopped: nobody would ever compute what is admitted.
    closed: bool,
}

/// A request taken for computing.
pub(super) struct Job {
    pub entry: Arc<Entry>,
    pub inputs: Vec<Tensor>,
}

/// What a worker finds.
pub(super) enum Cut {
    Batch(Vec<Job>, CloseReason),
    Wait(Instant),
    Empty,
}

impl Queue {
    pub fn new(budget: Arc<Budget>) -> Self {
        Self {
            budget,
            entries: VecDeque::new(),
            live: 0,
            rows: 0,
            bytes: 0,
            workers: 0,
            running: 0,
            parked: None,
            closed: false,
        }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows that wait and would be computed before a request of this rank.
    pub fn rows_ahead(&self, rank: Rank) -> usize {
        if self.entries.back().is_none_or(|last| last.rank <= rank) {
            return self.rows;
        }
        let before = self.entries.iter().take_while(|other| other.rank <= rank);
        before.filter(|other| other.is_waiting()).map(|other| other.rows).sum()
    }

    /// Requests that wait.
    pub fn requests(&self) -> usize {
        self.live
    }

    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Adds a request, or says which limit it would break.
    pub fn admit(&mut self, entry: Arc<Entry>, limits: &Settings) -> Result<(), BatchError> {
        if self.closed {
            return Err(BatchError::Stopped);
        }
        room("queue_rows", "rows", limits.queue_rows, self.rows, entry.rows)?;
        room("queue_bytes", "bytes", limits.queue_bytes, self.bytes, entry.bytes)?;
        self.budget.take(entry.rows, entry.bytes)?;
        entry.ahead.store(self.rows_ahead(entry.rank), Relaxed);
        self.rows += entry.rows;
        self.bytes += entry.bytes;
        self.live += 1;
        // In order of rank, and of arrival where ranks are equal: mostly at the end.
        let at = self.entries.partition_point(|other| other.rank <= entry.rank);
        self.entries.insert(at, entry);
        Ok(())
    }

    /// Gives the place of an entry back that is no longer waiting.
    pub fn release(&mut self, entry: &Entry) {
        self.budget.give_back(entry.rows, entry.bytes);
        self.rows -= entry.rows;
        self.bytes -= entry.bytes;
        self.live -= 1;
        if self.entries.len() > self.live + SLACK.max(self.live) {
            self.entries.retain(|entry| entry.is_waiting());
        }
    }

    /// Takes the next batch. Expired requests are answered on the way; `expired` counts them.
    pub fn cut(&mut self, now: Instant, limits: &Limits, expired: &mut u64) -> Cut {
        let mut candidates = self.candidates(now, if limits.merge { limits.max_rows } else { 0 }, expired);
        let pending: Vec<Pending> = candidates.iter().map(|entry| pending(entry)).collect();
        let (chosen, cut) = match policy::decide(now, &pending, limits) {
            Decision::Empty => (Default::default(), Cut::Empty),
            Decision::Wait(until) => (Default::default(), Cut::Wait(until)),
            Decision::Cut(chosen, reason) => (chosen, Cut::Batch(Vec::new(), reason)),
        };
        let mut jobs = Vec::with_capacity(chosen.len());
        for at in chosen.iter().rev() {
            let entry = candidates.remove(*at);
            if let Some(inputs) = entry.take() {
                self.release(&entry);
                jobs.push(Job { entry, inputs });
            }
        }
        for entry in candidates.into_iter().rev() {
            self.entries.push_front(entry);
        }
        jobs.reverse();
        match cut {
            Cut::Batch(_, reason) => Cut::Batch(jobs, reason),
            other => other,
        }
    }

    /// Closes the queue and takes everything out, for a lane that has to give up.
    pub fn close(&mut self) -> Vec<Job> {
        self.closed = true;
        let entries = std::mem::take(&mut self.entries);
        let mut jobs = Vec::new();
        for entry in entries {
            if let Some(inputs) = entry.take() {
                self.release(&entry);
                jobs.push(Job { entry, inputs });
            }
        }
        jobs
    }

    /// The first live entries, taken out of the queue: one more than fits into any batch.
    fn candidates(&mut self, now: Instant, most: usize, expired: &mut u64) -> Vec<Arc<Entry>> {
        let mut live = Vec::new();
        while live.len() <= most {
            let Some(entry) = self.entries.pop_front() else { break };
            if !entry.is_waiting() {
                continue;
            }
            if entry.deadline > now {
                live.push(entry);
                continue;
            }
            if entry.take().is_some() {
                self.release(&entry);
                *expired += 1;
                entry.finish(Err(BatchError::Deadline(entry.deadline - entry.arrived)));
            }
        }
        live
    }
}

fn pending(entry: &Entry) -> Pending {
    Pending { rows: entry.rows, key: entry.key, arrived: entry.arrived, deadline: entry.deadline }
}

fn room(
    limit_name: &'static str,
    unit: &'static str,
    limit: usize,
    depth: usize,
    more: usize,
) -> Result<(), BatchError> {
    if more > limit {
        return Err(BatchError::TooLarge { limit_name, unit, limit, got: more });
    }
    if depth + more > limit {
        return Err(BatchError::QueueFull { limit_name, unit, limit, depth });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::budget;
    use super::*;
    use crate::engine::Asked;
    use std::time::Duration;

    #[test]
    fn the_highest_priority_comes_first_and_equals_in_order_of_arrival() {
        let budget = Arc::new(Budget::new(budget::Limits::default()));
        let mut queue = Queue::new(budget);
        let now = Instant::now();
        let limits = Settings::default();
        // Told apart by their number of rows.
        for (rows, priority) in [(1, 0), (2, 2), (3, 0), (4, 1), (5, 2)] {
            let deadline = now + Duration::from_secs(60);
            let entry = Entry::new(Asked::default(), rows, Rank::new(priority), 0, now, deadline);
            queue.admit(entry, &limits).expect("room");
        }
        assert_eq!(queue.rows_ahead(Rank::new(1)), 4);
        assert_eq!(queue.rows_ahead(Rank::new(2)), 11);
        assert_eq!(queue.rows_ahead(Rank::default()), 15);
        let alone = Limits { max_rows: 1, max_delay: Duration::ZERO, merge: false, compute: Duration::ZERO };
        let mut order = Vec::new();
        while let Cut::Batch(jobs, _) = queue.cut(now, &alone, &mut 0) {
            order.extend(jobs.iter().map(|job| job.entry.rows));
        }
        assert_eq!(order, [4, 2, 5, 1, 3]);
    }
}
