//! Counters and histograms of our own, and the Prometheus text they are shown in.
//!
//! Families that live and die with a model version are plain fields of that version: a handle is
//! never looked up per request, and a series is gone with its version. Process-wide families go
//! through the `metrics` facade and are rendered beside these by [`process`].

mod cell;
mod exposition;
pub mod names;
pub mod process;

pub use cell::{Counter, Histogram, SECONDS, Unit, quantile};
pub use exposition::{Exposition, Kind};
