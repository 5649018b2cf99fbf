//! Watching models while they serve.

pub mod column;
pub mod drift;
pub mod history;
pub mod reference;
pub mod report;
pub mod sketch;
