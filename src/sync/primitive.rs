//! Atomics, locks and condition variables: the standard library's, or in a model those of loom, which
//! tries every order in which threads can go and every value that they can see (`just loom`).
//!
//! A piece with a model takes them from here, so what is tried is the code that runs. The switch is a
//! name of our own: tokio gives up its sockets when it sees loom's usual one, `--cfg loom`.

#[cfg(all(test, tidegate_loom))]
pub use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence},
};
#[cfg(not(all(test, tidegate_loom)))]
pub use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence},
};
