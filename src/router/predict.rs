//! A checked request through its version's lane.

use crate::batcher::{Answer, BatchError, Submitted};
use crate::engine::{Asked, InputError};
use crate::registry::Version;
use std::time::Instant;

/// Why there are no predictions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredictError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// Runs a request on a version; answers the outputs, the extras that it asked for behind them, and the
/// row count. Plain inputs (in the signature's order) are a request without extras.
/// Dropping the future withdraws the request.
pub async fn predict(
    version: &Version,
    asked: impl Into<Asked>,
    deadline: Instant,
) -> Result<(Answer, usize), PredictError> {
    let asked = asked.into();
    let rows = version.signature().check(&asked.inputs)?;
    let answer = match version.lane.submit(asked, rows, deadline)? {
        Submitted::Done(answer) => answer,
        Submitted::Queued(ticket) => ticket.answer().await?,
    };
    version.stats.rows.add(rows as u64);
    Ok((answer, rows))
}

/// The same on a plain thread, with no runtime.
pub fn predict_blocking(
    version: &Version,
    asked: impl Into<Asked>,
    deadline: Instant,
) -> Result<(Answer, usize), PredictError> {
    let asked = asked.into();
    let rows = version.signature().check(&asked.inputs)?;
    let answer = match version.lane.submit(asked, rows, deadline)? {
        Submitted::Done(answer) => answer,
        Submitted::Queued(ticket) => ticket.wait()?,
    };
    version.stats.rows.add(rows as u64);
    Ok((answer, rows))
}
