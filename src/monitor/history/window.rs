//! A window: panes merged, every row weighted by one over its chance of being sampled.
//!
//! Sums of weighted counts estimate those of all rows without bias (Horvitz and Thompson, 1952). As
//! the weights differ between panes, tests take `n_eff = (sum w)^2 / sum w^2` for the number of rows.

use super::super::sketch::{Shape, Summary};
use super::column::{WindowCategorical, WindowColumn};
use super::pane::Pane;

/// What was seen between two times.
#[derive(Clone, Debug)]
pub struct Window {
    /// Milliseconds since 1970, UTC.
    pub start_ms: u64,
    /// The end, exclusive.
    pub end_ms: u64,
    /// All rows, estimated: the sum of the weights.
    pub rows: f64,
    /// The sum of the squared weights.
    pub squares: f64,
    /// Rows counted.
    pub sampled: u64,
    /// Rows served.
    pub offered: u64,
    /// Rows that were to be counted and got lost.
    pub dropped: u64,
    /// Of `rows`, those in panes that lost too many.
    pub degraded_rows: f64,
    /// In the order of the shapes.
    pub columns: Vec<WindowColumn>,
}

/// What is kept of sketches when windows are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Counts and moments alone; quantiles only of columns that have no cells.
    Counts,
    /// Quantiles, distinct and frequent values too.
    Full,
}

impl Window {
    /// Without rows.
    pub fn empty(start_ms: u64, end_ms: u64, shapes: &[Shape]) -> Self {
        let columns = shapes.iter().map(WindowColumn::empty).collect();
        Self {
            start_ms,
            end_ms,
            rows: 0.0,
            squares: 0.0,
            sampled: 0,
            offered: 0,
            dropped: 0,
            degraded_rows: 0.0,
            columns,
        }
    }

    /// How many rows drawn alike would tell as much; 0 without rows.
    pub fn n_eff(&self) -> f64 {
        if self.squares > 0.0 { self.rows * self.rows / self.squares } else { 0.0 }
    }

    /// Too much got lost to act upon what is left: more than 1 % of the rows that were served, or a
    /// tenth of what is here comes from panes that say so.
    pub fn degraded(&self) -> bool {
        self.dropped > self.offered / 100 || self.degraded_rows > 0.1 * self.rows
    }

    /// Adds a pane of the same shapes. Columns of another kind or with other edges keep their counters
    /// alone.
    pub(super) fn add(&mut self, pane: &Pane, detail: Detail) {
        let each = pane.weight();
        let rows = pane.rows as f64 * each;
        self.rows += rows;
        self.squares += rows * each;
        self.sampled = self.sampled.saturating_add(pane.rows);
        self.offered = self.offered.saturating_add(pane.offered);
        self.dropped = self.dropped.saturating_add(pane.dropped);
        self.degraded_rows += if pane.degraded { rows } else { 0.0 };
        for (column, summary) in self.columns.iter_mut().zip(&pane.columns) {
            match (column, summary) {
                (WindowColumn::Numeric(column), Summary::Numeric(numeric)) => column.add(numeric, pane, detail),
                (WindowColumn::Categorical(column), Summary::Categorical(categorical)) => {
                    column.add(categorical, pane, detail);
                }
                _ => {}
            }
        }
    }

    /// The same for fewer cells: those of [`folded`](super::super::sketch::Edges::folded) edges, and of
    /// the first codes of dictionaries. Without sketches.
    pub(super) fn folded(&self, shapes: &[Shape]) -> Self {
        let columns = self.columns.iter().zip(shapes).map(|(column, shape)| column.folded(shape)).collect();
        let Self { start_ms, end_ms, rows, squares, sampled, offered, dropped, degraded_rows, .. } = *self;
        Self { start_ms, end_ms, rows, squares, sampled, offered, dropped, degraded_rows, columns }
    }

    /// Keeps fewer unknown values: what matters once its time is over is at the top.
    pub(super) fn condense(&mut self, detail: Detail) {
        let places = if detail == Detail::Full { 32 } else { 16 };
        for column in &mut self.columns {
            if let WindowColumn::Categorical(WindowCategorical { unseen: Some(unseen), .. }) = column {
                *unseen = unseen.condensed(places);
            }
        }
    }

    /// Adds another window of the same shapes.
    pub fn merge(&mut self, other: &Self, detail: Detail) {
        self.rows += other.rows;
        self.squares += other.squares;
        self.sampled = self.sampled.saturating_add(other.sampled);
        self.offered = self.offered.saturating_add(other.offered);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.degraded_rows += other.degraded_rows;
        for (column, more) in self.columns.iter_mut().zip(&other.columns) {
            match (column, more) {
                (WindowColumn::Numeric(column), WindowColumn::Numeric(more)) => column.merge(more, detail),
                (WindowColumn::Categorical(column), WindowColumn::Categorical(more)) => column.merge(more, detail),
                _ => {}
            }
        }
    }
}
