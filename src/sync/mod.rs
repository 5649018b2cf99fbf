//! Small shared state and a few words with the system that no floor owns.

mod cgroup;
pub mod cores;
pub mod memory;
mod phase;
pub mod primitive;
pub mod priority;

pub use phase::{Lifecycle, Phase};
