//! Models on NVIDIA GPUs: our own kernels, launched through the driver alone.
//!
//! ```text
//! session -> slot (rows written into memory that the GPU reads) -> thread -> recorded graph -> answers
//! ```
//!
//! One thread owns a GPU ([`thread`]). A model is lowered to plain tables, which are uploaded once
//! ([`tables`]); each of its slots has its launches recorded for some sizes of batches ([`resident`],
//! [`recipe`]). A session takes a slot, writes its rows, and waits; where the CPU is measured to be
//! faster ([`cost`]), or anything fails, the CPU computes ([`model`]).
//!
//! Trees end on the same leaves as on the CPU and their votes are added in the same order in double
//! precision, or in another one where no sum can be rounded ([`exact`]), so scores are the CPU's to
//! the bit; exponentials of a link may differ in the last place of a double. A row's answer does not depend on its batch.

mod abi;
mod cost;
mod driver;
mod exact;
mod health;
mod images;
mod measure;
mod model;
mod open;
mod recipe;
mod resident;
mod slot;
mod tables;
mod thread;
mod wait;

pub use open::open;
