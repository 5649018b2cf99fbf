//! XGBoost's model files, JSON and UBJSON alike: trees, DART and linear boosters.
//!
//! Written against XGBoost 3.2 and its documented schema; files of 1.0 and later have the same
//! members or fewer.

mod file;
mod objective;
mod parts;
mod tree;
mod words;

pub use file::read;
pub use parts::parts;
