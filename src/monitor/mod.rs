//! Watching models while they serve.

pub mod history;
pub mod sketch;
