//! Dense networks on tract.

mod bounds;
mod convert;
mod network;
mod sizes;

pub use convert::takes;
pub use network::Network;

/// The engine's name in tables and logs.
pub const NAME: &str = "tract";
