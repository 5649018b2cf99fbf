//! What the index shows of each version, served or not.

use super::source::VersionNumber;
use crate::traffic::Plan;
use std::sync::Arc;

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Loading,
    Ready,
    Draining,
    Failed,
    Unloaded,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Failed => "failed",
            Self::Unloaded => "unloaded",
        }
    }
}

/// One line of the index.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct VersionStatus {
    #[serde(serialize_with = "as_text")]
    pub version: VersionNumber,
    pub generation: u64,
    pub state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub engine: String,
    pub engine_reason: String,
    pub load_seconds: f64,
    pub memory_bytes: usize,
    pub digest: String,
    /// `cpu`, or the GPU that computes too.
    pub device: String,
    /// Why it is the CPU alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_reason: Option<String>,
}

impl VersionStatus {
    /// A version of which only its place and its state are known.
    pub fn bare(version: VersionNumber, state: State, reason: Option<String>) -> Self {
        Self {
            version,
            generation: 0,
            state,
            reason,
            engine: String::new(),
            engine_reason: String::new(),
            load_seconds: 0.0,
            memory_bytes: 0,
            digest: String::new(),
            device: String::new(),
            device_reason: None,
        }
    }
}

/// A model in the index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelStatus {
    /// What is wrong with the model as a whole: its manifest, say.
    pub problem: Option<String>,
    pub versions: Vec<VersionStatus>,
    /// The plan of `model.toml`, where it wishes for a canary.
    pub canary: Option<Arc<Plan>>,
}

impl ModelStatus {
    /// Whether anything about the model has failed.
    pub fn has_problem(&self) -> bool {
        self.problem.is_some() || self.versions.iter().any(|version| version.state == State::Failed)
    }
}

fn as_text<S: serde::Serializer>(number: &VersionNumber, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}
