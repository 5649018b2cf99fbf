//! Tree ensembles: one parsed form, one kernel, the aggregation and the labels.

#[allow(dead_code)]
pub mod ensemble;
mod ir;
mod parse;
mod walk;

pub use ir::{Aggregate, Forest, Leaves, TreeNode};
pub use parse::{classifier, regressor};
pub use walk::Score;

#[cfg(test)]
mod tests;
