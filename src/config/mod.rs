//! Text (flags, environment, a TOML file) into each module's own checked settings.
//!
//! One table lists every setting with its flag, variable, key, default and help. A flag beats the
//! environment, which beats the file, which beats the default. All mistakes are collected before
//! any is reported.

mod source;
mod table;

pub use source::{ConfigError, Sources};
pub use table::{Config, KEYS, Key, LogFormat};
