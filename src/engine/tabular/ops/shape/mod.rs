//! Operators that move elements and change none.

pub mod join;
