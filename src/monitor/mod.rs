//! Watches what models are asked and what they answer, while they serve.
//!
//! The request's side, [`tap`], copies the rows of a sample into a ring per thread and never waits.
//! The thread of [`collect`] empties the rings and counts.

pub mod collect;
pub mod column;
pub mod contract;
pub mod drift;
mod handle;
pub mod history;
pub mod reference;
pub mod report;
pub mod rows;
mod settings;
pub mod sketch;
pub mod tap;

pub use collect::{Promoted, TooFew};
pub use column::{Column, Kind, Role};
pub use handle::{Monitor, Stopped, Subject};
pub use settings::{ModelSettings, Settings};
pub use tap::{Draft, Tap};
