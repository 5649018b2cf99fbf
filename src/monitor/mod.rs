//! Watches models while they serve.

pub mod column;
pub mod reference;
pub mod sketch;
