//! Operators on numbers and truth values.

pub mod arithmetic;
pub mod cast;
pub mod compare;
pub mod distance;
pub mod lines;
pub mod matmul;
pub mod number;
pub mod ranked;
pub mod reduce;
pub mod unary;
