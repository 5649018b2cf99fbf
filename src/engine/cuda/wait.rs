//! How long a batch is waited for.

use super::health::Health;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{Duration, Instant};

/// How often the device's thread must have looked in vain at a batch whose time is over: a process that
/// was halted as a whole finds all its time gone, and the batch done.
const LOOKS: u64 = 2;
/// How long that thread may take for it; one that is stuck in the driver never will.
const LAST_LOOKS: Duration = Duration::from_millis(200);
/// The pause between two questions for it.
const PAUSE: Duration = Duration::from_millis(5);

/// What the device's thread says of a batch.
pub type Outcome = Result<(), String>;

/// Why there is no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The device's thread is busy placing a model: the outcome is still to come.
    Placing,
    /// Its time is over.
    TooLong,
    /// There is no such thread any more.
    Gone,
}

/// The outcome of a batch. While a model is placed the device's thread looks seldom: callers are
/// answered by the CPU then, but those who want the device `alone` have nobody else to ask.
pub fn wait(done: &Receiver<Outcome>, health: &Health, patience: Duration, alone: bool) -> Result<Outcome, Miss> {
    loop {
        match done.recv_timeout(patience) {
            Ok(outcome) => return Ok(outcome),
            Err(RecvTimeoutError::Disconnected) => return Err(Miss::Gone),
            Err(RecvTimeoutError::Timeout) => {}
        }
        // Looked at once, and told by what is answered: it may be over a moment later.
        match health.placing.load(Relaxed) && !health.is_lost() {
            true if alone => {}
            true => return Err(Miss::Placing),
            false => return last_looks(done, health),
        }
    }
}

/// The outcome of a batch whose time is over, if it comes by the time the device's thread has looked at
/// it anew.
fn last_looks(done: &Receiver<Outcome>, health: &Health) -> Result<Outcome, Miss> {
    let (looks, started) = (health.looks.load(Acquire), Instant::now());
    loop {
        match done.recv_timeout(PAUSE) {
            Ok(outcome) => return Ok(outcome),
            Err(RecvTimeoutError::Disconnected) => return Err(Miss::Gone),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let looked = health.looks.load(Acquire).wrapping_sub(looks) > LOOKS;
        if looked || started.elapsed() > LAST_LOOKS {
            return Err(Miss::TooLong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::driver::{Gate, Report};
    use super::*;
    use crossbeam::channel::bounded;
    use std::thread;

    fn health() -> Health {
        let (name, capability) = (String::new(), (9, 0));
        let report = Report { ordinal: 0, name, capability, memory_bytes: 0, multiprocessors: 1, shared_bytes: 0 };
        Health::new(report, Gate::default())
    }

    #[test]
    fn a_batch_that_is_done_once_the_process_goes_on_counts() {
        let ((tell, done), health) = (bounded(1), health());
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(PAUSE * 4);
                tell.send(Ok(()))
            });
            assert_eq!(wait(&done, &health, Duration::ZERO, false), Ok(Ok(())));
        });
    }

    #[test]
    fn a_batch_that_was_looked_at_in_vain_is_given_up() {
        let ((tell, done), health, started) = (bounded(1), health(), Instant::now());
        let over = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    health.looks.fetch_add(1, Relaxed);
                    thread::yield_now();
                }
            });
            assert_eq!(wait(&done, &health, Duration::ZERO, false), Err(Miss::TooLong));
            over.store(true, Relaxed);
        });
        // Nobody looks any more: after a while it is given up too.
        assert_eq!(wait(&done, &health, Duration::ZERO, false), Err(Miss::TooLong));
        assert!(started.elapsed() >= LAST_LOOKS);
        drop(tell);
        assert_eq!(wait(&done, &health, Duration::ZERO, false), Err(Miss::Gone));
    }

    #[test]
    fn who_wants_the_device_alone_waits_while_a_model_is_placed() {
        let ((tell, done), health) = (bounded(1), health());
        health.placing.store(true, Relaxed);
        assert_eq!(wait(&done, &health, Duration::ZERO, false), Err(Miss::Placing), "the CPU answers");
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(LAST_LOOKS * 2);
                tell.send(Ok(()))
            });
            assert_eq!(wait(&done, &health, PAUSE, true), Ok(Ok(())));
        });
    }
}
