//! A checked request through its version's lane.
//!
//! All protocols go through here, so this is where an answer is seen on its way out: by monitoring,
//! counted for its variant, and offered to the shadows.

use super::routed::Routed;
use super::shadow;
use crate::batcher::{Answer, BatchError, Rank, Submitted};
use crate::engine::{Asked, InputError};
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

/// What goes with what is asked.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Names the prediction; decides whether it is in the sample.
    pub id: &'a [u8],
    /// When the request was there whole.
    pub received: Instant,
    pub deadline: Instant,
    /// Its place in line.
    pub rank: Rank,
}

/// Runs a request on the chosen version; answers the outputs, the extras that it asked for behind them, and the
/// row count. Plain inputs (in the signature's order) are a request without extras.
/// Dropping the future withdraws the request.
pub async fn predict(
    routed: &Routed,
    asked: impl Into<Asked>,
    call: Call<'_>,
) -> Result<(Answer, usize), PredictError> {
    let asked = asked.into();
    let (rows, draft) = admit(routed, &asked.inputs, call)?;
    // Copied before the lane takes them, and only where a shadow is to see them.
    let copy = shadow::copy(routed, &asked.inputs);
    let answer = match routed.lane.submit_ranked(asked, rows, call.deadline, call.rank)? {
        Submitted::Done(answer) => answer,
        Submitted::Queued(ticket) => ticket.answer().await?,
    };
    routed.see(&answer, rows);
    watch(&answer, draft, call);
    if let Some(copy) = copy {
        shadow::offer(routed, copy, &answer, rows);
    }
    Ok((answer, rows))
}

/// The same on a plain thread, with no runtime and no plan.
pub fn predict_blocking(
    version: &Version,
    asked: impl Into<Asked>,
    call: Call<'_>,
) -> Result<(Answer, usize), PredictError> {
    let asked = asked.into();
    let (rows, draft) = admit(version, &asked.inputs, call)?;
    let answer = match version.lane.submit_ranked(asked, rows, call.deadline, call.rank)? {
        Submitted::Done(answer) => answer,
        Submitted::Queued(ticket) => ticket.wait()?,
    };
    version.stats.rows.add(rows as u64);
    watch(&answer, draft, call);
    Ok((answer, rows))
}

/// Checks the inputs and copies what monitoring wants of them: the engine takes them away.
fn admit(version: &Version, inputs: &[Tensor], call: Call<'_>) -> Result<(usize, Option<Draft>), PredictError> {
    let rows = version.signature().check(inputs)?;
    version.contract.check(inputs)?;
    Ok((rows, version.tap.as_ref().and_then(|tap| tap.offer(inputs, rows, call.id))))
}

fn watch(answer: &Answer, draft: Option<Draft>, call: Call<'_>) {
    if let Some(draft) = draft {
        draft.finish(&answer.outputs, call.received.elapsed());
    }
}
