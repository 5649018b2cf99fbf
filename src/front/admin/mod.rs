//! The admin port: metrics, probes, the index, and control, on a thread that the data path cannot
//! slow down.
//!
//! `access` says who may do what; `serve` reads the path; one file answers each part of `/api`.

mod access;
mod control;
mod drift;
mod index;
mod process;
mod serve;
mod traffic;

pub use access::{Access, TokenFile};
pub use process::Facts;
pub use serve::Admin;
