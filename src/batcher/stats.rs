//! What a lane counts.

use super::{CloseReason, Sizes};
use crate::metrics::{Counter, Histogram, SECONDS, Unit};

/// Rows per batch, in powers of two.
static ROWS: Unit = Unit { bounds: &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384], scale: 1.0 };

/// A lane's counters. They die with the version that owns the lane.
#[derive(Debug)]
pub struct LaneStats {
    pub queue: Histogram,
    pub compute: Histogram,
    pub batch_rows: Histogram,
    /// Successful batches, each size by itself.
    pub sizes: Sizes,
    pub inline: Counter,
    pub idle: Counter,
    pub full: Counter,
    pub delay: Counter,
    pub deadline: Counter,
    /// Requests whose deadline passed before they were computed.
    pub expired: Counter,
    /// Requests refused because they would have waited past their deadline.
    pub hopeless: Counter,
    /// Requests whose caller left before they were computed.
    pub cancelled: Counter,
    /// Requests computed for a caller who was gone by then.
    pub wasted: Counter,
    pub errors: Counter,
    pub panics: Counter,
}

impl Default for LaneStats {
    fn default() -> Self {
        Self {
            queue: Histogram::new(&SECONDS),
            compute: Histogram::new(&SECONDS),
            batch_rows: Histogram::new(&ROWS),
            sizes: Sizes::default(),
            inline: Counter::default(),
            idle: Counter::default(),
            full: Counter::default(),
            delay: Counter::default(),
            deadline: Counter::default(),
            expired: Counter::default(),
            hopeless: Counter::default(),
            cancelled: Counter::default(),
            wasted: Counter::default(),
            errors: Counter::default(),
            panics: Counter::default(),
        }
    }
}

impl LaneStats {
    /// Batches by why they were closed, under the label values of the metric.
    pub fn closed(&self) -> [(&'static str, &Counter); 5] {
        [
            ("inline", &self.inline),
            ("idle", &self.idle),
            ("full", &self.full),
            ("delay", &self.delay),
            ("deadline", &self.deadline),
        ]
    }

    pub(super) fn close(&self, reason: CloseReason) {
        match reason {
            CloseReason::Inline => self.inline.add(1),
            CloseReason::Idle => self.idle.add(1),
            CloseReason::Full => self.full.add(1),
            CloseReason::Delay => self.delay.add(1),
            CloseReason::Deadline => self.deadline.add(1),
        }
    }
}
