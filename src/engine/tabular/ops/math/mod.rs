//! Operators on numbers.

pub mod cast;
