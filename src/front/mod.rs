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

/// Parsers and writers, open to the benchmarks.
#[doc(hidden)]
pub mod bench {
    pub use super::oip::parse_bench as parse_oip;
    pub use super::plain::parse_bench as parse_plain;
}
