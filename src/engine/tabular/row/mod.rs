//! Preparation of columns as one pass over the row.
//!
//! Exported pipelines scale, fill, encode and join columns in a dozen operators before the model
//! comes. Where each column of a table is made from one column of an input, the operators say so
//! ([`Op::columns`](super::ops::Op::columns)), and a program replaces them all by one step that
//! writes the finished rows ([`Assemble`]).

mod assemble;
mod columns;
mod lower;

pub use assemble::Assemble;
pub use columns::{Column, Columns, Operand, Stage};
pub use lower::Gather;
