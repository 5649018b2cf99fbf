//! gRPC on the data port: the Open Inference Protocol's service with Triton's additions, and the health
//! service.
//!
//! The messages and the services' outlines are generated from `proto/`; the HTTP/2 connection is the one
//! that serves everything else. A request is told from REST by its content type.

mod codec;
mod health;
mod infer;
mod messages;
mod read;
mod serve;
mod service;
mod status;
mod stream;
mod write;

pub use codec::Codec;
pub(in crate::front) use serve::{Answered, is_grpc};

/// Parses a message and forgets it, for the benchmarks.
#[doc(hidden)]
pub fn parse_bench(bytes: bytes::Bytes, version: &crate::registry::Version) -> bool {
    use prost::Message;
    if codec::check_members(&bytes).is_err() {
        return false;
    }
    let message = proto::ModelInferRequest::decode(bytes);
    message.is_ok_and(|message| read::read(message, version.signature()).is_ok())
}

/// The generated messages.
pub mod proto {
    #![allow(
        missing_docs,
        unused_qualifications,
        unused_lifetimes,
        clippy::all,
        clippy::semicolon_if_nothing_returned,
        reason = "generated"
    )]

    tonic::include_proto!("inference");

    /// Package `grpc.health.v1`.
    pub mod health {
        tonic::include_proto!("grpc.health.v1");
    }
}
