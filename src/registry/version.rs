//! A loaded version: the engine, its lane, and all a front needs to speak for it.

use super::features::Features;
use super::manifest::Manifest;
use super::roles::Roles;
use super::source::{ModelName, VersionNumber};
use super::stats::VersionStats;
use super::status::{State, VersionStatus};
use crate::batcher::Lane;
use crate::engine::{Loaded, Origin, Signature};
use crate::monitor::Tap;
use crate::monitor::contract::Contract;
use std::sync::Arc;
use std::time::Duration;

/// A version that has been loaded, checked and warmed. It never changes.
pub struct Version {
    pub model: ModelName,
    pub number: VersionNumber,
    /// The number as text, for answers and labels.
    pub name: Arc<str>,
    /// Counts the contents that have been loaded under this number.
    pub generation: u64,
    pub digest: String,
    pub loaded: Loaded,
    pub lane: Arc<Lane>,
    pub features: Features,
    pub roles: Roles,
    pub manifest: Arc<Manifest>,
    pub load_time: Duration,
    pub stats: VersionStats,
    /// Held to before a request is computed.
    pub contract: Contract,
    /// Where sampled rows go, if the model is monitored.
    pub tap: Option<Arc<Tap>>,
    /// How many golden cases it has passed.
    pub golden_cases: usize,
    /// What was noticed at load and is worth knowing: why rows are not merged, say.
    pub notes: Vec<String>,
}

impl Version {
    pub fn signature(&self) -> &Signature {
        self.loaded.model.signature()
    }

    /// Whether categories may be sent by their words.
    pub fn has_words(&self) -> bool {
        (0..self.features.names.len()).any(|column| self.loaded.model.words(column).is_some())
    }

    /// What was checked, in words.
    pub fn golden_words(&self) -> String {
        match self.golden_cases {
            0 => "no golden cases".to_owned(),
            n => format!("{n} golden cases passed"),
        }
    }

    /// How long the load took, from where, and what was checked.
    pub fn load_words(&self) -> String {
        let from = match self.loaded.origin {
            Origin::File => "",
            Origin::Cache => " from the cache",
        };
        format!("{:.1} ms{from}, {}", self.load_time.as_secs_f64() * 1e3, self.golden_words())
    }

    pub(super) fn status(&self, state: State) -> VersionStatus {
        VersionStatus {
            version: self.number,
            generation: self.generation,
            state,
            reason: None,
            engine: self.loaded.choice.engine.to_owned(),
            engine_reason: self.loaded.choice.reason.clone(),
            load_seconds: self.load_time.as_secs_f64(),
            memory_bytes: self.loaded.model.memory_bytes(),
            digest: self.digest.clone(),
            device: self.loaded.at.id().to_owned(),
            device_reason: self.loaded.at.reason().map(str::to_owned),
        }
    }
}

/// Why a version was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadFailure {
    /// It changed while it was read: it is still being written.
    #[error("the files changed while they were read")]
    Changed,
    /// Its content is what serves already.
    #[error("the content is the same as in service")]
    Unchanged,
    /// It could not be read, or not be held, now; that may pass.
    #[error("{0}")]
    Unreadable(String),
    #[error("{0}")]
    Failed(String),
}
