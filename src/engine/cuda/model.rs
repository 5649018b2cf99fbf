//! A model on a device, as those who run it see it.

use super::cost::{Costs, Side, Waiting};
use super::health::Health;
use super::resident::Placed;
use super::slot::Slot;
use super::thread::Command;
use super::wait::{Miss, wait};
use crate::engine::lowered::Ends;
use crate::engine::{Extras, Prepared, RunError, Session, Signature, Words};
use crate::sync::cores;
use crate::tensor::Tensor;
use crossbeam::channel::Sender;
use crossbeam::queue::ArrayQueue;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// A batch that takes so many times what it and those before it took at load is taken to hang.
const FAR_TOO_LONG: u32 = 20;

/// Batches of all such models that processors compute now.
static ON_CPU: AtomicUsize = AtomicUsize::new(0);

/// The host's side of a placed model.
pub struct Remote {
    id: u64,
    commands: Sender<Command>,
    health: Arc<Health>,
    ends: Arc<dyn Ends>,
    idle: ArrayQueue<Slot>,
    /// Slots whose batches went to the CPU because the device's thread was busy placing a model: their
    /// own outcome is still to come.
    late: Mutex<Vec<Slot>>,
    capacities: Vec<usize>,
    busy: Vec<Duration>,
    width: usize,
    labels: bool,
    watchdog: Duration,
    /// Set once they are measured, before anybody is served.
    costs: OnceLock<Costs>,
    bytes: usize,
}

/// What a remote model is made of.
pub struct Parts {
    pub id: u64,
    pub commands: Sender<Command>,
    pub health: Arc<Health>,
    pub ends: Arc<dyn Ends>,
    pub width: usize,
    pub labels: bool,
    pub watchdog: Duration,
}

/// Why the device has no answer.
#[derive(Debug)]
pub enum Refusal {
    /// All slots are in use, or the batch is larger than they are.
    NoRoom,
    /// The device failed.
    Lost(String),
    /// The rows cannot be written, on any side.
    Rows(RunError),
}

impl Remote {
    pub fn new(parts: Parts, placed: Placed) -> Self {
        let Parts { id, commands, health, ends, width, labels, watchdog } = parts;
        let Placed { slots, capacities, busy, bytes, .. } = placed;
        let idle = ArrayQueue::new(slots.len().max(1));
        for slot in slots {
            // There is room for all of them.
            let _ = idle.push(slot);
        }
        health.held_bytes.fetch_add(bytes, Relaxed);
        Self {
            id,
            commands,
            health,
            ends,
            idle,
            late: Mutex::default(),
            capacities,
            busy,
            width,
            labels,
            watchdog,
            costs: OnceLock::new(),
            bytes,
        }
    }

    pub fn set_costs(&self, costs: Costs) {
        let _ = self.costs.set(costs);
    }

    pub fn most_rows(&self) -> usize {
        self.capacities.last().copied().unwrap_or(0)
    }

    /// What the device is busy with a batch of one of its sizes, by its clock.
    pub fn busy(&self, size: usize) -> Duration {
        self.busy.get(size).copied().unwrap_or_default()
    }

    fn choose(&self, rows: usize, rule: Rule) -> Side {
        let away = self.health.is_lost() || self.health.placing.load(Relaxed);
        if away || rows > self.most_rows() {
            return Side::Cpu;
        }
        if rule == Rule::Always {
            return Side::Device;
        }
        let Some(costs) = self.costs.get() else { return Side::Cpu };
        let (running, cores) = (ON_CPU.load(Relaxed) + 1, cores::usable().max(1));
        let behind = running.saturating_sub(cores) as f64 / cores as f64;
        let waiting = Waiting { cpu: costs.at(rows).cpu.mul_f64(behind), device: self.health.pending() };
        costs.choose(rows, waiting)
    }

    /// Runs the rows of all parts as one batch.
    fn run(&self, parts: &[&[Tensor]], rows: usize, rule: Rule) -> Result<Vec<Tensor>, Refusal> {
        let size = self.capacities.partition_point(|capacity| *capacity < rows);
        let Some(capacity) = self.capacities.get(size).copied() else { return Err(Refusal::NoRoom) };
        let Some(mut slot) = self.idle.pop().or_else(|| self.late_slot()) else {
            self.health.turned_away.fetch_add(1, Relaxed);
            return Err(Refusal::NoRoom);
        };
        if let Err(error) = self.write(&mut slot, parts, rows) {
            self.put_back(slot);
            return Err(Refusal::Rows(error));
        }
        let busy = self.busy(size);
        let work = busy.saturating_add(self.health.pending());
        let patience = self.watchdog.saturating_add(work.saturating_mul(FAR_TOO_LONG));
        self.health.begin(busy);
        let sent = self.commands.send(Command::Run { id: self.id, slot: slot.number, size, busy });
        let outcome = match sent {
            Ok(()) => wait(&slot.done, &self.health, patience, rule == Rule::Alone),
            Err(_) => Err(Miss::Gone),
        };
        self.health.end(busy);
        match outcome {
            Ok(Ok(())) => {
                let (answers, labels) = slot.answers(rows, capacity, self.width, self.labels);
                let read = self.ends.read(answers, labels).map_err(Refusal::Rows);
                self.put_back(slot);
                self.health.batches.fetch_add(1, Relaxed);
                self.health.rows.fetch_add(rows as u64, Relaxed);
                read
            }
            Ok(Err(reason)) => {
                self.put_back(slot);
                Err(Refusal::Lost(reason))
            }
            Err(Miss::Gone) => {
                // Only its thread could free what the slot maps.
                let _ = ManuallyDrop::new(slot);
                let reason = "the device's thread has ended";
                self.health.lose(reason);
                Err(Refusal::Lost(reason.into()))
            }
            Err(Miss::Placing) => {
                self.lock_late().push(slot);
                Err(Refusal::NoRoom)
            }
            Err(Miss::TooLong) => {
                // The device may still write there: the slot is never used nor freed again.
                let _ = ManuallyDrop::new(slot);
                let reason = format!("a batch took longer than {patience:?}");
                self.health.lose(&reason);
                Err(Refusal::Lost(reason))
            }
        }
    }

    /// A late slot whose outcome has come by now.
    fn late_slot(&self) -> Option<Slot> {
        let mut late = self.lock_late();
        let at = late.iter().position(|slot| slot.done.try_recv().is_ok())?;
        Some(late.swap_remove(at))
    }

    fn lock_late(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_back(&self, slot: Slot) {
        // It came from there.
        let _ = self.idle.push(slot);
    }

    fn write(&self, slot: &mut Slot, parts: &[&[Tensor]], rows: usize) -> Result<(), RunError> {
        let mut from = 0;
        for part in parts {
            let count = part.first().map_or(0, Tensor::rows);
            if from + count > rows {
                return Err(RunError::Engine("the parts of a batch have more rows than it".into()));
            }
            self.ends.write(part, &mut slot.rows(from, count))?;
            from += count;
        }
        slot.set_count(u32::try_from(rows).unwrap_or(u32::MAX));
        Ok(())
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.health.held_bytes.fetch_sub(self.bytes, Relaxed);
        let mut slots: Vec<Slot> = std::iter::from_fn(|| self.idle.pop()).collect();
        slots.extend(std::iter::from_fn(|| self.late_slot()));
        // The device may still write to those that are late even now: they are never freed.
        let _ = ManuallyDrop::new(std::mem::take(&mut *self.lock_late()));
        if let Err(unsent) = self.commands.send(Command::Remove { id: self.id, slots }) {
            // The thread is gone and its context with it: nobody may free what it mapped.
            let _ = ManuallyDrop::new(unsent);
        }
    }
}

/// Which side gets a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The one where it is done sooner.
    Cheaper,
    /// The device, as long as it has room.
    Always,
    /// The device, whose failures are failures.
    Alone,
}

/// A model that runs on either side.
pub struct Either {
    pub cpu: Arc<dyn Prepared>,
    pub remote: Arc<Remote>,
    pub rule: Rule,
    /// Placement and costs, in words.
    pub lines: Vec<String>,
}

impl Prepared for Either {
    fn signature(&self) -> &Signature {
        self.cpu.signature()
    }

    fn session(&self) -> Result<Box<dyn Session>, RunError> {
        Ok(Box::new(State { cpu: self.cpu.session()?, remote: self.remote.clone(), rule: self.rule }))
    }

    fn memory_bytes(&self) -> usize {
        self.cpu.memory_bytes()
    }

    fn describe(&self) -> Vec<String> {
        self.cpu.describe().into_iter().chain(self.lines.iter().cloned()).collect()
    }

    fn columns(&self) -> &[String] {
        self.cpu.columns()
    }

    fn takes_dictionary(&self) -> bool {
        self.cpu.takes_dictionary()
    }

    fn words(&self, column: usize) -> Option<&Words> {
        self.cpu.words(column)
    }
}

struct State {
    cpu: Box<dyn Session>,
    remote: Arc<Remote>,
    rule: Rule,
}

impl Session for State {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        self.run_parts(&[inputs], Extras::NONE)
    }

    fn run_asked(&mut self, inputs: &[Tensor], extras: Extras) -> Result<Vec<Tensor>, RunError> {
        self.run_parts(&[inputs], extras)
    }

    fn run_parts(&mut self, parts: &[&[Tensor]], extras: Extras) -> Result<Vec<Tensor>, RunError> {
        let rows = parts.iter().filter_map(|part| part.first()).map(Tensor::rows).sum();
        if self.rule == Rule::Alone {
            return self.remote.run(parts, rows, self.rule).map_err(|refusal| match refusal {
                Refusal::NoRoom => RunError::Engine(format!("no slot holds {rows} rows")),
                Refusal::Lost(reason) => RunError::Engine(reason),
                Refusal::Rows(error) => error,
            });
        }
        if extras.is_empty() && rows > 0 && self.remote.choose(rows, self.rule) == Side::Device {
            match self.remote.run(parts, rows, self.rule) {
                Ok(outputs) => return Ok(outputs),
                Err(Refusal::Rows(error)) => return Err(error),
                Err(Refusal::NoRoom) => {}
                Err(Refusal::Lost(_)) => {
                    self.remote.health.rescued.fetch_add(1, Relaxed);
                }
            }
        }
        let _counted = OnCpu::new();
        self.cpu.run_parts(parts, extras)
    }

    fn run_here(&mut self, inputs: &[Tensor], extras: Extras) -> Result<Vec<Tensor>, RunError> {
        self.cpu.run_here(inputs, extras)
    }
}

/// A batch that a processor computes.
struct OnCpu;

impl OnCpu {
    fn new() -> Self {
        ON_CPU.fetch_add(1, Relaxed);
        Self
    }
}

impl Drop for OnCpu {
    fn drop(&mut self) {
        ON_CPU.fetch_sub(1, Relaxed);
    }
}
