//! Operators that move, repeat or name elements and change none.

pub mod join;
pub mod make;
pub mod reshape;
pub mod spread;
pub mod take;
