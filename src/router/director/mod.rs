//! The one writer of aliases and traffic plans: a thread that takes changes in, keeps them, puts them
//! into force, and runs canaries.
//!
//! A change is worked out and checked first, then written to the state file, then published; so after
//! a crash at any point the old plan or the new one is in force, and what was refused left no trace.

mod change;
mod counts;
mod file;
mod gate;
mod layers;
mod ramp;
mod run;
mod state;
mod store;
mod webhook;
mod wish;

pub use change::{Change, ChangeError};

use crate::registry::{Directive, Registry, VersionNumber};
use crossbeam::channel::{Sender, bounded, unbounded};
use run::Desk;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use store::Store;
use tokio::sync::oneshot;

/// How often versions that are on their way are looked for.
const LOOK: Duration = Duration::from_millis(5);

/// Where plans come from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where state and the audit log are kept; without it they end with the process.
    pub state: Option<PathBuf>,
    /// A file of plans, which then wins over the state and closes the API for changes.
    pub file: Option<PathBuf>,
    /// How long a change waits for versions that it needs.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { state: Some(PathBuf::from("state")), file: None, patience: Duration::from_secs(30) }
    }
}

/// What a caller asks for beside the change itself.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// The tag that the plan must have now.
    pub if_match: Option<String>,
    /// Only say what would change.
    pub dry_run: bool,
}

/// A change that was made, or would be.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    pub tag: u64,
    pub before: Value,
    pub after: Value,
    /// What is different, in words.
    pub changes: Vec<String>,
}

/// What was read from disk before anything started.
pub struct Prepared {
    settings: Settings,
    store: Store,
    desk: run::Start,
}

impl Prepared {
    /// Reads the state or the file of plans; the error says what is wrong with it.
    pub fn read(settings: Settings) -> Result<Self, String> {
        let store = match settings.file {
            None => Store::new(settings.state.clone()),
            Some(_) => Store::log_only(settings.state.clone()),
        };
        let desk = run::Start::read(&settings, &store)?;
        Ok(Self { settings, store, desk })
    }

    /// The wishes that count from the registry's first look on.
    pub fn directives(&self) -> BTreeMap<String, Directive> {
        self.desk.directives()
    }
}

enum Message {
    Change { model: String, change: Change, terms: Terms, answer: oneshot::Sender<Result<Changed, ChangeError>> },
    Show { model: String, answer: oneshot::Sender<Result<(u64, Value), ChangeError>> },
    Stage { model: String, versions: BTreeSet<VersionNumber>, answer: oneshot::Sender<()> },
}

/// The way to the thread.
pub struct Director {
    registry: Arc<Registry>,
    messages: Sender<Message>,
    patience: Duration,
    stop: Mutex<Option<Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Director {
    pub fn start(prepared: Prepared, registry: &Arc<Registry>) -> std::io::Result<Self> {
        let Prepared { settings, store, desk } = prepared;
        let (messages, asked) = unbounded();
        let (stop, stopped) = bounded(1);
        let desk = Desk::new(desk, store, registry.clone());
        let thread = std::thread::Builder::new().name("traffic".into()).spawn(move || desk.work(&stopped, &asked))?;
        Ok(Self {
            registry: registry.clone(),
            messages,
            patience: settings.patience,
            stop: Mutex::new(Some(stop)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Makes a change, or says why not. Versions that it needs and that are not loaded yet are loaded
    /// and waited for first.
    pub async fn change(&self, model: &str, change: Change, terms: Terms) -> Result<Changed, ChangeError> {
        match self.try_change(model, change.clone(), terms.clone()).await {
            Err(ChangeError::Load(versions)) => {
                self.load(model, versions).await;
                match self.try_change(model, change, terms).await {
                    Err(ChangeError::Load(versions)) => Err(self.too_slow(model, &versions)),
                    answer => answer,
                }
            }
            answer => answer,
        }
    }

    async fn try_change(&self, model: &str, change: Change, terms: Terms) -> Result<Changed, ChangeError> {
        let (answer, answered) = oneshot::channel();
        let _ = self.messages.send(Message::Change { model: model.to_owned(), change, terms, answer });
        answered.await.unwrap_or(Err(ChangeError::Stopping))
    }

    /// Has versions loaded and waits until each is there or has failed.
    async fn load(&self, model: &str, versions: BTreeSet<VersionNumber>) {
        let (answer, answered) = oneshot::channel();
        let _ = self.messages.send(Message::Stage { model: model.to_owned(), versions: versions.clone(), answer });
        let _ = answered.await;
        let until = Instant::now() + self.patience;
        while Instant::now() < until && versions.iter().any(|number| self.is_coming(model, *number)) {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn is_coming(&self, model: &str, number: VersionNumber) -> bool {
        use crate::registry::State;
        let catalog = self.registry.catalog();
        let Some(slot) = catalog.get(model) else { return false };
        let status = slot.status.load();
        let ended = |line: &crate::registry::VersionStatus| line.version == number && line.state == State::Failed;
        !slot.serving.load().versions.contains_key(&number) && !status.versions.iter().any(ended)
    }

    fn too_slow(&self, model: &str, versions: &BTreeSet<VersionNumber>) -> ChangeError {
        let version = versions.iter().next().copied().unwrap_or(VersionNumber(0));
        let reason = format!("it is not loaded after {} s; try again later", self.patience.as_secs_f64());
        ChangeError::NotReady { field: "version".into(), model: model.to_owned(), version, reason }
    }

    /// The plan of a model with its tag, and how its canary stands.
    pub async fn show(&self, model: &str) -> Result<(u64, Value), ChangeError> {
        let (answer, answered) = oneshot::channel();
        let _ = self.messages.send(Message::Show { model: model.to_owned(), answer });
        answered.await.unwrap_or(Err(ChangeError::Stopping))
    }

    /// Ends the thread; what is in force stays.
    pub fn stop(&self) {
        drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        self.stop();
    }
}
