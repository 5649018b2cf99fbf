//! A lane's limits.

use std::time::Duration;

/// Limits in rows and bytes, with defaults that suit tables on a CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Rows merged into one batch. A single larger request runs as a batch of its own.
    pub max_rows: usize,
    /// How long a batch may wait for company. Zero: never; worth it only where a batch costs as
    /// much as a row, as on a GPU.
    pub max_delay: Duration,
    /// Rows that may wait.
    pub queue_rows: usize,
    /// Bytes of input that may wait.
    pub queue_bytes: usize,
    /// How long a request may take where it does not say so itself.
    pub deadline: Duration,
    /// Batches of this lane computed at the same time.
    pub instances: usize,
    /// A request estimated below this runs on the caller's thread: a queue hop costs as much.
    pub inline_below: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_rows: 256,
            max_delay: Duration::ZERO,
            queue_rows: 16_384,
            queue_bytes: 64 << 20,
            deadline: Duration::from_secs(1),
            instances: std::thread::available_parallelism().map_or(1, usize::from),
            inline_below: Duration::from_micros(50),
        }
    }
}
