//! Why a request got no answer from its lane.

use std::time::Duration;

/// A closed set of causes, with the numbers a caller needs to act on them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The request alone is more than the queue may ever hold.
    #[error(
        "the request has {got} {unit}, but {limit_name} allows {limit}: send fewer rows per request or raise {limit_name}"
    )]
    TooLarge { limit_name: &'static str, unit: &'static str, limit: usize, got: usize },
    /// The queue is full now.
    #[error("the queue is full: {depth} {unit} wait and {limit_name} is {limit}; try again later")]
    QueueFull { limit_name: &'static str, unit: &'static str, limit: usize, depth: usize },
    /// It would have waited past its deadline: refused at once, while another replica may still answer.
    #[error("{rows_ahead} rows wait already: the answer would come in about {} ms, the deadline is in {} ms", .predicted.as_millis(), .left.as_millis())]
    Hopeless { rows_ahead: usize, predicted: Duration, left: Duration },
    /// The deadline passed before there was an answer.
    #[error("no answer within the deadline{}", allowed(.0))]
    Deadline(Duration),
    /// The model cannot compute with these values: the caller's mistake.
    #[error("{0}")]
    Input(String),
    /// The engine failed: ours.
    #[error("the engine failed: {0}")]
    Engine(String),
    /// The engine panicked; the panic was contained.
    #[error("the engine panicked on this request; it was contained and logged")]
    Panicked,
    /// The pool has stopped.
    #[error("the server is stopping")]
    Stopped,
}

/// The time a request had; one that came too late had none.
fn allowed(time: &Duration) -> String {
    match time.as_millis() {
        0 => ": it had passed when the request was admitted".into(),
        ms => format!(" of {ms} ms"),
    }
}
