//! Tree ensembles: from what a file says to scores.
//!
//! An importer makes an [`ensemble::Ensemble`]; [`Forest`] lays it out ([`compact`] where it fits,
//! [`wide`] where not) and scores rows with the [`kernel`] that was measured to be fastest.

mod bits;
mod compact;
pub mod ensemble;
mod kept;
mod kernel;
mod leaves;
mod lower;
mod normal;
mod numbers;
pub mod onnx;
pub mod onnx5;
mod places;
mod prepared;
mod rows;
mod score;
mod sound;
mod tune;
mod wide;

pub use kept::Kept;
pub use lower::{Entrance, one_table};
pub use prepared::Forest;
pub use rows::Rows;
pub use tune::fix_kernels;

#[cfg(test)]
mod tests;
