//! The one thread of a device: it owns the context, and nobody else calls the driver.

use super::driver::{Context, CudaError, Report};
use super::health::Health;
use super::images::Kernels;
use super::resident::{Ground, Order, PlaceError, Placed, Resident};
use super::slot::Slot;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

/// How long the thread looks for finished batches without a pause, from the last event on.
const EAGER: Duration = Duration::from_micros(50);
/// The same for a batch that was measured to take longer, at most.
const LONGEST_EAGER: Duration = Duration::from_micros(300);
/// How often it looks at longer ones.
const PATIENT: Duration = Duration::from_micros(20);

/// What the thread is asked.
pub enum Command {
    Place {
        id: u64,
        order: Box<Order>,
        /// Told when the thread takes the order up: there may be others before it.
        begun: Sender<()>,
        reply: Sender<Result<Placed, PlaceError>>,
    },
    /// Run the batch in a slot. `size` counts the sizes that are recorded, and `busy` is what one of that
    /// size takes.
    Run { id: u64, slot: usize, size: usize, busy: Duration },
    /// The model is gone; here are its slots.
    Remove { id: u64, slots: Vec<Slot> },
}

/// A batch on its way.
struct Flight {
    id: u64,
    slot: usize,
    /// Until then it is looked at without a pause.
    eager_until: Instant,
}

pub struct Thread {
    pub context: Context,
    pub kernels: Kernels,
    pub report: Report,
    pub health: Arc<Health>,
    pub commands: Receiver<Command>,
}

impl Thread {
    /// Serves until everybody who could ask is gone.
    pub fn run(self) {
        look_often();
        let mut models: HashMap<u64, Resident> = HashMap::new();
        let mut flights: Vec<Flight> = Vec::with_capacity(64);
        let mut since = Instant::now();
        loop {
            match self.next(&flights, since) {
                Ok(Some(command)) => {
                    since = Instant::now();
                    self.obey(command, &mut models, &mut flights);
                }
                Ok(None) => {}
                Err(()) => return,
            }
            if self.look(&models, &mut flights) {
                since = Instant::now();
            }
        }
    }

    /// The next command; none where batches on their way want to be looked at first.
    fn next(&self, flights: &[Flight], since: Instant) -> Result<Option<Command>, ()> {
        if flights.is_empty() {
            return self.commands.recv().map(Some).map_err(|_| ());
        }
        let now = Instant::now();
        if now < since + EAGER || flights.iter().any(|flight| now < flight.eager_until) {
            return match self.commands.try_recv() {
                Ok(command) => Ok(Some(command)),
                Err(TryRecvError::Empty) => {
                    std::hint::spin_loop();
                    Ok(None)
                }
                Err(TryRecvError::Disconnected) => Err(()),
            };
        }
        match self.commands.recv_timeout(PATIENT) {
            Ok(command) => Ok(Some(command)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    fn obey(&self, command: Command, models: &mut HashMap<u64, Resident>, flights: &mut Vec<Flight>) {
        match command {
            Command::Place { id, order, begun, reply } => {
                let _ = begun.send(());
                self.health.placing.store(true, Relaxed);
                let placed = self.place(&order, &mut || {
                    self.look(models, flights);
                });
                self.health.placing.store(false, Relaxed);
                let placed = placed.map(|(resident, placed)| {
                    models.insert(id, resident);
                    placed
                });
                let _ = reply.send(placed);
            }
            Command::Run { id, slot, size, busy } => {
                let Some(model) = models.get(&id) else { return };
                match model.launch(slot, size) {
                    Ok(()) => {
                        let eager_until = Instant::now() + (busy + EAGER).min(LONGEST_EAGER);
                        flights.push(Flight { id, slot, eager_until });
                    }
                    Err(error) => {
                        self.lose(&error);
                        model.tell(slot, Err(error.to_string()));
                    }
                }
            }
            Command::Remove { id, slots } => {
                // Whoever had a slot has given it back or will never look at it again. Freeing waits for
                // the device, so others' batches are looked at in between.
                self.health.placing.store(true, Relaxed);
                if let Some(model) = models.remove(&id) {
                    model.dismantle(&mut || {
                        self.look(models, flights);
                    });
                }
                for slot in slots {
                    drop(slot);
                    self.look(models, flights);
                }
                self.health.placing.store(false, Relaxed);
            }
        }
    }

    /// `between` is called now and then: batches may be on their way.
    fn place(&self, order: &Order, between: &mut dyn FnMut()) -> Result<(Resident, Placed), PlaceError> {
        if let Some(reason) = self.health.lost() {
            return Err(PlaceError::Lost(reason));
        }
        let ground = Ground { context: &self.context, kernels: &self.kernels, report: &self.report };
        let placed = ground.place(order, between);
        if let Err(PlaceError::Driver(error)) = &placed
            && !error.leaves_context_whole()
        {
            self.lose(error);
        }
        placed
    }

    /// Tells those whose batches are done; answers whether there were any.
    fn look(&self, models: &HashMap<u64, Resident>, flights: &mut Vec<Flight>) -> bool {
        let before = flights.len();
        if before == 0 {
            return false;
        }
        flights.retain(|flight| {
            let Some(model) = models.get(&flight.id) else { return false };
            let outcome = match self.health.lost() {
                Some(reason) => Err(reason),
                None => match model.is_done(flight.slot) {
                    Ok(false) => return true,
                    Ok(true) => Ok(()),
                    Err(error) => {
                        self.lose(&error);
                        Err(error.to_string())
                    }
                },
            };
            model.tell(flight.slot, outcome);
            false
        });
        // Behind the look: who reads a new count knows that a whole look lies before it.
        self.health.looks.fetch_add(1, Release);
        flights.len() < before
    }

    /// Whatever fails while batches are on their way ends the device: where they stand is not known.
    fn lose(&self, error: &CudaError) {
        self.context.gate().shut();
        self.health.lose(&error.to_string());
    }
}

/// Asks the kernel to end this thread's short pauses on time: it would add some 50 us to each.
#[cfg(target_os = "linux")]
fn look_often() {
    // Nothing but time is lost where it is refused.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

#[cfg(not(target_os = "linux"))]
fn look_often() {}
