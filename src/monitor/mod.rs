//! Watching models while they serve.

pub mod drift;
pub mod history;
pub mod sketch;
