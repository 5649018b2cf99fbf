//! The registry's own thread: look, order, take in, publish.

mod control;
mod readiness;
mod tell;

use super::control::{Message, Waiter};
use super::directive::Directive;
use super::events::{Event, Events, Moment, Who};
use super::loader::{Loader, Outcome};
use super::settings::{Control, Settings};
use super::slot::{Catalog, Slot};
use super::source::{self, Found, FoundModel, ModelName, Stamp, VersionNumber};
use super::tracked::{Look, Tracked};
use super::upload::{self, Upload, UploadError};
use super::version::{LoadFailure, Version};
use crate::batcher::Pool;
use crate::engine::Origin;
use crate::engine::device::Device;
use crate::metrics::{names, process};
use crate::monitor::Monitor;
use crate::sync::memory;
use arc_swap::ArcSwap;
use crossbeam::channel::{Receiver, Sender, after, bounded, never, select, tick, unbounded};
pub use readiness::Readiness;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tell::Told;

/// How long a start waits for files that never come to rest.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// A look may take one part in this many of the thread's time, so that many models do not eat a core.
const LOOK_SHARE: u32 = 20;
/// Yet a new version is seen within this time.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The models in service, kept true by a thread of its own.
pub struct Registry {
    shared: Arc<Shared>,
    device: Device,
    monitor: Option<Arc<Monitor>>,
    series: usize,
    /// Unbounded: each caller has at most one in it, and callers are as many as connections.
    commands: Sender<Message>,
    stop: Mutex<Option<Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    catalog: ArcSwap<Catalog>,
    required: Vec<String>,
    /// Whether only what was asked for is loaded.
    explicit: bool,
    paths: Vec<PathBuf>,
    device: Device,
    events: Events,
    /// Set once everything found at start has been tried.
    tried: Mutex<bool>,
    tried_now: Condvar,
}

impl Registry {
    /// Starts watching; returns before anything is loaded.
    pub fn start(settings: Settings, pool: &Arc<Pool>) -> std::io::Result<Self> {
        Self::start_with(settings, pool, BTreeMap::new())
    }

    /// The same with the wishes of the traffic control, which count from the first look on.
    pub fn start_with(
        settings: Settings,
        pool: &Arc<Pool>,
        directives: BTreeMap<String, Directive>,
    ) -> std::io::Result<Self> {
        let explicit = settings.control == Control::Explicit;
        let (required, paths) = (settings.required.clone(), settings.paths.clone());
        let device = super::device::find(&settings.device)?;
        let shared = Arc::new(Shared { required, explicit, paths, device: device.clone(), ..Shared::default() });
        let series = settings.monitor.series;
        let monitor = settings.monitor.enabled.then(|| Monitor::start(settings.monitor.clone())).transpose()?;
        let monitor = monitor.map(Arc::new);
        let loader = Loader::start(&settings, pool, &device, monitor.as_ref())?;
        let (stop, stopped) = bounded(1);
        let (commands, asked) = unbounded();
        let watcher = Watcher {
            shared: shared.clone(),
            settings,
            loader,
            models: BTreeMap::new(),
            directives,
            retired: Vec::new(),
            waiting: Vec::new(),
            warned: Vec::new(),
            started: Instant::now(),
            untried: None,
        };
        let thread =
            std::thread::Builder::new().name("registry".into()).spawn(move || watcher.watch(&stopped, &asked))?;
        let (stop, thread) = (Mutex::new(Some(stop)), Mutex::new(Some(thread)));
        Ok(Self { shared, device, monitor, series, commands, stop, thread })
    }

    /// The models as they are now. Hold it no longer than it takes to find a slot.
    pub fn catalog(&self) -> arc_swap::Guard<Arc<Catalog>> {
        self.shared.catalog.load()
    }

    /// Blocks until everything found at start has been tried, or the registry has stopped.
    pub fn wait_until_tried(&self) {
        let mut tried = self.shared.tried.lock().unwrap_or_else(PoisonError::into_inner);
        while !*tried {
            tried = self.shared.tried_now.wait(tried).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What computes beside the CPU, or why nothing does.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What watches the models, if they are watched.
    pub fn monitor(&self) -> Option<&Arc<Monitor>> {
        self.monitor.as_ref()
    }

    /// Series of single columns that metrics may show.
    pub fn series(&self) -> usize {
        self.series
    }

    pub fn readiness(&self) -> Readiness {
        self.shared.readiness()
    }

    /// Adds a line to what happened.
    pub fn tell(&self, event: Event) {
        self.shared.events.put(event);
    }

    /// Puts files and settings into a model's directory, for a load that follows.
    pub async fn upload(&self, upload: Upload) -> Result<(), UploadError> {
        let shared = self.shared.clone();
        let put = tokio::task::spawn_blocking(move || upload::put(&upload, &shared.paths));
        put.await.unwrap_or_else(|error| Err(UploadError::Io(error.to_string())))
    }

    /// What happened to the models, the oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.shared.events.list()
    }

    /// Ends the thread. What serves goes on serving.
    pub fn stop(&self) {
        drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.shared.set_tried();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
        if let Some(monitor) = &self.monitor {
            monitor.stop();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn set_tried(&self) {
        *self.tried.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.tried_now.notify_all();
    }
}

struct Watcher {
    shared: Arc<Shared>,
    settings: Settings,
    loader: Loader,
    models: BTreeMap<ModelName, (Tracked, Arc<Slot>)>,
    /// Wishes by model, also for models that are not there yet.
    directives: BTreeMap<String, Directive>,
    /// Versions out of service that may still be answering.
    retired: Vec<Arc<Version>>,
    /// Requests that are not done yet.
    waiting: Vec<Waiter>,
    /// What the last look warned of.
    warned: Vec<String>,
    started: Instant,
    /// What the first look found and has not been tried yet; `None` before that look.
    untried: Option<BTreeSet<(ModelName, VersionNumber)>>,
}

impl Watcher {
    fn watch(mut self, stopped: &Receiver<()>, asked: &Receiver<Message>) {
        // Draining versions are let go even where nothing is polled.
        let reap = tick(self.settings.poll);
        let outcomes = self.loader.outcomes.clone();
        let mut next_look = self.look();
        loop {
            select! {
                recv(stopped) -> _ => return,
                recv(outcomes) -> outcome => match outcome {
                    Ok(outcome) => {
                        self.take_in(outcome);
                        if self.has_seen_enough() {
                            next_look = never();
                        }
                    }
                    Err(_) => return,
                },
                recv(asked) -> command => match command {
                    Ok(Message::Control(command)) => next_look = self.obey(command).unwrap_or(next_look),
                    Ok(Message::Direct(direction)) => self.direct(*direction),
                    Err(_) => return,
                },
                recv(next_look) -> _ => next_look = self.look(),
                recv(reap) -> _ => self.reap(),
            }
        }
    }

    fn now(&self) -> Look {
        Look { now: Instant::now(), wall: SystemTime::now(), settle: self.settings.settle }
    }

    /// One look at the disk, and what follows from it. Answers when to look again.
    fn look(&mut self) -> Receiver<Instant> {
        let look = self.now();
        let found = source::find(&self.settings.paths);
        self.drop_gone(&found, look);
        for (name, model) in &found.models {
            let follows = self.settings.control != Control::Explicit;
            let directive = || self.directives.get(name.as_str()).cloned().unwrap_or_default();
            let slot = || (Tracked::new(name.clone(), follows, directive()), Arc::new(Slot::new(name.clone())));
            let (tracked, _) = self.models.entry(name.clone()).or_insert_with(slot);
            tracked.see(model, look, |file| is_unreadable(&found, file));
        }
        self.warn(&found);
        self.order();
        self.publish(Who::Watcher);
        let pause = (look.now.elapsed() * LOOK_SHARE).min(LONGEST_PAUSE).max(self.settings.poll);
        if self.has_seen_enough() { never() } else { after(pause) }
    }

    /// Whether no file is to be looked at any more: what was still being written at the start is waited for.
    fn has_seen_enough(&self) -> bool {
        self.settings.control == Control::None && self.untried.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// Says what was passed over, once per change.
    fn warn(&mut self, found: &Found) {
        let unreadable =
            found.unreadable.iter().map(|(path, reason)| format!("{} cannot be read: {reason}", path.display()));
        let warnings: Vec<String> = unreadable.chain(found.passed_over.iter().cloned()).collect();
        if warnings != self.warned {
            for warning in warnings.iter().filter(|warning| !self.warned.contains(warning)) {
                tracing::warn!("{warning}");
            }
            self.warned = warnings;
        }
    }

    /// Models that are not found any more lose their versions, and then their place.
    fn drop_gone(&mut self, found: &Found, look: Look) {
        let mut empty = Vec::new();
        for (name, (tracked, _)) in &mut self.models {
            if found.models.contains_key(name) {
                continue;
            }
            let hidden = |file: &Stamp| is_unreadable(found, file);
            tracked.see(&FoundModel::default(), look, hidden);
            if tracked.files().next().is_none() {
                empty.push(name.clone());
            }
        }
        for name in empty {
            if let Some((tracked, _)) = self.models.remove(&name) {
                tracing::info!(model = %name, "model removed");
                let left = tracked.into_versions();
                tell::unloaded(&self.shared.events, Who::Watcher, &left);
                self.retired.extend(left);
            }
        }
    }

    fn order(&mut self) {
        for (tracked, _) in self.models.values_mut() {
            for order in tracked.orders() {
                self.loader.order(order);
            }
        }
    }

    fn take_in(&mut self, outcome: Outcome) {
        let look = self.now();
        let Outcome { order, result } = outcome;
        let mut who = Who::Watcher;
        // The model may have gone while its version was loaded.
        if let Some((tracked, _)) = self.models.get_mut(&order.model) {
            let (model, version) = (order.model.clone(), order.found.number);
            // A version that changed while it was read is tried again, for whoever asked for it.
            if !matches!(result, Err(LoadFailure::Changed)) && tracked.take_credit(version) {
                who = Who::Api;
            }
            let told = Told { events: &self.shared.events, who, order: &order };
            let before = tracked.in_service(version).map(|version| Moment::of(version));
            match result {
                Ok(loaded) => {
                    log_loaded(&loaded);
                    told.loaded(before, &loaded);
                    process::counter(names::SWAPS, "result", "ok").increment(1);
                    self.retired.extend(tracked.succeeded(order, loaded));
                }
                Err(LoadFailure::Unchanged) => tracked.unchanged(order),
                Err(LoadFailure::Changed) => tracked.changed(&order, look),
                Err(LoadFailure::Unreadable(reason)) => {
                    tracing::warn!(%model, %version, reason, "version cannot be loaded now");
                    told.failed(before, &reason);
                    tracked.unreadable(order, reason, look);
                }
                Err(LoadFailure::Failed(reason)) => {
                    tracing::error!(%model, %version, reason, "version failed; what serves stays");
                    told.failed(before, &reason);
                    process::counter(names::SWAPS, "result", "failed").increment(1);
                    tracked.failed(order, reason);
                }
            }
        }
        self.order();
        self.publish(who);
    }

    /// Stores what serves now, model by model, and the list of models where it has changed.
    fn publish(&mut self, who: Who) {
        for (tracked, slot) in self.models.values_mut() {
            let (serving, left) = tracked.serve();
            tell::swapped(&self.shared.events, who, slot, &serving);
            tell::unloaded(&self.shared.events, who, &left);
            self.retired.extend(left);
            if !slot.serving.load().is_same(&serving) {
                slot.serving.store(Arc::new(serving));
            }
        }
        self.publish_status();
        let catalog = self.shared.catalog.load();
        if !catalog.looked
            || catalog.models.len() != self.models.len()
            || self.models.keys().any(|name| catalog.get(name.as_str()).is_none())
        {
            let models = self.models.iter().map(|(name, (_, slot))| (name.clone(), slot.clone())).collect();
            self.shared.catalog.store(Arc::new(Catalog { looked: true, models }));
        }
        self.check_tried();
        self.answer_waiting();
    }

    /// Tells whoever waits once everything the first look found has been tried.
    fn check_tried(&mut self) {
        let models = &self.models;
        let pending = |name: &ModelName| models.get(name).map(|(tracked, _)| tracked.pending()).unwrap_or_default();
        let all = || models.keys().flat_map(|name| pending(name).into_iter().map(|number| (name.clone(), number)));
        let untried = self.untried.get_or_insert_with(|| all().collect());
        untried.retain(|(name, number)| pending(name).contains(number));
        if self.started.elapsed() > START_PATIENCE {
            // Files that never come to rest are not waited for; what is being loaded is.
            untried.retain(|(name, number)| models.get(name).is_some_and(|(tracked, _)| tracked.is_loading(*number)));
        }
        if untried.is_empty() {
            self.shared.set_tried();
        }
    }

    fn publish_status(&self) {
        for (name, (tracked, slot)) in &self.models {
            let draining: Vec<&Arc<Version>> = self.retired.iter().filter(|version| version.model == *name).collect();
            let status = tracked.status(&draining);
            if **slot.status.load() != status {
                slot.status.store(Arc::new(status));
            }
        }
    }

    /// Lets go of versions whose last request has its answer. Done here, so that freeing a large
    /// model never costs a serving thread its time.
    fn reap(&mut self) {
        let before = self.retired.len();
        self.retired.retain(|version| Arc::strong_count(version) > 1 || Arc::strong_count(&version.lane) > 1);
        if self.retired.len() != before {
            memory::release();
            self.publish_status();
        }
        self.answer_waiting();
    }
}

fn is_unreadable(found: &Found, file: &Stamp) -> bool {
    found.unreadable.iter().any(|(path, _)| file.path.starts_with(path))
}

fn log_loaded(version: &Version) {
    tracing::info!(
        model = %version.model,
        version = %version.number,
        generation = version.generation,
        engine = version.loaded.choice.engine,
        load_ms = (version.load_time.as_secs_f64() * 1e6).round() / 1e3,
        from_cache = version.loaded.origin == Origin::Cache,
        "version loaded"
    );
    for note in &version.notes {
        tracing::warn!(model = %version.model, version = %version.number, note);
    }
}
