//! How a device is, for all who look: sessions, probes, metrics.

use super::driver::{Gate, Report};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;

/// How long the end of the process waits for a call to come back from the driver.
const CLOSING: Duration = Duration::from_secs(1);

/// Counts and state of one device.
#[derive(Debug)]
pub struct Health {
    pub report: Report,
    gate: Gate,
    lost: AtomicBool,
    /// The process ends: that the driver is called no more is no loss.
    closed: AtomicBool,
    /// How often the device's thread has looked at the batches on their way.
    pub looks: AtomicU64,
    /// A model is being placed: the device's thread has no eye for batches.
    pub placing: AtomicBool,
    reason: Mutex<String>,
    /// Batches that the device has answered, and rows in them.
    pub batches: AtomicU64,
    pub rows: AtomicU64,
    /// Batches that the CPU computed because the device failed them.
    pub rescued: AtomicU64,
    /// Batches that found no slot free and went to the CPU.
    pub turned_away: AtomicU64,
    /// Nanoseconds of work that the device has before it.
    pending: AtomicU64,
    /// Bytes of the device's memory that models hold.
    pub held_bytes: AtomicUsize,
}

impl Health {
    pub fn new(report: Report, gate: Gate) -> Self {
        Self {
            report,
            gate,
            lost: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            looks: AtomicU64::new(0),
            placing: AtomicBool::new(false),
            reason: Mutex::new(String::new()),
            batches: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            rescued: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
            pending: AtomicU64::new(0),
            held_bytes: AtomicUsize::new(0),
        }
    }

    pub fn is_lost(&self) -> bool {
        self.lost.load(SeqCst)
    }

    /// Why the device was given up, if it was.
    pub fn lost(&self) -> Option<String> {
        let reason = || self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.is_lost().then(reason)
    }

    /// Gives the device up, for good. The first reason stays.
    pub fn lose(&self, reason: &str) {
        let mut kept = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.lost.load(SeqCst) {
            kept.push_str(reason);
            self.lost.store(true, SeqCst);
            if !self.closed.load(SeqCst) {
                tracing::error!(device = self.report.ordinal, name = %self.report.name, reason, "the GPU is given up; the CPU takes over");
            }
        }
        // Behind the reason, which would else be that of a call that met the shut gate.
        self.gate.shut();
    }

    /// Ends all calls to the driver, and waits for the one that is on its way.
    pub fn close(&self) {
        self.closed.store(true, SeqCst);
        self.gate.shut_and_wait(CLOSING);
    }

    /// Work that the device has before it.
    pub fn pending(&self) -> Duration {
        Duration::from_nanos(self.pending.load(Relaxed))
    }

    pub fn begin(&self, work: Duration) {
        self.pending.fetch_add(nanoseconds(work), Relaxed);
    }

    pub fn end(&self, work: Duration) {
        self.pending.fetch_sub(nanoseconds(work), Relaxed);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
