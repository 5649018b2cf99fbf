//! The registry's thread and those who ask it for something.

use super::{Registry, Watcher};
use crate::registry::control::{Answer, Command, ControlError, Controlled, Direction, Message, Standing, Verb, Waiter};
use crate::registry::directive::Directive;
use crate::registry::events::Who;
use crate::registry::settings::Control;
use crate::registry::source::{ModelName, VersionNumber};
use crate::registry::status::{State, VersionStatus};
use crate::registry::version::Version;
use crate::text;
use crossbeam::channel::{Receiver, bounded};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

impl Registry {
    /// Loads or unloads a version, or where none is named those that `model.toml` wants, and waits
    /// until that is done, has failed, or has taken as long as a caller is let wait.
    pub async fn control(&self, verb: Verb, model: &str, version: Option<&str>) -> Result<Controlled, ControlError> {
        let (answer, answered) = oneshot::channel();
        let (model, version) = (model.to_owned(), version.map(str::to_owned));
        // A registry that has stopped drops the command, and with it the answer.
        let _ = self.commands.send(Message::Control(Command { verb, model, version, answer }));
        answered.await.unwrap_or(Err(ControlError::Stopping))
    }

    /// Puts the wishes for a model into force; returns when they are published. Blocks, if only for as
    /// long as a look at the disk may take.
    pub fn direct(&self, model: &str, directive: Directive) {
        let (done, published) = bounded(1);
        let direction = Direction { model: model.to_owned(), directive, done };
        let _ = self.commands.send(Message::Direct(Box::new(direction)));
        // A registry that has stopped publishes nothing any more, and drops the channel.
        let _ = published.recv();
    }
}

impl Watcher {
    /// Takes a request in after a look at the disk, so that it speaks of what lies there now.
    /// Answers when to look again, if it has looked.
    pub(super) fn obey(&mut self, command: Command) -> Option<Receiver<Instant>> {
        if self.settings.control == Control::None {
            let _ = command.answer.send(Err(ControlError::Off));
            return None;
        }
        let next_look = self.look();
        match self.accept(&command) {
            Ok((model, versions)) => {
                tracing::info!(%model, verb = command.verb.name(), versions = words(&versions), "asked for");
                let Command { verb, answer, .. } = command;
                let until = Instant::now() + self.settings.patience;
                self.waiting.push(Waiter { verb, model, versions, until, answer });
            }
            Err(error) => drop(command.answer.send(Err(error))),
        }
        self.order();
        self.publish(Who::Api);
        // An idle version is let go of now, and its caller need not wait for the next round.
        self.reap();
        Some(next_look)
    }

    /// Publishes what the traffic control wants.
    pub(super) fn direct(&mut self, direction: Direction) {
        let Direction { model, directive, done } = direction;
        let found = self.models.iter_mut().find(|(name, _)| name.as_str() == model);
        if let Some((_, (tracked, _))) = found {
            tracked.direct(directive.clone());
        }
        self.directives.insert(model, directive);
        self.order();
        self.publish(Who::Api);
        let _ = done.send(());
    }

    fn accept(&mut self, command: &Command) -> Result<(ModelName, BTreeSet<VersionNumber>), ControlError> {
        let known = || self.models.keys().map(ToString::to_string).collect();
        let unknown = || ControlError::UnknownModel { name: text::shorten(&command.model, 60), known: known() };
        let model = self.models.keys().find(|name| name.as_str() == command.model).cloned().ok_or_else(unknown)?;
        let (tracked, _) = self.models.get_mut(&model).ok_or(ControlError::Stopping)?;
        let versions = tracked.named(command.verb, command.version.as_deref())?;
        tracked.ask(command.verb, &versions, command.version.is_some());
        Ok((model, versions))
    }

    /// Answers whoever can be answered now.
    pub(super) fn answer_waiting(&mut self) {
        let now = Instant::now();
        for waiter in std::mem::take(&mut self.waiting) {
            match self.answer(&waiter, now) {
                Some(answer) => drop(waiter.answer.send(answer)),
                None if waiter.answer.is_closed() => {}
                None => self.waiting.push(waiter),
            }
        }
    }

    fn answer(&self, waiter: &Waiter, now: Instant) -> Option<Answer> {
        let mut reasons = Vec::new();
        let mut done = true;
        for number in &waiter.versions {
            match self.standing(waiter, *number) {
                Standing::Done => {}
                Standing::Waiting => done = false,
                Standing::Failed(reason) => reasons.push(reason),
                Standing::Overtaken(what) => {
                    return Some(Err(ControlError::Overtaken {
                        model: waiter.model.to_string(),
                        version: *number,
                        what,
                    }));
                }
            }
        }
        // One failure among several versions is told when the others have ended too.
        match (done, reasons.is_empty()) {
            (true, false) => {
                Some(Err(ControlError::Failed { model: waiter.model.to_string(), reason: reasons.join("; ") }))
            }
            (true, true) => Some(Ok(Controlled { done, versions: self.lines(waiter, done) })),
            (false, _) => (now >= waiter.until).then(|| Ok(Controlled { done, versions: self.lines(waiter, done) })),
        }
    }

    fn standing(&self, waiter: &Waiter, number: VersionNumber) -> Standing {
        let still_answers = |version: &Arc<Version>| version.model == waiter.model && version.number == number;
        match self.models.get(&waiter.model) {
            Some((tracked, _)) => match tracked.standing(waiter.verb, number) {
                Standing::Done if waiter.verb == Verb::Unload && self.retired.iter().any(still_answers) => {
                    Standing::Waiting
                }
                standing => standing,
            },
            None if waiter.verb == Verb::Unload => Standing::Done,
            None => Standing::Overtaken("was removed with its model"),
        }
    }

    /// The index's lines of the versions a request was about.
    fn lines(&self, waiter: &Waiter, done: bool) -> Vec<VersionStatus> {
        let Some((tracked, _)) = self.models.get(&waiter.model) else { return Vec::new() };
        let draining: Vec<&Arc<Version>> =
            self.retired.iter().filter(|version| version.model == waiter.model).collect();
        let mut lines = tracked.status(&draining).versions;
        // An earlier generation may still be draining beside the one that was asked for.
        let is_meant = |line: &VersionStatus| {
            waiter.versions.contains(&line.version)
                && (waiter.verb == Verb::Unload || !done || line.state == State::Ready)
        };
        lines.retain(is_meant);
        lines
    }
}

/// Versions as people write them.
fn words(versions: &BTreeSet<VersionNumber>) -> String {
    versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
