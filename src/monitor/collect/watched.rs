//! One version under watch.

use super::baseline::{Baseline, ROWS_FOR_SHAPES, ROWS_FOR_SIDES, is_blank};
use super::batch::Batch;
use super::opinion::Opinions;
use super::rate::{Change, Rate};
use crate::monitor::handle::Subject;
use crate::monitor::history::{Detail, History, Pane, Span, Window};
use crate::monitor::reference::Profile;
use crate::monitor::tap::Tap;
use crate::monitor::tap::record::Head;
use crate::monitor::{Column, Kind, Role};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The name of the column of latencies.
const LATENCY: &str = "latency";
/// Above this many sampled rows per second only one row in eight feeds the costly sketches.
const RICH_ROWS: f64 = 500.0;
const RICH_LEVEL: u8 = 3;
/// A pane that lost more than this share of its sample says so.
const MOST_LOST: f64 = 0.01;

/// A version, what is being counted of it, and what was.
pub struct Watched {
    pub subject: Subject,
    tap: Arc<Tap>,
    pub columns: Vec<Column>,
    pub baseline: Baseline,
    pub history: History,
    pub opinions: Opinions,
    pane: Option<Pane>,
    batch: Batch,
    counted: Counted,
    rate: Rate,
    /// The level to go on with when the pane closes.
    next_level: Option<u8>,
    pub born: Instant,
}

/// The tap's counters when the last pane was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    offered: u64,
    dropped: u64,
}

impl Counted {
    fn of(tap: &Tap) -> Self {
        Self { offered: tap.offered.get(), dropped: tap.dropped.ring.get() + tap.dropped.request.get() }
    }
}

impl Watched {
    pub fn new(subject: Subject, tap: Arc<Tap>) -> Self {
        let mut columns: Vec<Column> = subject.layout.columns().cloned().collect();
        columns.push(Column::new(LATENCY, Role::Latency, Kind::Numeric));
        let (baseline, shapes) = Baseline::new(subject.reference.clone(), &columns);
        let opinions = Opinions::new(&subject.settings.rule);
        Self {
            batch: Batch::new(tap.stride()),
            subject,
            tap,
            columns,
            baseline,
            history: History::new(shapes),
            opinions,
            pane: None,
            counted: Counted::default(),
            rate: Rate::default(),
            next_level: None,
            born: Instant::now(),
        }
    }

    pub fn id(&self) -> u16 {
        self.tap.id()
    }

    pub fn tap(&self) -> &Tap {
        &self.tap
    }

    /// Whether nobody offers rows any more.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.tap) == 1
    }

    /// Counts the rows of a record.
    pub fn take(&mut self, head: Head, body: &[u64], now: u64) {
        if self.pane.is_none() {
            self.pane = Some(self.open(now));
        }
        if let Some(pane) = &mut self.pane {
            self.batch.add(head, body, pane);
        }
    }

    fn open(&self, now: u64) -> Pane {
        let level = self.tap.level();
        let sampled = self.rate.per_second() / crate::monitor::tap::sample::weight(level);
        let rich = if sampled > RICH_ROWS { RICH_LEVEL } else { 0 };
        Pane::new(now, level, rich, self.history.shapes())
    }

    /// Closes the pane when its time is over; answers whether it was.
    pub fn turn(&mut self, now: u64, length: Duration) -> bool {
        let before = self.counted;
        self.turn_pane(now, length);
        self.history.advance(now);
        before != self.counted
    }

    fn turn_pane(&mut self, now: u64, length: Duration) {
        let length = length.as_millis().max(1) as u64;
        match &self.pane {
            Some(pane) if now / length != pane.start_ms / length => self.close(now),
            Some(_) => {}
            // Rows that were all lost leave their traces too.
            None if Counted::of(&self.tap).dropped > self.counted.dropped => {
                self.pane = Some(self.open(now));
            }
            None => self.set_level(),
        }
    }

    /// Ends the pane and takes it into the history.
    pub fn close(&mut self, now: u64) {
        self.set_level();
        let Some(mut pane) = self.pane.take() else { return };
        self.batch.flush(&mut pane);
        let counted = Counted::of(&self.tap);
        pane.end_ms = now.max(pane.start_ms + 1);
        pane.offered = counted.offered - self.counted.offered;
        pane.dropped = counted.dropped - self.counted.dropped;
        pane.degraded = pane.dropped as f64 > MOST_LOST * (pane.rows + pane.dropped) as f64;
        self.counted = counted;
        if let Err(error) = self.history.push(&pane) {
            tracing::error!(model = self.subject.model, %error, "a pane was not taken");
        }
        self.learn(now);
    }

    fn set_level(&mut self) {
        if let Some(level) = self.next_level.take() {
            self.tap.set_level(level);
        }
    }

    /// Makes edges, values and sides of what was seen, for columns that no reference knows.
    fn learn(&mut self, now: u64) {
        if !self.baseline.is_wanting() {
            return;
        }
        let seen = self.history.window(Span::Day, now, Detail::Full);
        if seen.rows >= ROWS_FOR_SHAPES && self.history.shapes().iter().any(is_blank) {
            for (at, shape) in self.baseline.missing_shapes(self.history.shapes(), &seen) {
                self.history.reshape(at, shape);
            }
        } else if seen.n_eff() >= ROWS_FOR_SIDES {
            self.baseline.fill(&seen);
        }
    }

    /// Takes another reference; what was counted on other edges is compared no more.
    pub fn refer(&mut self, profile: Arc<Profile>, now: u64) {
        self.close(now);
        let (baseline, shapes) = Baseline::new(Some(profile), &self.columns);
        self.baseline = baseline;
        for (at, shape) in shapes.into_iter().enumerate().filter(|(_, shape)| !is_blank(shape)) {
            self.history.reshape(at, shape);
        }
        self.opinions = Opinions::new(&self.subject.settings.rule);
    }

    /// What was seen lately, up to now.
    pub fn lately(&mut self, span: Span, now: u64) -> Window {
        self.close(now);
        self.history.window(span, now, Detail::Full)
    }

    pub fn note_rate(&mut self, seconds: f64) {
        self.rate.note(self.tap.offered.get(), seconds);
    }

    /// Whether it takes a part of the budget.
    pub fn is_active(&self) -> bool {
        self.rate.per_second() >= 1.0
    }

    /// Sets the level by which it keeps within its part of the budget, in values per second.
    pub fn keep_budget(&mut self, values: f64, now: u64) {
        let columns = self.columns.len().max(1) as f64;
        let budget = self.subject.settings.rows_per_second.min(values / columns);
        match self.rate.change(self.tap.level(), budget) {
            Change::None => self.next_level = None,
            Change::Later(level) => self.next_level = Some(level),
            Change::Now(level) => {
                self.next_level = Some(level);
                self.close(now);
            }
        }
    }
}
