//! The monitor as the rest of the process holds it.

use super::collect::{self, Command, Promoted, TooFew, View};
use super::history::Span;
use super::reference::Profile;
use super::settings::{ModelSettings, Settings};
use super::tap::Tap;
use super::tap::layout::Layout;
use super::tap::ring::{CAPACITY, Rings};
use crossbeam::channel::{Sender, unbounded};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// A version that is to be watched.
#[derive(Clone, Debug)]
pub struct Subject {
    pub model: String,
    pub version: String,
    /// Of its files: what was seen of other content under the same number is not mixed with it.
    pub digest: String,
    pub layout: Layout,
    pub settings: ModelSettings,
    /// What the version's inputs looked like in training.
    pub reference: Option<Arc<Profile>>,
}

/// Watches versions on a thread of its own.
pub struct Monitor {
    rings: Arc<Rings>,
    slots: Arc<Slots>,
    /// Unbounded: one command per version and per caller of the admin port.
    commands: Sender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The collector has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("monitoring has stopped")]
pub struct Stopped;

impl Monitor {
    pub fn start(settings: Settings) -> std::io::Result<Self> {
        let (rings, slots) = (Arc::new(Rings::new(CAPACITY)), Arc::new(Slots::default()));
        let (commands, asked) = unbounded();
        let collector = collect::Collector::new(settings, rings.clone(), slots.clone());
        let thread = std::thread::Builder::new().name("monitor".into()).spawn(move || collector.run(&asked))?;
        Ok(Self { rings, slots, commands, thread: Mutex::new(Some(thread)) })
    }

    /// Watches a version until the last holder of its tap has gone. `None` where as many are watched
    /// as can be told apart.
    pub fn watch(&self, subject: Subject) -> Option<Arc<Tap>> {
        let id = self.slots.take()?;
        let tap = Arc::new(Tap::new(id, subject.layout.clone(), self.rings.clone()));
        let _ = self.commands.send(Command::Watch(Box::new(subject), tap.clone()));
        Some(tap)
    }

    /// Runs a question on the collector's thread, which alone knows what was seen.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut collect::Collector) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        let asked = Command::Ask(Box::new(move |collector| {
            let _ = answer.send(question(collector));
        }));
        self.commands.send(asked).map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }

    /// All about the last `span` of a version; `None` where it is not watched.
    pub async fn view(&self, model: &str, version: &str, span: Span) -> Result<Option<View>, Stopped> {
        let (model, version) = (model.to_owned(), version.to_owned());
        self.ask(move |collector| {
            let watched = collector.find(&model, &version)?;
            Some(watched.view(span, collect::now_ms()))
        })
        .await
    }

    /// Takes what came during the last `span` as what later windows are compared with.
    pub async fn promote(
        &self,
        model: &str,
        version: &str,
        span: Span,
    ) -> Result<Option<Result<Promoted, TooFew>>, Stopped> {
        let (model, version) = (model.to_owned(), version.to_owned());
        self.ask(move |collector| {
            let watched = collector.find(&model, &version)?;
            Some(watched.promote(span, collect::now_ms()))
        })
        .await
    }

    /// Closes all panes, keeps them, and ends the thread.
    pub fn stop(&self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The numbers by which records name their tap. One is given again only when the collector has seen
/// the last record that bears it.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<Vec<bool>>);

impl Slots {
    fn take(&self) -> Option<u16> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = taken.iter().position(|taken| !taken).unwrap_or(taken.len());
        let id = u16::try_from(free).ok()?;
        match taken.get_mut(free) {
            Some(slot) => *slot = true,
            None => taken.push(true),
        }
        Some(id)
    }

    pub fn give_back(&self, id: u16) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = taken.get_mut(usize::from(id)) {
            *slot = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_again_when_it_came_back() {
        let slots = Slots::default();
        assert_eq!([slots.take(), slots.take(), slots.take()], [Some(0), Some(1), Some(2)]);
        slots.give_back(1);
        assert_eq!([slots.take(), slots.take()], [Some(1), Some(3)]);
    }
}
