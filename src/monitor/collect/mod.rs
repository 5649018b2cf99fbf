//! The thread that knows: it empties the rings, counts what they held, and judges it.
//!
//! All state is this thread's own. Whoever wants to know something sends a question.

mod baseline;
mod batch;
mod kept;
pub mod offline;
mod opinion;
mod promote;
mod publish;
mod rate;
mod sides;
mod view;
mod watched;

pub use baseline::Baseline;
pub use opinion::Judged;
pub use promote::{Promoted, TooFew};
pub use sides::Side;
pub use view::View;
pub use watched::Watched;

use super::handle::{Slots, Subject};
use super::settings::Settings;
use super::tap::Tap;
use super::tap::record;
use super::tap::ring::{Drain, Rings};
use crate::sync::priority;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often the rings are emptied.
const TICK: Duration = Duration::from_millis(50);
/// How often levels are looked at.
const RATES: Duration = Duration::from_secs(1);

/// What the thread is asked.
pub enum Command {
    Watch(Box<Subject>, Arc<Tap>),
    Ask(Box<dyn FnOnce(&mut Collector) + Send>),
    Stop,
}

/// Everything that is watched.
pub struct Collector {
    settings: Settings,
    rings: Arc<Rings>,
    slots: Arc<Slots>,
    drain: Drain,
    /// By the number in the records.
    watched: BTreeMap<u16, Watched>,
    rates_due: Instant,
}

impl Collector {
    pub(super) fn new(settings: Settings, rings: Arc<Rings>, slots: Arc<Slots>) -> Self {
        let rates_due = Instant::now() + RATES;
        Self { settings, rings, slots, drain: Drain::default(), watched: BTreeMap::new(), rates_due }
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        priority::lower_this_thread(priority::BACKGROUND);
        let mut due = Instant::now() + TICK;
        loop {
            match commands.recv_deadline(due) {
                Ok(Command::Watch(subject, tap)) => self.watch(*subject, tap),
                Ok(Command::Ask(question)) => {
                    // The answer counts all that was there when it was asked.
                    self.take(now_ms());
                    question(&mut self);
                }
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.tick(now_ms());
                    due = Instant::now() + TICK;
                }
            }
        }
        let now = now_ms();
        self.take(now);
        for watched in self.watched.values_mut() {
            watched.close(now);
        }
    }

    fn watch(&mut self, subject: Subject, tap: Arc<Tap>) {
        // Two that write the same files would undo each other's work: what is there is closed first.
        let same =
            |watched: &Watched| watched.subject.model == subject.model && watched.subject.version == subject.version;
        let now = now_ms();
        self.watched.values_mut().filter(|watched| same(watched)).for_each(|watched| watched.close(now));
        let watched = Watched::new(subject, tap, self.settings.directory.as_deref());
        self.watched.insert(watched.id(), watched);
    }

    /// Counts what is in the rings.
    fn take(&mut self, now: u64) {
        let watched = &mut self.watched;
        self.drain.all(&self.rings, |words| {
            for (head, body) in record::records(words) {
                if let Some(watched) = watched.get_mut(&head.tap) {
                    watched.take(head, body, now);
                }
            }
        });
    }

    fn tick(&mut self, now: u64) {
        self.take(now);
        self.retire(now);
        if Instant::now() >= self.rates_due {
            let elapsed = RATES + self.rates_due.elapsed();
            self.rates_due = Instant::now() + RATES;
            self.rates(now, elapsed);
        }
        for watched in self.watched.values_mut() {
            watched.turn(now, self.settings.pane);
            let judged = watched.opinions.catch_up(&watched.history, &watched.baseline);
            if watched.has_news() || !judged.is_empty() {
                watched.publish(now);
            }
        }
    }

    /// Lets go of versions that nobody holds any more.
    fn retire(&mut self, now: u64) {
        let gone: Vec<u16> =
            self.watched.iter().filter(|(_, watched)| watched.is_abandoned()).map(|(id, _)| *id).collect();
        if gone.is_empty() {
            return;
        }
        // Their last records were written before the last holder went.
        self.take(now);
        for id in gone {
            if let Some(mut watched) = self.watched.remove(&id) {
                watched.close(now);
            }
            self.slots.give_back(id);
        }
    }

    fn rates(&mut self, now: u64, elapsed: Duration) {
        for watched in self.watched.values_mut() {
            watched.note_rate(elapsed.as_secs_f64());
        }
        let active = self.watched.values().filter(|watched| watched.is_active()).count().max(1) as f64;
        let share = self.settings.values_per_second / active;
        for watched in self.watched.values_mut() {
            watched.keep_budget(share, now);
        }
    }
}

impl Collector {
    /// The version of this name that was watched last.
    pub fn find(&mut self, model: &str, version: &str) -> Option<&mut Watched> {
        let is = |watched: &Watched| watched.subject.model == model && watched.subject.version == version;
        self.watched.values_mut().filter(|watched| is(watched)).max_by_key(|watched| watched.born)
    }
}

/// Milliseconds since 1970, by the system's clock.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

#[cfg(test)]
mod tests;
