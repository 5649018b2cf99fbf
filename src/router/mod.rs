//! Which version answers a request, and under which deadline.
//!
//! A version is chosen once: the slot is loaded one time and the version carried to the answer.

mod choose;
mod predict;

pub use choose::{RouteError, choose};
pub use predict::{Call, PredictError, predict, predict_blocking};
