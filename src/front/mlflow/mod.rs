//! MLflow's scoring server, and with it SageMaker's container contract: `/invocations`, `/ping`, `/version`.

mod answer;
mod csv;
mod request;
mod rows;
mod serve;

pub use answer::refusal;

/// Parses and forgets, for the benchmarks.
#[doc(hidden)]
pub fn parse_bench(bytes: &[u8], version: &crate::registry::Version) -> bool {
    request::parse(bytes, version, 64).is_ok()
}

/// The same for CSV.
#[doc(hidden)]
pub fn parse_csv_bench(bytes: &[u8], version: &crate::registry::Version) -> bool {
    csv::parse(bytes, version).is_ok()
}
