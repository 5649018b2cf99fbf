//! KServe's first protocol and TF Serving's REST API, which share their paths.
//!
//! Row form (`instances`) and column form (`inputs`) in, `predictions` and `outputs` out. The row form
//! is the same in both, so one reader serves both.

mod answer;
mod facts;
mod request;
mod serve;

pub use request::{columns, instances};
