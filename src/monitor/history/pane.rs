//! A pane: what at most a minute of sampled rows leaves behind.

use super::super::sketch::{Shape, Summary};
use std::mem::size_of;

/// Panes end at whole minutes (UTC), and earlier when the rate of sampling changes: inside one, every
/// row counts alike.
#[derive(Clone, Debug)]
pub struct Pane {
    /// Milliseconds since 1970, UTC; a pane ends before the next minute begins.
    pub start_ms: u64,
    /// The end, exclusive; set when the pane is closed.
    pub end_ms: u64,
    /// Rows were taken with a chance of `2^-level`, so each stands for `2^level`.
    pub level: u8,
    /// Of the rows taken, those that fed quantiles and distinct numbers: `2^-rich_level`.
    pub rich_level: u8,
    /// Rows taken and counted here.
    pub rows: u64,
    /// Rows that were served.
    pub offered: u64,
    /// Rows that were to be taken and got lost.
    pub dropped: u64,
    /// Too many got lost for automatic judgement.
    pub degraded: bool,
    /// One per column, in the order of the shapes.
    pub columns: Vec<Summary>,
}

/// A level beyond which no pane is kept: one row in 2^40.
pub const HIGHEST_LEVEL: u8 = 40;

impl Pane {
    /// An empty pane that begins at `start_ms`.
    pub fn new(start_ms: u64, level: u8, rich_level: u8, shapes: &[Shape]) -> Self {
        let columns = shapes.iter().map(Shape::summary).collect();
        Self {
            start_ms,
            end_ms: start_ms,
            level,
            rich_level,
            rows: 0,
            offered: 0,
            dropped: 0,
            degraded: false,
            columns,
        }
    }

    /// How many rows each row stands for.
    pub fn weight(&self) -> f64 {
        weight(self.level)
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.columns.iter().map(Summary::memory).sum::<usize>()
    }
}

/// `2^level`.
pub fn weight(level: u8) -> f64 {
    2f64.powi(i32::from(level))
}
