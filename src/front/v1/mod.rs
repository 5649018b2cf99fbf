//! KServe's first protocol and TF Serving's REST API, which share their paths.
//!
//! Row form (`instances`) and column form (`inputs`) in, `predictions` and `outputs` out. The row form
//! is the same in both, so one reader serves both.

mod answer;
mod facts;
mod request;
mod serve;

pub use request::{columns, instances};

/// Parses and forgets, for the benchmarks.
#[doc(hidden)]
pub fn parse_bench(bytes: &[u8], version: &crate::registry::Version) -> bool {
    request::parse(bytes, version, 64).is_ok() | request::examples(bytes, version, 64).is_ok()
}
