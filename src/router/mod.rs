//! Which version answers a request, and under which deadline; and who decides that.
//!
//! A version is chosen once: the slot is loaded one time and the version carried to the answer, with
//! the arm of the traffic plan that it was chosen by. [`Director`] is the one writer of aliases and
//! plans; `experiment` tells what came of them.

mod choose;
mod director;
mod experiment;
mod glance;
mod predict;
mod routed;
mod shadow;

pub use choose::{Asker, Body, Choice, Names, RouteError, choose, choose_without_plan};
pub use director::{Change, ChangeError, Changed, Director, Prepared, Settings, Terms};
pub use experiment::{counts, expose, report};
pub use predict::{Call, PredictError, predict, predict_blocking};
pub use routed::Routed;
