//! What was seen, taken as the reference.

use super::watched::Watched;
use crate::monitor::history::Span;
use crate::monitor::reference::Profile;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Effective rows that a reference needs.
const LEAST: f64 = 500.0;

/// A reference that was made of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Promoted {
    pub id: String,
    pub rows: u64,
}

/// Too little was seen to compare anything with.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{rows:.0} rows were seen during the last {}: a reference needs {LEAST:.0}; name a longer window", .span.name())]
pub struct TooFew {
    pub rows: f64,
    pub span: Span,
}

impl Watched {
    /// Makes the last `span` the reference.
    pub fn promote(&mut self, span: Span, now: u64) -> Result<Promoted, TooFew> {
        let window = self.lately(span, now);
        if window.n_eff() < LEAST {
            return Err(TooFew { rows: window.n_eff(), span });
        }
        let time = |ms| humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        let name = format!("window of {} to {}", time(window.start_ms), time(now));
        let built = Profile::from_window(&window, &self.columns, name, time(now).to_string());
        let promoted = Promoted { id: built.profile.id.clone(), rows: built.profile.rows };
        self.refer(Some(Arc::new(built.profile)));
        Ok(promoted)
    }
}
