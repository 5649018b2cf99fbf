//! Requests to load and unload, as the registry's thread gets them and answers them.

use super::directive::Directive;
use super::source::{ModelName, VersionNumber};
use super::status::VersionStatus;
use std::collections::BTreeSet;
use std::time::Instant;
use tokio::sync::oneshot;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Load a version and keep it in service.
    Load,
    /// Take a version out of service and leave it out.
    Unload,
}

impl Verb {
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Unload => "unload",
        }
    }
}

/// What became of a request that was not refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Controlled {
    /// Whether it has been done; otherwise it is still being worked on.
    pub done: bool,
    /// The versions it was about, as they stand now.
    pub versions: Vec<VersionStatus>,
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error(
        "models cannot be loaded or unloaded with --model-control none, which loads what is there at start and \
         nothing else: start the server with --model-control poll or explicit"
    )]
    Off,
    #[error("no model '{name}': the models are {}", list(.known))]
    UnknownModel { name: String, known: Vec<String> },
    #[error("model '{model}' has no version '{version}': it has {}", list(.known))]
    UnknownVersion { model: String, version: String, known: Vec<String> },
    #[error("model '{model}' could not be loaded: {reason}")]
    Failed { model: String, reason: String },
    #[error("version {version} of model '{model}' {what} before the request was done: look at GET /api/models/{model}")]
    Overtaken { model: String, version: VersionNumber, what: &'static str },
    #[error("the server is stopping")]
    Stopping,
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

pub(super) type Answer = Result<Controlled, ControlError>;

/// What reaches the registry's thread.
pub(super) enum Message {
    Control(Command),
    Direct(Box<Direction>),
}

/// Wishes of the traffic control; told when they are published.
pub(super) struct Direction {
    pub model: String,
    pub directive: Directive,
    pub done: crossbeam::channel::Sender<()>,
}

/// A request on its way to the registry's thread.
pub(super) struct Command {
    pub verb: Verb,
    pub model: String,
    pub version: Option<String>,
    pub answer: oneshot::Sender<Answer>,
}

/// A request that has been taken in and not been answered yet.
pub(super) struct Waiter {
    pub verb: Verb,
    pub model: ModelName,
    pub versions: BTreeSet<VersionNumber>,
    /// When it is told how things stand, done or not.
    pub until: Instant,
    pub answer: oneshot::Sender<Answer>,
}

/// How far a request has come with one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Done,
    Waiting,
    Failed(String),
    /// Something else happened to the version meanwhile.
    Overtaken(&'static str),
}
