//! From single requests to batches and back.
//!
//! A [`Lane`] belongs to one loaded version: its queue, its sessions, its limits. [`Pool`] is the
//! process's compute threads, shared by all lanes in turn. Batching is work-conserving: a request
//! starts at once while a thread is free, and requests merge only while all are busy. A request
//! whose estimated cost is tiny is computed on the caller's own thread.
//!
//! `policy` decides what to cut as a pure function; `entry` is the one cell shared by a caller and
//! a worker; `run` contains an engine's failures to the request that caused them.

mod budget;
mod entry;
mod error;
mod lane;
mod pace;
mod policy;
mod pool;
mod queue;
mod run;
mod scatter;
mod settings;
mod sizes;
mod stats;

pub use budget::{Budget, Limits};
pub use entry::{Answer, Rank, Ticket, Timing};
pub use error::BatchError;
pub use lane::{Cost, Lane, Submitted, Work};
pub use policy::CloseReason;
pub use pool::Pool;
pub use settings::Settings;
pub use sizes::Sizes;
pub use stats::LaneStats;
