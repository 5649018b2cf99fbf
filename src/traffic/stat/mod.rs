//! Statistics that stay valid however often they are looked at: each is an e-process or a confidence
//! sequence, so a server may check them every second and stop when it likes.

mod ledger;
mod proportion;
mod ratio;
mod sequence;

pub use ledger::log_ledger;
pub use proportion::wilson;
pub use ratio::log_mismatch;
pub use sequence::{Difference, difference, half_width};
