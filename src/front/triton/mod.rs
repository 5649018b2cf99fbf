//! What Triton adds to the Open Inference Protocol: configuration, statistics and the repository.
//!
//! Each is made once, as gRPC's message; REST shows the same members as JSON.

mod config;
mod repository;
mod serve;
mod stats;

pub use config::config;
pub use repository::{Given, index};
