//! Traffic plans: which part of a model's requests goes to which version, decided from values alone.
//!
//! A [`Plan`] is what somebody wrote, checked. [`Live`] is a plan in force: it deals units to arms
//! and counts what came of it. Nothing here knows versions, files or sockets, so all of it is tested
//! with numbers: dealing in `hash`, `layout` and `live`, ramps in [`canary`], statistics in [`stat`].

pub mod canary;
mod compat;
mod document;
pub mod experiment;
mod hash;
mod layout;
mod live;
mod mirror;
mod plan;
pub mod stat;
pub mod tally;
#[cfg(test)]
mod testing;
mod unit;

pub use document::Fault;
pub use hash::{BUCKETS, Hash, identity};
pub use live::{Assignment, Live, Record, Stage, Why};
pub use mirror::{Mirror, Row};
pub use plan::{Arm, Layer, Plan, Shadow};
pub use unit::{Sticky, Unit};
