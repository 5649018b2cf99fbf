//! Small shared state that no floor owns.

mod phase;

pub use phase::{Lifecycle, Phase};
