//! What is remembered of a version's columns: panes rolled up, bounded in memory, and kept on disk.
//!
//! | span | how many | what of |
//! | --- | --- | --- |
//! | a minute | 6 | counts, moments |
//! | 5 minutes | 13 | counts, moments |
//! | an hour | 25 | counts, moments, quantiles, distinct and frequent values |
//! | an hour, folded to 20 bins | up to 8 days back | counts, moments |
//!
//! A [`Window`] is asked for as what came [lately](History::window), or as a [closed](History::closed)
//! span between whole multiples of its length (UTC): those do not overlap, so that what is judged on
//! one is not judged again.

mod column;
pub mod keep;
mod pane;
mod ring;
mod stored;
mod week;
mod window;

pub use column::{WindowCategorical, WindowColumn, WindowNumeric};
pub use pane::{HIGHEST_LEVEL, Pane};
pub use window::{Detail, Window};

pub use stored::StoredError;

use super::sketch::Shape;
use ring::Ring;
use thiserror::Error;
use week::{Week, folded_shape};

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Span {
    FiveMinutes,
    Hour,
    Day,
}

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

impl Span {
    pub const ALL: [Self; 3] = [Self::FiveMinutes, Self::Hour, Self::Day];

    pub fn milliseconds(self) -> u64 {
        match self {
            Self::FiveMinutes => 5 * MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    /// As it is written in answers: `5m`, `1h`, `24h`.
    pub fn name(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }
}

/// Why a pane or another history cannot be added.
#[derive(Debug, Error, PartialEq)]
pub enum HistoryError {
    #[error("{found} columns, expected {expected}")]
    Columns { found: usize, expected: usize },
    #[error("level {0}, expected at most {HIGHEST_LEVEL}")]
    Level(u8),
    #[error("column {at} was counted on other edges or values")]
    Shape { at: usize },
    #[error(transparent)]
    Stored(#[from] StoredError),
}

/// The panes of one version, rolled up.
#[derive(Clone, Debug)]
pub struct History {
    shapes: Vec<Shape>,
    /// The shapes of the week's hours.
    folded: Vec<Shape>,
    minutes: Ring,
    fives: Ring,
    hours: Ring,
    week: Week,
    /// Up to here all has been told.
    now_ms: u64,
}

impl History {
    pub fn new(shapes: Vec<Shape>) -> Self {
        let (minutes, fives) = (Ring::new(MINUTE, 6, Detail::Counts), Ring::new(5 * MINUTE, 13, Detail::Counts));
        let hours = Ring::new(HOUR, 25, Detail::Full);
        let folded = shapes.iter().map(folded_shape).collect();
        Self { shapes, folded, minutes, fives, hours, week: Week::default(), now_ms: 0 }
    }

    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// Gives a column a new shape, as when its edges become known. What was counted on the old one
    /// keeps its counters and moments for a day; the hours of the week are let go.
    pub fn reshape(&mut self, at: usize, shape: Shape) {
        let Some(folded) = self.folded.get_mut(at) else { return };
        *folded = folded_shape(&shape);
        self.week.clear();
        for ring in [&mut self.minutes, &mut self.fives, &mut self.hours] {
            ring.reshape(at, &shape, &self.shapes);
        }
        self.shapes.splice(at..=at, [shape]);
    }

    /// Adds a closed pane. One that comes late goes where it belongs.
    pub fn push(&mut self, pane: &Pane) -> Result<(), HistoryError> {
        if pane.columns.len() != self.shapes.len() {
            return Err(HistoryError::Columns { found: pane.columns.len(), expected: self.shapes.len() });
        }
        if pane.level.max(pane.rich_level) > HIGHEST_LEVEL {
            return Err(HistoryError::Level(pane.level.max(pane.rich_level)));
        }
        self.minutes.add(pane, &self.shapes);
        self.fives.add(pane, &self.shapes);
        let over = self.hours.add(pane, &self.shapes);
        self.fold(over);
        // Not past the pane's own minute: more of it may come.
        self.now_ms = self.now_ms.max(pane.start_ms);
        Ok(())
    }

    /// Tells the time, so that spans close although no pane comes.
    pub fn advance(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// What came during the last span before `now_ms`, up to the last pane. An hour is told to 5
    /// minutes, a day to the hour: the window is that much shorter than its name at most.
    pub fn window(&self, span: Span, now_ms: u64, detail: Detail) -> Window {
        let from = now_ms.saturating_sub(span.milliseconds());
        self.ring(span).between(from, now_ms.saturating_add(1), &self.shapes, detail)
    }

    /// What came in the span that ended at `end_ms`, a multiple of its length. `None` if nothing came,
    /// if it is forgotten, or if it is not over yet.
    pub fn closed(&self, span: Span, end_ms: u64, detail: Detail) -> Option<Window> {
        if !end_ms.is_multiple_of(span.milliseconds()) || self.now_ms < end_ms {
            return None;
        }
        let window =
            self.closed_ring(span).between(end_ms.checked_sub(span.milliseconds())?, end_ms, &self.shapes, detail);
        (window.sampled > 0).then_some(Window { start_ms: end_ms - span.milliseconds(), end_ms, ..window })
    }

    /// The end of the span that closed last.
    pub fn last_end(&self, span: Span) -> u64 {
        self.now_ms - self.now_ms % span.milliseconds()
    }

    /// The closed span before the one that ended at `end_ms`.
    pub fn previous(&self, span: Span, end_ms: u64, detail: Detail) -> Option<Window> {
        self.closed(span, end_ms.checked_sub(span.milliseconds())?, detail)
    }

    /// The hour that ended a week before `end_ms`, [folded](Self::folded).
    pub fn same_hour_last_week(&self, end_ms: u64) -> Option<Window> {
        let window = self.week.get(end_ms.checked_sub(WEEK + HOUR)?, &self.folded)?;
        (window.sampled > 0).then_some(window)
    }

    /// A window of this history in 20 bins a column, as the hours of the week are: numeric columns by
    /// neighbouring cells, categorical ones by their first 20 values and the others.
    pub fn folded(&self, window: &Window) -> Window {
        window.folded(&self.folded)
    }

    /// Adds what another process has seen of the same version.
    pub fn merge(&mut self, other: &Self) -> Result<(), HistoryError> {
        if other.shapes.len() != self.shapes.len() {
            return Err(HistoryError::Columns { found: other.shapes.len(), expected: self.shapes.len() });
        }
        if let Some(at) = (0..self.shapes.len()).find(|at| self.shapes[*at].digest() != other.shapes[*at].digest()) {
            return Err(HistoryError::Shape { at });
        }
        for (mine, theirs) in [(&mut self.minutes, &other.minutes), (&mut self.fives, &other.fives)] {
            for window in theirs.windows(&other.shapes)? {
                mine.merge(&window, &self.shapes);
            }
        }
        for window in other.hours.windows(&other.shapes)? {
            let over = self.hours.merge(&window, &self.shapes);
            self.fold(over);
        }
        for hour in other.week.hours().filter_map(|hour| hour.window(&other.folded)) {
            self.week.add(&hour, &self.folded);
        }
        self.now_ms = self.now_ms.max(other.now_ms);
        Ok(())
    }

    /// Takes the entries of another history of the same shapes; of the same time the one that has seen
    /// more is kept.
    fn absorb(&mut self, other: &Self) {
        for (mine, theirs) in
            [(&mut self.minutes, &other.minutes), (&mut self.fives, &other.fives), (&mut self.hours, &other.hours)]
        {
            for packed in theirs.entries() {
                // It was read with the same shapes when it came from its file.
                let _ = mine.insert(packed.clone(), &self.shapes);
            }
        }
        other.week.hours().for_each(|hour| self.week.insert(hour.clone()));
        self.now_ms = self.now_ms.max(other.now_ms);
    }

    /// Bytes held, without the edges and dictionaries of the shapes.
    pub fn memory(&self) -> usize {
        self.minutes.memory() + self.fives.memory() + self.hours.memory() + self.week.memory()
    }

    /// Keeps the counts of an hour that has left the day.
    fn fold(&mut self, over: Option<Window>) {
        if let Some(hour) = over {
            self.week.add(&hour.folded(&self.folded), &self.folded);
        }
    }

    /// The ring whose entries make up what came lately.
    fn ring(&self, span: Span) -> &Ring {
        match span {
            Span::FiveMinutes => &self.minutes,
            Span::Hour => &self.fives,
            Span::Day => &self.hours,
        }
    }

    /// The ring whose entries make up closed spans.
    fn closed_ring(&self, span: Span) -> &Ring {
        match span {
            Span::FiveMinutes => &self.fives,
            Span::Hour | Span::Day => &self.hours,
        }
    }
}

#[cfg(test)]
mod tests;
