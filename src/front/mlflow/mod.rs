//! MLflow's scoring server, and with it SageMaker's container contract: `/invocations`, `/ping`, `/version`.

mod answer;
mod csv;
mod request;
mod rows;
mod serve;

pub use answer::refusal;
