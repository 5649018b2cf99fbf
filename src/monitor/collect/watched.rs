//! One version under watch.

use super::baseline::Baseline;
use super::batch::{self, Batch};
use super::kept::{Files, Made, to_reshape};
use super::opinion::Opinions;
use super::rate::{Change, Rate};
use crate::monitor::handle::Subject;
use crate::monitor::history::{Detail, History, Pane, Span, Window};
use crate::monitor::reference::Profile;
use crate::monitor::rows::{Streams, Whole};
use crate::monitor::tap::record::{Head, drawn};
use crate::monitor::tap::{Tap, sample};
use crate::monitor::{Column, Kind, Role};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// The name of the column of latencies.
const LATENCY: &str = "latency";
/// Above this many sampled rows per second only one row in eight feeds the costly sketches.
const RICH_ROWS: f64 = 500.0;
const RICH_LEVEL: u8 = 3;
/// Rows per second, about, that are looked at as a whole.
const WHOLE_ROWS: f64 = 100.0;
/// How often references are marked as in use.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A pane that lost more than this share of its sample says so.
const MOST_LOST: f64 = 0.01;

/// Effective rows after which the first ones are the reference of columns that have none.
const ROWS_FOR_OWN: f64 = 2000.0;

/// A version, what is being counted of it, and what was.
pub struct Watched {
    pub subject: Subject,
    files: Files,
    /// References that were made of what was seen.
    promoted: Option<Arc<Profile>>,
    own: Option<Arc<Profile>>,
    /// What is to be told of the files, in words.
    pub notes: Vec<String>,
    tap: Arc<Tap>,
    pub columns: Vec<Column>,
    pub baseline: Baseline,
    pub history: History,
    pub opinions: Opinions,
    pane: Option<Pane>,
    batch: Batch,
    pub whole: Option<Whole>,
    /// What deep rows are looked at as a whole, beside the pane's level.
    whole_level: u8,
    pub streams: Streams,
    counted: Counted,
    rate: Rate,
    /// The level to go on with when the pane closes.
    next_level: Option<u8>,
    /// A pane has closed.
    news: bool,
    pub born: Instant,
    /// When its references were last marked as in use.
    touched: Instant,
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
    /// Goes on from what is kept in `directory`.
    pub fn new(subject: Subject, tap: Arc<Tap>, directory: Option<&Path>) -> Self {
        let mut columns: Vec<Column> = subject.layout.columns().cloned().collect();
        columns.push(Column::new(LATENCY, Role::Latency, Kind::Numeric));
        let mut files = Files::new(directory, &subject);
        let (promoted, own) = (files.reference(Made::Promoted), files.reference(Made::Own));
        let profiles = [&promoted, &subject.reference, &own].into_iter().flatten().cloned().collect();
        let (baseline, shapes) = Baseline::new(profiles, &columns);
        let (history, mut notes) = files.open(&subject, &columns, shapes);
        let (streams, told) = Streams::new(&subject.settings.streams, &columns);
        notes.extend(told);
        let mut whole = Whole::new(&subject.settings.rows, &columns);
        if let Some((whole, kept)) = whole.as_mut().zip(files.rows()) {
            whole.recall(kept);
        }
        let opinions = Opinions::new(&subject.settings.rule);
        Self {
            batch: Batch::new(tap.stride()),
            subject,
            files,
            promoted,
            own,
            notes,
            tap,
            columns,
            baseline,
            history,
            opinions,
            pane: None,
            whole,
            whole_level: 0,
            streams,
            counted: Counted::default(),
            rate: Rate::default(),
            next_level: None,
            // What was kept is shown before anything new comes.
            news: true,
            born: Instant::now(),
            touched: Instant::now(),
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
        self.tap.has_one_holder()
    }

    /// Counts the rows of a record.
    pub fn take(&mut self, head: Head, body: &[u64], now: u64) {
        if self.pane.is_none() {
            self.whole_level = sample::level_for(self.rate.per_second(), WHOLE_ROWS);
            self.pane = Some(self.open(now));
        }
        if let Some(pane) = &mut self.pane {
            self.batch.add(head, body, pane);
        }
        if self.whole.is_some() || !self.streams.is_empty() {
            self.look_at_rows(head, body, now);
        }
    }

    /// Rows one by one, for what is looked at beside counting.
    fn look_at_rows(&mut self, head: Head, body: &[u64], now: u64) {
        let (Some(pane), stride) = (&self.pane, self.tap.stride()) else { return };
        let deep = self.whole_level.max(pane.level);
        for words in body.chunks_exact(stride).take(usize::from(head.rows)).filter(|words| batch::is_of(words, pane)) {
            let [how, columns @ ..] = words else { continue };
            self.streams.take(columns, head.latency_ns as f64 / batch::SECOND, now);
            if let Some(whole) = self.whole.as_mut().filter(|_| drawn(*how).1 >= deep) {
                whole.take(columns, now);
            }
        }
    }

    fn open(&self, now: u64) -> Pane {
        let level = self.tap.level();
        let sampled = self.rate.per_second() / sample::weight(level);
        let rich = if sampled > RICH_ROWS { RICH_LEVEL } else { 0 };
        Pane::new(now, level, rich, self.history.shapes())
    }

    /// Closes the pane when its time is over.
    pub fn turn(&mut self, now: u64, length: Duration) {
        self.turn_pane(now, length);
        self.history.advance(now);
        if self.touched.elapsed() >= DAY {
            self.touched = Instant::now();
            self.files.touch();
        }
    }

    /// Whether a pane has closed since this was asked last.
    pub fn has_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
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
        self.news = true;
        if let Err(error) = self.history.push(&pane) {
            tracing::error!(model = self.subject.model, %error, "a pane was not taken");
        }
        self.learn(now);
        self.files.save(&self.history);
        if let Some(kept) = self.whole.as_ref().and_then(Whole::kept) {
            self.files.keep_rows(&kept);
        }
    }

    fn set_level(&mut self) {
        if let Some(level) = self.next_level.take() {
            self.tap.set_level(level);
        }
    }

    /// Makes a reference of the first rows, for columns that have none.
    fn learn(&mut self, now: u64) {
        if !self.baseline.is_wanting() || self.own.is_some() {
            return;
        }
        let seen = self.history.window(Span::Day, now, Detail::Full);
        if seen.n_eff() < ROWS_FOR_OWN {
            return;
        }
        let time = |ms| humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(ms));
        let Profile { rows, effective_rows, source, created, mut columns, .. } =
            Profile::from_window(&seen, &self.columns, "the first rows".into(), time(now).to_string()).profile;
        let wanting = |name: &str| {
            let at = self.columns.iter().position(|column| column.name == name);
            at.is_some_and(|at| self.baseline.sides.get(at).is_some_and(Option::is_none))
        };
        columns.retain(|column| wanting(&column.name));
        let own = Arc::new(Profile::new(rows, effective_rows, source, created, columns));
        self.files.keep_reference(Made::Own, &own);
        self.own = Some(own);
        self.refer(None);
    }

    /// Takes another reference. Columns whose edges it changes begin anew.
    pub fn refer(&mut self, promoted: Option<Arc<Profile>>) {
        if let Some(promoted) = promoted {
            self.files.keep_reference(Made::Promoted, &promoted);
            self.promoted = Some(promoted);
            // What belongs together is learnt anew as well, from the rows that come now.
            self.whole.iter_mut().for_each(Whole::begin_anew);
        }
        let profiles = [&self.promoted, &self.subject.reference, &self.own].into_iter().flatten().cloned().collect();
        let (baseline, shapes) = Baseline::new(profiles, &self.columns);
        self.baseline = baseline;
        for (at, shape) in to_reshape(&self.history, shapes) {
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
