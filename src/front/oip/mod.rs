//! The Open Inference Protocol, version 2, over REST with JSON bodies.

mod answer;
mod metadata;
mod request;

pub use answer::{Shown, write};
pub use metadata::{model, model_ready, models, server, tensor};
pub use request::{Parsed, parse, refuse_binary};

/// Parses and forgets, for the benchmarks.
#[doc(hidden)]
pub fn parse_bench(bytes: &[u8], version: &crate::registry::Version) -> bool {
    parse(bytes, version.signature(), 64).is_ok()
}
