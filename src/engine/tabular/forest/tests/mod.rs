//! Tests that need more than one of the floor's files.

mod files;
mod files5;
mod kept;
mod kernels;
