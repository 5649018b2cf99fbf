//! What the collector publishes of a version, for the metrics.

use crate::monitor::Role;
use crate::monitor::drift::Status;
use crate::monitor::history::Span;

/// The latest figures of a version: the columns of its main window, and how each length of window stands.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    pub columns: Vec<ColumnScores>,
    /// Rows as a whole, by method: how far they have moved in the main window.
    pub rows: Vec<(&'static str, f64)>,
    /// Changes that detectors have found: column, detector, how many.
    pub streams: Vec<(String, &'static str, u64)>,
    /// Lengths that have been judged: how the model stands, and columns with an alarm.
    pub standings: Vec<(Span, Status, usize)>,
}

/// One column beside its reference.
#[derive(Clone, Debug)]
pub struct ColumnScores {
    pub name: String,
    pub role: Role,
    pub status: Status,
    /// Statistics that the column has, by name.
    pub statistics: Vec<(&'static str, f64)>,
    pub missing_ratio: f64,
}

/// As a number for alert rules: 0 ok, 1 notice, 2 warning, 3 critical, -1 insufficient.
pub fn status_number(status: Status) -> f64 {
    match status {
        Status::Insufficient => -1.0,
        Status::Ok => 0.0,
        Status::Notice => 1.0,
        Status::Warning => 2.0,
        Status::Critical => 3.0,
    }
}
