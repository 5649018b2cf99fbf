//! The Open Inference Protocol, version 2, over REST: JSON, raw tensors behind it, and classes.

mod answer;
mod binary;
mod classify;
mod input;
mod metadata;
mod parameters;
mod request;
mod serve;

pub use answer::chosen;
pub use binary::JSON_LENGTH;
pub use input::shape_of;
pub use metadata::{EXTENSIONS, model, model_ready, models, platform, server, tensor, versions};
pub use parameters::Value;
pub use parameters::truth;
pub use request::{Parsed, Wanted, add, is_shared_memory, no_shared_memory};

/// Parses and forgets, for the benchmarks.
#[doc(hidden)]
pub fn parse_bench(bytes: &bytes::Bytes, version: &crate::registry::Version) -> bool {
    request::parse(bytes, binary::Framing::Json, version.signature(), 64).is_ok()
}

/// The same for a body of which `json` bytes are JSON; with none it is one raw tensor.
#[doc(hidden)]
pub fn parse_binary_bench(bytes: &bytes::Bytes, json: usize, version: &crate::registry::Version) -> bool {
    let framing = if json == 0 { binary::Framing::Raw } else { binary::Framing::Mixed { json } };
    request::parse(bytes, framing, version.signature(), 64).is_ok()
}
