//! A checked request through its version's lane.

use crate::batcher::{Answer, BatchError, Submitted};
use crate::engine::InputError;
use crate::monitor::Draft;
use crate::monitor::contract::Violation;
use crate::registry::Version;
use crate::tensor::Tensor;
use std::time::Instant;

/// Why there are no predictions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredictError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Contract(#[from] Violation),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// What goes with the inputs of a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Names the prediction; decides whether it is in the sample.
    pub id: &'a [u8],
    /// When the request was there whole.
    pub received: Instant,
    pub deadline: Instant,
}

/// Runs inputs (in the signature's order) on a version; answers the outputs and the row count.
/// Dropping the future withdraws the request.
pub async fn predict(
    version: &Version,
    inputs: Vec<Tensor>,
    asked: Asked<'_>,
) -> Result<(Answer, usize), PredictError> {
    let (rows, draft) = admit(version, &inputs, asked)?;
    let answer = match version.lane.submit(inputs, rows, asked.deadline)? {
        Submitted::Done(answer) => answer,
        Submitted::Queued(ticket) => ticket.answer().await?,
    };
    finish(version, &answer, rows, draft, asked);
    Ok((answer, rows))
}

/// The same on a plain thread, with no runtime.
pub fn predict_blocking(
    version: &Version,
    inputs: Vec<Tensor>,
    asked: Asked<'_>,
) -> Result<(Answer, usize), PredictError> {
    let (rows, draft) = admit(version, &inputs, asked)?;
    let answer = match version.lane.submit(inputs, rows, asked.deadline)? {
        Submitted::Done(answer) => answer,
        Submitted::Queued(ticket) => ticket.wait()?,
    };
    finish(version, &answer, rows, draft, asked);
    Ok((answer, rows))
}

/// Checks the inputs and copies what monitoring wants of them: the engine takes them away.
fn admit(version: &Version, inputs: &[Tensor], asked: Asked<'_>) -> Result<(usize, Option<Draft>), PredictError> {
    let rows = version.signature().check(inputs)?;
    version.contract.check(inputs)?;
    Ok((rows, version.tap.as_ref().and_then(|tap| tap.offer(inputs, rows, asked.id))))
}

fn finish(version: &Version, answer: &Answer, rows: usize, draft: Option<Draft>, asked: Asked<'_>) {
    version.stats.rows.add(rows as u64);
    if let Some(draft) = draft {
        draft.finish(&answer.outputs, asked.received.elapsed());
    }
}
