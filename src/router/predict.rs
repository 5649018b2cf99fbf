//! A checked request through its version's lane.
//!
//! All protocols go through here, so this is where an answer is seen on its way out: counted for its
//! variant, and offered to the shadows.

use super::routed::Routed;
use super::shadow;
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

/// Runs inputs (in the signature's order) on the chosen version; answers the outputs and the row
/// count. Dropping the future withdraws the request.
pub async fn predict(routed: &Routed, inputs: Vec<Tensor>, deadline: Instant) -> Result<(Answer, usize), PredictError> {
    let rows = routed.signature().check(&inputs)?;
    // Copied before the lane takes them, and only where a shadow is to see them.
    let copy = shadow::copy(routed, &inputs);
    let answer = match routed.lane.submit(inputs, rows, deadline)? {
        Submitted::Done(answer) => answer,
        Submitted::Queued(ticket) => ticket.answer().await?,
    };
    routed.see(&answer, rows);
    if let Some(copy) = copy {
        shadow::offer(routed, copy, &answer, rows);
    }
    Ok((answer, rows))
}

/// The same on a plain thread, with no runtime and no plan.
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
