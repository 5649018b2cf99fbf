//! One version's way from requests to its engine.

use super::entry::Entry;
use super::pace::Pace;
use super::policy::Limits;
use super::pool::{Line, Next};
use super::queue::{Cut, Job, Queue};
use super::run::{Failure, Sessions};
use super::{Answer, BatchError, CloseReason, LaneStats, Pool, Rank, Settings, Ticket, Timing, scatter};
use crate::engine::{Asked, Dim, Extras, Prepared, RunError, Signature};
use crate::tensor::Tensor;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a batch costs, measured at load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub fixed: Duration,
    pub per_row: Duration,
}

impl Cost {
    pub fn estimate(&self, rows: usize) -> Duration {
        self.fixed + self.per_row.saturating_mul(u32::try_from(rows).unwrap_or(u32::MAX))
    }
}

/// What became of a submitted request.
pub enum Submitted {
    /// Computed on the caller's thread.
    Done(Answer),
    /// Waiting for a worker.
    Queued(Ticket),
}

/// What a lane runs, and what was found out about it at load.
pub struct Work {
    pub model: Arc<dyn Prepared>,
    pub cost: Cost,
    /// Rows of several requests may share a batch.
    pub merge: bool,
    /// Inputs that the model is known to take: they tell a bad request from a broken engine.
    pub trial: Vec<Tensor>,
}

/// A version's queue, sessions and limits.
pub struct Lane {
    settings: Settings,
    cost: Cost,
    merge: bool,
    trial: Vec<Tensor>,
    sessions: Sessions,
    queue: Mutex<Queue>,
    line: Arc<Line>,
    stats: LaneStats,
    pace: Pace,
    /// Whether the shape of a row may differ between requests.
    shapes_vary: bool,
    /// Whether the measured cost speaks for every request: it was measured at one shape.
    cost_is_known: bool,
}

impl Lane {
    /// Makes the lane and its sessions. `ahead`: how many threads may run it at once, each with a
    /// session made now.
    pub fn new(work: Work, settings: Settings, pool: &Pool, ahead: usize) -> Result<Arc<Self>, RunError> {
        let Work { model, cost, merge, trial } = work;
        let shapes_vary = shapes_vary(model.signature());
        let cost_is_known = !shapes_vary && (merge || is_fixed(model.signature()));
        let sessions = Sessions::new(model, ahead)?;
        let (line, stats, pace) = (pool.line(), LaneStats::default(), Pace::default());
        let queue = Mutex::new(Queue::new(line.budget.clone()));
        Ok(Arc::new(Self {
            settings,
            cost,
            merge,
            trial,
            sessions,
            queue,
            line,
            stats,
            pace,
            shapes_vary,
            cost_is_known,
        }))
    }

    /// Inputs that the model is known to take.
    pub fn trial(&self) -> &[Tensor] {
        &self.trial
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn stats(&self) -> &LaneStats {
        &self.stats
    }

    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Rows waiting now.
    pub fn queued_rows(&self) -> usize {
        self.lock().rows()
    }

    /// Requests waiting now.
    pub fn queued_requests(&self) -> usize {
        self.lock().requests()
    }

    /// Runs a request or queues it. Its inputs have passed [`Signature::check`], which counted `rows`,
    /// and its extras are some that the signature has.
    pub fn submit(
        self: &Arc<Self>,
        asked: impl Into<Asked>,
        rows: usize,
        deadline: Instant,
    ) -> Result<Submitted, BatchError> {
        self.submit_ranked(asked, rows, deadline, Rank::default())
    }

    /// The same with a place in line.
    pub fn submit_ranked(
        self: &Arc<Self>,
        asked: impl Into<Asked>,
        rows: usize,
        deadline: Instant,
        rank: Rank,
    ) -> Result<Submitted, BatchError> {
        let asked = asked.into();
        let now = Instant::now();
        if deadline <= now {
            self.stats.expired.add(1);
            return Err(BatchError::Deadline(Duration::ZERO));
        }
        // Extras were not measured.
        let known = self.cost_is_known && asked.extras.is_empty();
        let tiny = known && self.cost.estimate(rows) < self.settings.inline_below;
        if tiny && self.lock().is_empty() {
            return self.run_inline(&asked.inputs, rows, now).map(Submitted::Done);
        }
        let key = self.key(&asked);
        let entry = Entry::new(asked, rows, rank, key, now, deadline);
        self.enqueue(entry.clone())?;
        Ok(Submitted::Queued(Ticket::new(entry, self.clone())))
    }

    /// Runs a request on the calling thread beside the queue, for somebody whom no caller waits for.
    /// Nothing of it is counted. `inputs` have passed [`Signature::check`].
    pub fn run_aside(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, BatchError> {
        self.sessions.run(inputs, Extras::NONE).map_err(BatchError::from)
    }

    /// Whether requests of any lane wait for a worker now.
    pub fn process_is_busy(&self) -> bool {
        self.line.budget.used().0 > 0
    }

    /// Only requests of the same key share a batch: for the same extras, told by the last two bits, and
    /// rows of the same shape.
    fn key(&self, asked: &Asked) -> u64 {
        let shape = if self.shapes_vary { shape_key(&asked.inputs) } else { 0 };
        shape << 2 | asked.extras.bits()
    }

    fn run_inline(&self, inputs: &[Tensor], rows: usize, started: Instant) -> Result<Answer, BatchError> {
        let outputs = self.judged(self.checked(self.sessions.run_here(inputs), rows))?;
        let compute = started.elapsed();
        self.count_batch(rows, compute, CloseReason::Inline);
        self.stats.sizes.add(rows, compute);
        Ok(Answer { outputs, timing: Timing { queue: Duration::ZERO, compute } })
    }

    fn enqueue(self: &Arc<Self>, entry: Arc<Entry>) -> Result<(), BatchError> {
        let deadline = entry.deadline;
        let mut queue = self.lock();
        self.check_hope(&entry, queue.rows_ahead(entry.rank))?;
        queue.admit(entry, &self.settings)?;
        let wants_worker = self.wants_worker(&queue, deadline);
        queue.workers += usize::from(wants_worker);
        drop(queue);
        if wants_worker && !self.line.push(self.clone()) {
            self.give_up();
        }
        Ok(())
    }

    /// Refuses what would only wait to expire: its caller learns so now, and its place goes to one
    /// who can still be answered.
    fn check_hope(&self, entry: &Entry, rows_ahead: usize) -> Result<(), BatchError> {
        let own = if self.cost_is_known { self.cost.estimate(entry.rows) } else { Duration::ZERO };
        let predicted = self.pace.predict(rows_ahead) + own;
        let left = entry.deadline.saturating_duration_since(entry.arrived);
        if rows_ahead > 0 && predicted > left {
            self.stats.hopeless.add(1);
            return Err(BatchError::Hopeless { rows_ahead, predicted, left });
        }
        Ok(())
    }

    /// Whether a newly queued request should call one more worker.
    fn wants_worker(&self, queue: &Queue, deadline: Instant) -> bool {
        let instances = self.settings.instances.max(1);
        match queue.parked {
            None => queue.workers < instances,
            // A worker waits for company. One more is called if the batch is full now, or if this
            // request cannot wait that long.
            Some(until) => {
                let full = queue.rows() >= self.settings.max_rows;
                let urgent = deadline < until + self.limits().compute;
                (full || urgent) && queue.workers <= instances
            }
        }
    }

    /// One worker's turn: cut a batch, run it, say whether to come back.
    pub(super) fn turn(&self) -> Next {
        let (jobs, reason) = match self.cut() {
            Ok(batch) => batch,
            Err(next) => return next,
        };
        self.run_batch(&jobs, reason);
        let mut queue = self.lock();
        queue.running -= 1;
        if queue.is_empty() {
            queue.workers -= 1;
            return Next::Rest;
        }
        Next::Again
    }

    fn cut(&self) -> Result<(Vec<Job>, CloseReason), Next> {
        let mut expired = 0;
        let mut queue = self.lock();
        if queue.running >= self.settings.instances.max(1) {
            // Whoever runs now looks at the queue again before it rests.
            queue.workers -= 1;
            return Err(Next::Rest);
        }
        let cut = queue.cut(Instant::now(), &self.limits(), &mut expired);
        self.stats.expired.add(expired);
        match cut {
            Cut::Batch(jobs, reason) => {
                queue.running += 1;
                Ok((jobs, reason))
            }
            Cut::Wait(until) if queue.parked.is_none_or(|parked| until < parked) => {
                queue.parked = Some(until);
                Err(Next::At(until))
            }
            Cut::Wait(_) | Cut::Empty => {
                queue.workers -= 1;
                Err(Next::Rest)
            }
        }
    }

    /// The wait that was to end then has ended.
    pub(super) fn unpark(&self, at: Instant) {
        let mut queue = self.lock();
        if queue.parked == Some(at) {
            queue.parked = None;
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            max_rows: self.settings.max_rows,
            max_delay: self.settings.max_delay,
            merge: self.merge,
            compute: self.cost.estimate(self.settings.max_rows),
        }
    }

    fn run_batch(&self, jobs: &[Job], reason: CloseReason) {
        match jobs {
            [] => {}
            [job] => self.run_alone(job, reason),
            _ => {
                if let Err(failure) = self.run_together(jobs, reason) {
                    // One request's values may have failed the batch: each gets its own verdict.
                    tracing::debug!(?failure, requests = jobs.len(), "a batch failed; running its requests alone");
                    jobs.iter().for_each(|job| self.run_alone(job, reason));
                }
            }
        }
    }

    fn run_together(&self, jobs: &[Job], reason: CloseReason) -> Result<(), Failure> {
        let rows: Vec<usize> = jobs.iter().map(|job| job.entry.rows).collect();
        let started = Instant::now();
        let parts: Vec<&[Tensor]> = jobs.iter().map(|job| &job.inputs[..]).collect();
        let extras = jobs.first().map_or(Extras::NONE, |job| job.entry.extras);
        let outputs = self.checked(self.sessions.run_parts(&parts, extras), rows.iter().sum())?;
        let compute = started.elapsed();
        let pieces = scatter::deal(&outputs, &rows)?;
        self.count_batch(rows.iter().sum(), compute, reason);
        self.stats.sizes.add(rows.iter().sum(), compute);
        for (job, outputs) in jobs.iter().zip(pieces) {
            self.hand_over(&job.entry, started, compute, Ok(outputs));
        }
        Ok(())
    }

    fn run_alone(&self, job: &Job, reason: CloseReason) {
        let started = Instant::now();
        if !job.entry.is_wanted(started) {
            job.entry.finish(Err(BatchError::Deadline(job.entry.deadline - job.entry.arrived)));
            return;
        }
        let outcome = self.compute_one(&job.inputs, job.entry.rows, job.entry.extras);
        let compute = started.elapsed();
        self.count_batch(job.entry.rows, compute, reason);
        if outcome.is_ok() {
            self.stats.sizes.add(job.entry.rows, compute);
        }
        self.hand_over(&job.entry, started, compute, outcome.map_err(BatchError::from));
    }

    fn hand_over(&self, entry: &Entry, started: Instant, compute: Duration, outcome: Result<Vec<Tensor>, BatchError>) {
        let queue = started.saturating_duration_since(entry.arrived);
        self.stats.queue.observe_duration(queue);
        self.pace.observe(entry.ahead.load(Relaxed), queue);
        let answer = outcome.map(|outputs| Answer { outputs, timing: Timing { queue, compute } });
        if !entry.finish(answer) {
            self.stats.wasted.add(1);
        }
    }

    /// Runs one request's own rows. Where the engine fails, a trial with inputs that it is known to
    /// take tells whose fault that is.
    fn compute_one(&self, inputs: &[Tensor], rows: usize, extras: Extras) -> Result<Vec<Tensor>, Failure> {
        self.judged(self.checked(self.sessions.run(inputs, extras), rows))
    }

    fn judged(&self, outcome: Result<Vec<Tensor>, Failure>) -> Result<Vec<Tensor>, Failure> {
        let failure = match outcome {
            Err(failure @ (Failure::Engine(_) | Failure::Panicked)) => failure,
            outcome => return outcome,
        };
        if !self.trial.is_empty() && self.sessions.run(&self.trial, Extras::NONE).is_ok() {
            let words = match failure {
                Failure::Panicked => "the engine gave up on them".to_owned(),
                Failure::Engine(words) | Failure::Input(words) => words,
            };
            return Err(Failure::Input(format!("the model cannot compute with these values: {words}")));
        }
        match failure {
            Failure::Panicked => self.stats.panics.add(1),
            _ => self.stats.errors.add(1),
        }
        Err(failure)
    }

    /// No answer with another number of rows gets through.
    fn checked(&self, outcome: Result<Vec<Tensor>, Failure>, rows: usize) -> Result<Vec<Tensor>, Failure> {
        let outputs = outcome?;
        if self.merge {
            scatter::check_rows(&outputs, rows)?;
        }
        Ok(outputs)
    }

    fn count_batch(&self, rows: usize, compute: Duration, reason: CloseReason) {
        self.stats.close(reason);
        self.stats.batch_rows.observe(rows as u64);
        self.stats.compute.observe_duration(compute);
    }

    /// A turn has panicked, which no known input can bring about: the lane goes on without it.
    pub(super) fn turn_panicked(&self) -> bool {
        let mut queue = self.lock();
        queue.running = queue.running.saturating_sub(1);
        let more = !queue.is_empty();
        if !more {
            queue.workers = queue.workers.saturating_sub(1);
        }
        more
    }

    /// Answers all that wait: there are no workers any more.
    pub(super) fn give_up(&self) {
        let jobs = self.lock().close();
        for job in jobs {
            job.entry.finish(Err(BatchError::Stopped));
        }
    }

    pub(super) fn give_back(&self, entry: &Entry) {
        self.lock().release(entry);
    }

    /// No code panics while it holds the queue, so a poisoned lock holds a whole value.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shapes_vary(signature: &Signature) -> bool {
    signature.inputs.iter().any(|spec| spec.dims.iter().skip(1).any(|dim| matches!(dim, Dim::Any(_))))
}

fn is_fixed(signature: &Signature) -> bool {
    signature.inputs.iter().flat_map(|spec| &spec.dims).all(|dim| matches!(dim, Dim::Fixed(_)))
}

fn shape_key(inputs: &[Tensor]) -> u64 {
    let mut hasher = DefaultHasher::new();
    inputs.iter().for_each(|tensor| tensor.shape().row_dims().hash(&mut hasher));
    hasher.finish()
}

#[cfg(test)]
mod tests;
