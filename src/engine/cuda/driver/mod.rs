//! The CUDA driver, behind the few calls that the device thread makes.
//!
//! The library is looked for at run time. Every call goes through one gate ([`error::Gate`]): after an
//! error that breaks the context the process never calls the driver again, not even to free what it
//! holds, because each such call could hang or fail the same way.
//!
//! Handles stay on the thread that made them; memory of the host that the device reads
//! ([`Pinned`]) may be written by others.

#![allow(unsafe_code)] // a C interface: each call says what it relies on

mod context;
mod error;
mod graph;
mod memory;
mod module;

pub use context::{Context, Report, probe};
pub use error::{CudaError, Gate};
pub use graph::{Event, Graph, Stream};
pub use memory::{DeviceMemory, Pinned};
pub use module::{Dim, Function, Module};
