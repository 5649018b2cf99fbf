//! A checked request through its version's lane.

use crate::batcher::{Answer, BatchError, Submitted};
use crate::engine::InputError;
use crate::registry::Version;
use crate::tensor::Tensor;
use std::time::Instant;

/// Why there are no predictions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredictError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// Runs inputs (in the signature's order) on a version; answers the outputs and the row count.
/// Dropping the future withdraws the request.
pub async fn predict(
    version: &Version,
    inputs: Vec<Tensor>,
    deadline: Instant,
) -> Result<(Answer, usize), PredictError> {
    let rows = version.signature().check(&inputs)?;
    let answer = match version.lane.submit(inputs, rows, deadline)? {
        Submitted::Done(answer) => answer,
        Submitted::Queued(ticket) => ticket.answer().await?,
    };
    version.stats.rows.add(rows as u64);
    Ok((answer, rows))
}

/// The same on a plain thread, with no runtime.
pub fn predict_blocking(
    version: &Version,
    inputs: Vec<Tensor>,
    deadline: Instant,
) -> Result<(Answer, usize), PredictError> {
    let rows = version.signature().check(&inputs)?;
    let answer = match version.lane.submit(inputs, rows, deadline)? {
        Submitted::Done(answer) => answer,
        Submitted::Queued(ticket) => ticket.wait()?,
    };
    version.stats.rows.add(rows as u64);
    Ok((answer, rows))
}
