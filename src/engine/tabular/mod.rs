//! Our own engine for tables: the operators of `ai.onnx.ml` and the plain ones around them.
//!
//! A graph becomes a [`Program`]: steps over numbered slots, constants folded at load. Every
//! operator computes a row from that row alone and in a fixed order, so a row's answer is the
//! same to the last bit whatever batch it came in.

mod forest;
mod isa;
pub mod native;
mod ops;
mod program;
mod row;

pub use forest::fix_kernels;
pub use ops::names as operators;
pub use program::Program;

/// The engine's name in tables and logs.
pub const NAME: &str = "tabular";
