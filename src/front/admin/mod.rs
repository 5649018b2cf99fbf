//! The admin port: metrics, probes and the index, on a thread that the data path cannot slow down.

mod index;
mod serve;

pub use serve::Admin;
