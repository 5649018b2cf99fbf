//! The thread: changes, the file, canaries, one after the other.

use super::change::{Change, ChangeError, Next, View};
use super::counts::Past;
use super::file::Watched;
use super::gate::Asked;
use super::ramp::Running;
use super::state::{ModelState, State};
use super::store::Store;
use super::webhook::Caller;
use super::{Changed, Message, Settings, Terms, layers};
use crate::registry::{Directive, Event, Registry, Side, Slot, VersionNumber, What, Who};
use crate::text;
use crate::traffic::{Fault, Live, Plan, Stage};
use crossbeam::channel::{Receiver, select, tick};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often canaries and the file are looked at.
const TICK: Duration = Duration::from_millis(100);

/// What the thread starts with.
pub struct Start {
    state: State,
    file: Option<Watched>,
    lives: BTreeMap<String, Arc<Live>>,
    past: Past,
}

impl Start {
    pub fn read(settings: &Settings, store: &Store) -> Result<Self, String> {
        let mut file = settings.file.clone().map(Watched::new);
        let state = match &mut file {
            None => store.read()?,
            // At a start there is nothing that could stay in force instead.
            Some(file) => match file.look() {
                Some(state) => state,
                None => return Err(file.problem.clone().unwrap_or_else(|| "the file of plans is empty".into())),
            },
        };
        let (mut lives, mut past) = (BTreeMap::new(), Past::read(store));
        for (name, model) in &state.models {
            let live = live(name, model, None).map_err(|fault| format!("models.{name}.traffic.{fault}"))?;
            let Some(live) = live else { continue };
            past.hand(name, &live);
            lives.insert(name.clone(), live);
        }
        Ok(Self { state, file, lives, past })
    }

    pub fn directives(&self) -> BTreeMap<String, Directive> {
        let one = |(name, model): (&String, &ModelState)| (name.clone(), directive(model, self.lives.get(name)));
        self.state.models.iter().map(one).collect()
    }
}

/// The plan of a state, put into force; `before` is the one that it replaces.
fn live(name: &str, model: &ModelState, before: Option<&Live>) -> Result<Option<Arc<Live>>, Fault> {
    let Some(plan) = &model.desired.plan else { return Ok(None) };
    let stage = model.ramp.as_ref().zip(plan.canary.as_ref()).map(|(ramp, canary)| Stage {
        control: ramp.control.clone(),
        weight: ramp.progress.weight(canary),
        slow_over: ramp.progress.slow_over.map(Duration::from_nanos),
    });
    Live::new(name, plan.clone(), stage, before).map(Arc::new).map(Some)
}

fn directive(model: &ModelState, live: Option<&Arc<Live>>) -> Directive {
    Directive {
        aliases: model.desired.aliases.clone(),
        live: live.cloned(),
        hold: model.warm.keys().copied().collect(),
    }
}

/// Everything that the thread has.
pub struct Desk {
    pub(super) state: State,
    file: Option<Watched>,
    pub(super) lives: BTreeMap<String, Arc<Live>>,
    pub(super) ramps: BTreeMap<String, Running>,
    /// What is known of the webhooks of canaries.
    pub(super) gates: BTreeMap<String, Asked>,
    pub(super) caller: Caller,
    /// Why canaries of `model.toml` are not begun, by model.
    pub(super) wishes: BTreeMap<String, String>,
    /// Versions that a change waits for.
    staged: BTreeMap<String, BTreeSet<VersionNumber>>,
    pub(super) store: Store,
    pub(super) past: Past,
    pub(super) registry: Arc<Registry>,
}

impl Desk {
    pub fn new(start: Start, store: Store, registry: Arc<Registry>) -> Self {
        let Start { state, file, lives, past } = start;
        let goes_on = state.models.iter().filter(|(_, model)| model.ramp.is_some());
        let ramps = goes_on.map(|(name, _)| (name.clone(), Running::at(lives.get(name)))).collect();
        let (gates, wishes, staged, caller) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), Caller::new());
        Self { state, file, lives, ramps, gates, caller, wishes, staged, store, past, registry }
    }

    pub(super) fn work(mut self, stopped: &Receiver<()>, asked: &Receiver<Message>) {
        let (ticks, told) = (tick(TICK), self.caller.told.clone());
        loop {
            select! {
                recv(told) -> told => told.into_iter().for_each(|told| self.hear(told)),
                recv(stopped) -> _ => {
                    self.keep_counts();
                    return self.write_counts();
                }
                recv(asked) -> message => match message {
                    Ok(message) => self.obey(message),
                    Err(_) => return,
                },
                recv(ticks) -> _ => {
                    self.follow_file();
                    self.cool();
                    self.recall();
                    self.take_wishes();
                    self.run_ramps();
                    self.write_counts_when_due();
                }
            }
        }
    }

    fn obey(&mut self, message: Message) {
        match message {
            Message::Change { model, change, terms, answer } => {
                drop(answer.send(self.change(&model, &change, &terms)));
            }
            Message::Show { model, answer } => drop(answer.send(self.show(&model))),
            Message::Stage { model, versions, answer } => {
                self.stage(&model, versions);
                let _ = answer.send(());
            }
        }
    }

    /// Has versions loaded that a change waits for.
    pub(super) fn stage(&mut self, model: &str, versions: BTreeSet<VersionNumber>) {
        if self.staged.get(model) != Some(&versions) {
            self.staged.insert(model.to_owned(), versions);
            self.direct(model);
        }
    }

    pub(super) fn unstage(&mut self, model: &str) {
        self.staged.remove(model);
    }

    pub(super) fn is_directed_by_file(&self) -> bool {
        self.file.is_some()
    }

    /// A model's place in the catalog.
    pub(super) fn slot(&self, model: &str) -> Result<Arc<Slot>, ChangeError> {
        let catalog = self.registry.catalog();
        catalog.get(model).cloned().ok_or_else(|| ChangeError::UnknownModel {
            name: text::shorten(model, 60),
            known: catalog.sorted().iter().map(|slot| slot.name.to_string()).collect(),
        })
    }

    pub(super) fn model(&self, model: &str) -> ModelState {
        self.state.models.get(model).cloned().unwrap_or_default()
    }

    fn change(&mut self, model: &str, change: &Change, terms: &Terms) -> Result<Changed, ChangeError> {
        let slot = self.slot(model)?;
        if let Some(file) = &self.file {
            return Err(ChangeError::ReadOnly(format!("the file {}", file.path.display())));
        }
        let before = self.model(model);
        check_tag(before.tag, terms.if_match.as_deref())?;
        let (serving, status) = (slot.serving.load_full(), slot.status.load_full());
        let view = View { model, serving: &serving, status: &status, state: &before, now: now() };
        let next = match view.apply(change) {
            // Nothing is loaded for a question.
            Err(ChangeError::Load(versions)) if terms.dry_run => return Ok(would_load(&before, &versions)),
            next => next?,
        };
        self.check_layers(model, next.state.desired.plan.as_deref())?;
        let changes = differences(&before, &next.state);
        let (shown_before, shown_after) = (before.desired.document(), next.state.desired.document());
        let changed =
            |tag| Changed { tag, before: shown_before.clone(), after: shown_after.clone(), changes: changes.clone() };
        if terms.dry_run {
            live(model, &next.state, None)?;
            return Ok(changed(before.tag));
        }
        self.unstage(model);
        let tag = next.state.tag;
        self.put(model, next, Who::Api, None)?;
        Ok(changed(tag))
    }

    /// Puts a worked-out change into force: on disk first, then for the requests, then in the log.
    pub(super) fn put(&mut self, model: &str, next: Next, who: Who, note: Option<String>) -> Result<(), ChangeError> {
        let before = self.model(model);
        let counts = before.ramp.as_ref().map(|ramp| self.counted(model, ramp)).unwrap_or_default();
        let live = live(model, &next.state, self.lives.get(model).map(AsRef::as_ref))?;
        let mut state = self.state.clone();
        state.models.insert(model.to_owned(), next.state.clone());
        self.store.write(&state).map_err(ChangeError::Store)?;
        self.state = state;
        match live {
            Some(live) => drop(self.lives.insert(model.to_owned(), live)),
            None => drop(self.lives.remove(model)),
        }
        self.begin_ramp(model, before.ramp.as_ref());
        self.direct(model);
        self.tell_webhooks(model, [&before, &next.state], next.what, counts);
        let sides = [&before, &next.state].map(|state| Some(Side::Traffic(state.desired.document())));
        let [before, after] = sides;
        let event = Event { note, ..Event::now(who, next.what, model, before, after) };
        self.log(event);
        Ok(())
    }

    /// Writes the state as it is, where only counts have changed.
    pub(super) fn keep(&self) {
        if let Err(words) = self.store.write(&self.state) {
            tracing::error!(reason = words, "the state of a canary cannot be written");
        }
    }

    /// A line in the log on disk and in the list of events. A change that is in force is not taken
    /// back because its line could not be written.
    pub(super) fn log(&self, event: Event) {
        tracing::info!(model = event.model, what = ?event.what, who = ?event.who, note = event.note, "traffic");
        if let Err(words) = self.store.log(&event) {
            tracing::error!(reason = words, "the audit log cannot be written");
        }
        self.registry.tell(event);
    }

    fn direct(&self, model: &str) {
        let mut directive = directive(&self.model(model), self.lives.get(model));
        directive.hold.extend(self.staged.get(model).into_iter().flatten());
        self.registry.direct(model, directive);
    }

    fn check_layers(&self, model: &str, plan: Option<&Plan>) -> Result<(), ChangeError> {
        let catalog = self.registry.catalog();
        let live = |slot: &Slot| slot.serving.load().routing.as_ref().map(|routing| routing.live.plan.clone());
        let slots = catalog.sorted();
        let others: Vec<_> = slots
            .iter()
            .filter(|slot| slot.name.as_str() != model)
            .map(|slot| (slot.name.as_str(), live(slot)))
            .collect();
        let plans = others.iter().map(|(name, plan)| (*name, plan.as_deref()));
        layers::check(plans.chain([(model, plan)])).map_err(|(_, fault)| ChangeError::Wrong(fault))
    }

    /// Takes in what the file says, where that has changed.
    fn follow_file(&mut self) {
        let Some(state) = self.file.as_mut().and_then(Watched::look) else { return };
        let names: BTreeSet<String> = self.state.models.keys().chain(state.models.keys()).cloned().collect();
        for name in names {
            let (before, wanted) = (self.model(&name), state.models.get(&name).cloned().unwrap_or_default());
            if before.desired == wanted.desired {
                continue;
            }
            let next = ModelState { tag: before.tag + 1, ..wanted };
            if let Err(error) = self.put(&name, Next { what: What::Traffic, state: next }, Who::File, None) {
                tracing::error!(model = name, %error, "the file's plan is not used");
            }
        }
    }

    /// Lets go of versions that were kept long enough.
    fn cool(&mut self) {
        let now = now();
        let due: Vec<String> = self
            .state
            .models
            .iter()
            .filter(|(_, model)| model.warm.values().any(|until| *until <= now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            if let Some(model) = self.state.models.get_mut(&name) {
                model.warm.retain(|_, until| *until > now);
            }
            self.keep();
            self.direct(&name);
        }
    }

    fn show(&self, model: &str) -> Result<(u64, Value), ChangeError> {
        let slot = self.slot(model)?;
        let serving = slot.serving.load();
        let state = self.model(model);
        let live = serving.routing.as_ref().map(|routing| &routing.live);
        let mut shown = live.map_or_else(|| json!({}), |live| live.plan.document());
        let source = match (&self.file, state.desired.plan.is_some(), live) {
            (Some(_), true, _) => "file",
            (None, true, _) => "api",
            (_, false, Some(_)) => "model.toml",
            (_, false, None) => "none",
        };
        let aliases: BTreeMap<_, _> = serving.aliases.iter().map(|(alias, to)| (alias, to.to_string())).collect();
        let weights = live.map(|live| {
            live.names.iter().map(ToString::to_string).zip(live.weights.clone()).collect::<BTreeMap<_, _>>()
        });
        shown["status"] = json!({
            "model": model,
            "tag": state.tag,
            "source": source,
            "aliases": aliases,
            "weights": weights,
            "canary": self.shown_ramp(model),
            "last_canary": state.last,
            "warm": state.warm.keys().map(ToString::to_string).collect::<Vec<_>>(),
            "changes_to_go_back": state.history.len(),
            "problem": self.file.as_ref().and_then(|file| file.problem.as_ref()).or_else(|| self.wishes.get(model)),
        });
        Ok((state.tag, shown))
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn check_tag(current: u64, given: Option<&str>) -> Result<(), ChangeError> {
    let Some(given) = given.filter(|given| *given != "*") else { return Ok(()) };
    let same = given.split(',').any(|one| one.trim().trim_start_matches("W/").trim_matches('"') == current.to_string());
    same.then_some(()).ok_or_else(|| ChangeError::Stale { current, given: text::shorten(given, 60) })
}

fn would_load(before: &ModelState, versions: &BTreeSet<VersionNumber>) -> Changed {
    let shown = before.desired.document();
    let changes = versions.iter().map(|number| format!("version {number} would be loaded first")).collect();
    Changed { tag: before.tag, before: shown.clone(), after: shown, changes }
}

/// What is different, in words.
fn differences(before: &ModelState, after: &ModelState) -> Vec<String> {
    let mut words = Vec::new();
    let aliases: BTreeSet<&String> = before.desired.aliases.keys().chain(after.desired.aliases.keys()).collect();
    for alias in aliases {
        let (a, b) = (before.desired.aliases.get(alias), after.desired.aliases.get(alias));
        if a != b {
            words.push(match b {
                Some(Some(to)) => format!("alias {alias}: version {to}"),
                Some(None) => format!("alias {alias}: removed"),
                None => format!("alias {alias}: as in model.toml"),
            });
        }
    }
    let document = |state: &ModelState| state.desired.plan.as_ref().map_or_else(|| json!({}), |plan| plan.document());
    let (a, b) = (document(before), document(after));
    let members =
        |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<BTreeSet<_>>()).unwrap_or_default();
    for name in members(&a).union(&members(&b)).filter(|name| a[name.as_str()] != b[name.as_str()]) {
        words.push(format!("{name}: {} -> {}", a[name.as_str()], b[name.as_str()]));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_compared_as_http_has_it() {
        for good in [None, Some("*"), Some("\"3\""), Some("W/\"3\""), Some("\"1\", \"3\"")] {
            assert_eq!(check_tag(3, good), Ok(()), "{good:?}");
        }
        assert!(matches!(check_tag(3, Some("\"2\"")), Err(ChangeError::Stale { current: 3, .. })));
    }
}
