//! The protocols: from bytes on a socket to tensors, and from outputs to bytes.
//!
//! `listen` accepts connections, `route` reads the path, one folder speaks each protocol, and
//! `reply` holds the one table from an error to its status, code and words.

pub mod admin;
mod body;
mod connection;
mod context;
mod extra;
pub mod grpc;
mod ids;
mod incoming;
mod listen;
mod mlflow;
mod oip;
mod openapi;
mod pack;
mod plain;
mod probes;
mod raw;
mod reply;
mod route;
mod serve;
mod settings;
mod socket;
mod triton;
mod unpack;
mod v1;
mod wrong;

pub use connection::Limits;
pub use incoming::Incoming;
pub use listen::{Listener, serve_connections};
pub use reply::{ApiError, Cause, Reply};
pub use serve::Front;
pub use settings::Settings;

/// Parsers, open to the benchmarks and the fuzz targets: each tells whether a body is a request.
#[doc(hidden)]
pub mod bench {
    pub use super::grpc::parse_bench as parse_grpc;
    pub use super::mlflow::{parse_bench as parse_mlflow, parse_csv_bench as parse_csv};
    pub use super::oip::{parse_bench as parse_oip, parse_binary_bench as parse_binary};
    pub use super::plain::parse_bench as parse_plain;
    pub use super::v1::parse_bench as parse_v1;
}
