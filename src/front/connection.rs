//! Who is connected, and since when they have kept us waiting.
//!
//! Each connection has a [`Pulse`] that its socket and its requests touch; a keeper looks at all of
//! them a few times a second and ends those that sent half a head and stopped, or nothing at all.
//! So a time limit costs a request no timer of its own.

use super::incoming::Framing;
use crate::sync::primitive::{AtomicBool, AtomicU32, AtomicU64};
use std::collections::HashMap;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// How often the keeper looks; time limits are kept to this.
const LOOK: Duration = Duration::from_millis(250);

/// Limits on connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub connections: usize,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// From a head's first byte to its last.
    pub header_time: Duration,
    /// Without a request.
    pub idle_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_bytes: 64 << 10,
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
        }
    }
}

/// All open connections of a port.
pub(super) struct Connections {
    pub limits: Limits,
    open: Mutex<HashMap<u64, (Arc<Pulse>, AbortHandle)>>,
    next: AtomicU64,
    started: Instant,
    /// Milliseconds since `started`, as of the keeper's last look: read per request, so it is kept
    /// instead of asked for.
    clock: AtomicU64,
}

impl Connections {
    pub fn new(limits: Limits) -> Arc<Self> {
        let (open, next, clock) = (Mutex::default(), AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { limits, open, next, started: Instant::now(), clock })
    }

    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Makes the pulse of a new connection.
    pub fn pulse(self: &Arc<Self>) -> Arc<Pulse> {
        Arc::new(Pulse {
            connections: self.clone(),
            number: self.next.fetch_add(1, Relaxed),
            in_flight: AtomicU32::new(0),
            // A new connection owes us a head, or at least its protocol.
            head: AtomicBool::new(true),
            http2: AtomicBool::new(false),
            since: AtomicU64::new(self.clock.load(Relaxed)),
            framing: Framing::default(),
        })
    }

    /// Watches a connection until [`Connections::close`].
    pub fn watch(&self, pulse: &Arc<Pulse>, task: AbortHandle) {
        if task.is_finished() {
            return;
        }
        self.lock().insert(pulse.number, (pulse.clone(), task));
    }

    pub fn close(&self, pulse: &Pulse) {
        self.lock().remove(&pulse.number);
    }

    /// Ends connections that keep us waiting; runs until dropped.
    pub async fn keep(&self) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.clock.store(now, Relaxed);
            self.lock().retain(|_, (pulse, task)| {
                let late = pulse.is_late(now);
                if late {
                    tracing::debug!(flag = pulse.flag(), "a connection kept the server waiting and was closed");
                    task.abort();
                }
                !late && !task.is_finished()
            });
        }
    }

    /// No code panics while it holds the map, so a poisoned lock holds a whole value.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, (Arc<Pulse>, AbortHandle)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one connection is doing.
pub(super) struct Pulse {
    connections: Arc<Connections>,
    number: u64,
    in_flight: AtomicU32,
    /// A head has begun and not ended.
    head: AtomicBool,
    http2: AtomicBool,
    /// Since when it has been waited for.
    since: AtomicU64,
    pub framing: Framing,
}

impl Pulse {
    pub fn set_http2(&self) {
        self.http2.store(true, Relaxed);
        self.idle();
    }

    /// Counts a request as being answered until the guard is dropped.
    pub fn request(self: &Arc<Self>) -> Busy {
        self.in_flight.fetch_add(1, Relaxed);
        Busy(self.clone())
    }

    /// Takes in that bytes came.
    pub fn received(&self) {
        if self.in_flight.load(Relaxed) > 0 {
            return;
        }
        // Frames of HTTP/2 come at any time; only their absence counts.
        if self.http2.load(Relaxed) || !self.head.swap(true, Relaxed) {
            self.touch();
        }
    }

    fn idle(&self) {
        self.head.store(false, Relaxed);
        self.touch();
    }

    fn touch(&self) {
        self.since.store(self.connections.clock.load(Relaxed), Relaxed);
    }

    fn is_late(&self, now: u64) -> bool {
        // First of all, as whoever ended the last request has left the time before: see `Busy`.
        if self.in_flight.load(Acquire) > 0 {
            return false;
        }
        let limits = &self.connections.limits;
        let limit = if self.head.load(Relaxed) { limits.header_time } else { limits.idle_time };
        let waited = Duration::from_millis(now.saturating_sub(self.since.load(Relaxed)));
        waited > limit
    }

    fn flag(&self) -> &'static str {
        if self.head.load(Relaxed) { "--header-timeout" } else { "--idle-timeout" }
    }
}

/// A request being answered.
pub(super) struct Busy(Arc<Pulse>);

impl Busy {
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // The time first: a keeper who sees no request any more must see since when.
        self.0.idle();
        self.0.in_flight.fetch_sub(1, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { header_time: Duration::from_secs(10), idle_time: Duration::from_secs(75), ..Limits::default() }
    }

    #[test]
    fn half_a_head_is_late_sooner_than_silence() {
        let pulse = Connections::new(limits()).pulse();
        assert!(!pulse.is_late(10_000));
        assert!(pulse.is_late(10_001), "a new connection owes a head");
        drop(pulse.request());
        assert!(!pulse.is_late(75_000), "between requests only silence counts");
        assert!(pulse.is_late(75_001));
        pulse.received();
        assert!(pulse.is_late(10_001), "a begun head counts again");
    }

    #[test]
    fn a_request_being_answered_is_never_late() {
        let pulse = Connections::new(limits()).pulse();
        let (one, two) = (pulse.request(), pulse.request());
        assert!(!pulse.is_late(u64::MAX));
        drop(one);
        assert!(!pulse.is_late(u64::MAX));
        drop(two);
        assert!(pulse.is_late(u64::MAX));
    }
}

#[cfg(all(test, tidegate_loom))]
mod loom_model {
    use super::*;
    use loom::thread;

    /// Long after the pulse was made: what was last heard of it counts for nothing.
    const NOW: u64 = 1_000_000;

    fn pulse() -> Arc<Pulse> {
        let connections = Connections::new(Limits::default());
        let pulse = connections.pulse();
        connections.clock.store(NOW, Relaxed);
        pulse
    }

    #[test]
    fn a_connection_is_not_late_while_its_last_request_ends() {
        loom::model(|| {
            let pulse = pulse();
            let busy = pulse.request();
            let request = thread::spawn(move || drop(busy));
            assert!(!pulse.is_late(NOW));
            request.join().expect("no panic");
            assert!(!pulse.is_late(NOW));
            assert!(pulse.is_late(u64::MAX), "from the end on it is waited for again");
        });
    }

    #[test]
    fn a_connection_is_not_late_while_requests_come_and_go() {
        loom::model(|| {
            let pulse = pulse();
            pulse.http2.store(true, Relaxed);
            let first = pulse.request();
            let second = {
                let pulse = pulse.clone();
                thread::spawn(move || drop(pulse.request()))
            };
            let first = thread::spawn(move || drop(first));
            assert!(!pulse.is_late(NOW));
            first.join().expect("no panic");
            second.join().expect("no panic");
            assert!(!pulse.is_late(NOW));
            assert_eq!(pulse.in_flight.load(Relaxed), 0);
        });
    }
}
