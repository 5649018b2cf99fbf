//! The plain protocol: JSON a person would type.
//!
//! A flat list is one row, a list nested to the input's rank is a batch, an object is a row by
//! column name. All of them may stand bare or in the envelope `{"features": .., "parameters"?: {..}}`.

mod answer;
mod request;
mod rows;

pub use answer::{write, write_predictions};
pub use request::{Parsed, lists, parse, records};

/// Parses and forgets, for the benchmarks.
#[doc(hidden)]
pub fn parse_bench(bytes: &[u8], version: &crate::registry::Version) -> bool {
    parse(bytes, version, 64).is_ok()
}
