//! Tidegate serves trained models over HTTP at the speed of the machine, and swaps them without
//! dropping a request.
//!
//! # The path of a request
//!
//! ```text
//! front -> router -> registry (a version, chosen once) -> batcher -> engine
//! ```
//!
//! and back through a one-shot reply. [`front`] reads bytes straight into tensors, [`router`]
//! chooses the version, by the plan of [`traffic`] where there is one, [`registry`] holds what is
//! loaded and keeps it true to the files on disk, [`batcher`] merges requests while the workers are
//! busy, [`engine`] computes. [`monitor`] and [`metrics`] stand beside them: they may lose a sample,
//! never delay or change an answer.
//!
//! # Floors
//!
//! A module names only floors below its own, so the graph has no circle and each part is tested
//! alone. `tests/floors.rs` keeps this true.
//!
//! ```text
//! main > cli > app, embed > config > front > router > registry > batcher > engine, monitor, traffic
//!      > json > tensor, text, metrics, sync
//! ```
//!
//! # Embedding
//!
//! [`Tidegate`] is the whole without a socket; `examples/embed.rs` shows it.

pub mod app;
pub mod batcher;
pub mod cli;
pub mod config;
mod embed;
pub mod engine;
pub mod front;
pub mod json;
pub mod metrics;
pub mod monitor;
pub mod registry;
pub mod router;
pub mod sync;
pub mod tensor;
pub mod text;
pub mod traffic;

pub use embed::{EmbedError, OpenError, Tidegate};
