//! What the registry needs to know.

use crate::batcher;
use crate::engine::{cache, device};
use crate::monitor;
use crate::sync::cores;
use std::path::PathBuf;
use std::time::Duration;

/// Whether files that change later are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Follow the directories.
    Poll,
    /// Follow the directories, but load only what is asked for.
    Explicit,
    /// Load what is there at start, then look no more.
    None,
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// Model files, model directories, or directories of models.
    pub paths: Vec<PathBuf>,
    pub control: Control,
    /// How long files must have been quiet before they are read.
    pub settle: Duration,
    /// How often the directories are looked at.
    pub poll: Duration,
    /// Limits of a lane where `model.toml` does not say otherwise.
    pub batching: batcher::Settings,
    /// Threads that may run one version at once, each with a session made ahead.
    pub sessions: usize,
    /// Where prepared models are kept.
    pub cache: cache::Settings,
    pub device: device::Settings,
    pub monitor: monitor::Settings,
    /// Models without which the server is not ready.
    pub required: Vec<String>,
    /// How long a request to load or unload waits until it has been done.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            paths: vec![PathBuf::from("models")],
            control: Control::Poll,
            settle: Duration::from_millis(200),
            poll: Duration::from_millis(100),
            batching: batcher::Settings::default(),
            // Compute threads and I/O threads, of which there is one per core each.
            sessions: 2 * cores::usable(),
            cache: cache::Settings::default(),
            device: device::Settings::default(),
            monitor: monitor::Settings::default(),
            required: Vec::new(),
            patience: Duration::from_secs(30),
        }
    }
}
