//! What the collector tells of a version when it is asked: everything a report is made from.

use super::baseline::Baseline;
use super::opinion::{Judged, alone, between, outcomes};
use super::watched::Watched;
use crate::monitor::Column;
use crate::monitor::drift::quality::Floors;
use crate::monitor::drift::{Compared, Outcome, Rule, Verdict};
use crate::monitor::history::{Detail, History, Span, Window};
use crate::monitor::report::{Material, ModelFacts, ReferenceFacts, Report};
use crate::monitor::rows;
use crate::monitor::tap::sample;
use std::time::SystemTime;

/// A version as it was seen during a window.
#[derive(Clone, Debug)]
pub struct View {
    pub model: String,
    pub version: String,
    pub digest: String,
    pub span: Span,
    pub rule: Rule,
    pub columns: Vec<Column>,
    pub baseline: Baseline,
    /// What came lately.
    pub window: Window,
    /// Per column: the comparison with the reference, or why there is none.
    pub outcomes: Vec<Outcome>,
    /// What this window alone says.
    pub alone: Verdict,
    /// What the judge said of the last windows that closed: only they count for an alarm.
    pub judged: Option<Judged>,
    /// The last window that closed, compared with the one before it.
    pub previous: Option<Vec<Option<Compared>>>,
    /// The last hour that closed, compared with the same hour a week ago, in 20 bins a column.
    pub last_week: Option<Vec<Option<Compared>>>,
    /// Rows as a whole, and detectors on single columns, where these are on.
    pub rows: Vec<rows::Finding>,
    pub streams: Vec<rows::StreamFacts>,
    /// The share of rows that is taken now.
    pub sampling: f64,
    /// What is to be told of the files.
    pub notes: Vec<String>,
}

impl View {
    pub fn report(&self) -> Report {
        let model = ModelFacts {
            name: self.model.clone(),
            version: self.version.clone(),
            variant: None,
            digest: Some(self.digest.clone()).filter(|digest| !digest.is_empty()),
        };
        Report::build(&Material {
            model,
            window_name: self.span.name(),
            window: &self.window,
            sampling: self.sampling,
            columns: &self.columns,
            reference: self.baseline.profiles.first().map(|profile| ReferenceFacts::of_profile(profile)),
            known: &self.baseline.known,
            outcomes: &self.outcomes,
            alone: &self.alone,
            closed: self.judged.as_ref().map(|judged| (&judged.verdict, judged.start_ms, judged.end_ms)),
            previous: self.previous.as_deref(),
            last_week: self.last_week.as_deref(),
            rows: &self.rows,
            streams: &self.streams,
            floors: &Floors::default(),
            warnings: self.baseline.notes.iter().chain(&self.notes).cloned().collect(),
            now: SystemTime::now(),
        })
    }
}

impl Watched {
    /// Answers all about the last `span`.
    pub fn view(&mut self, span: Span, now: u64) -> View {
        let window = self.lately(span, now);
        let outcomes = outcomes(&self.baseline, &window, self.opinions.overdispersion(span));
        let rule = &self.subject.settings.rule;
        let alone = alone(rule, &self.baseline, &outcomes);
        let (previous, last_week) = before(&self.history, span);
        View {
            model: self.subject.model.clone(),
            version: self.subject.version.clone(),
            digest: self.subject.digest.clone(),
            span,
            rule: rule.clone(),
            columns: self.columns.clone(),
            baseline: self.baseline.clone(),
            window,
            outcomes,
            alone,
            judged: self.opinions.last(span).cloned(),
            previous,
            last_week,
            rows: self.whole.iter().flat_map(|whole| whole.findings(span, now, rule)).collect(),
            streams: self.streams.facts(),
            sampling: 1.0 / sample::weight(self.tap().level()),
            notes: self.notes.clone(),
        }
    }
}

/// The comparisons of the columns of two windows.
type Compares = Vec<Option<Compared>>;

/// What has closed last, compared with what closed before it: the span with the one before, and the
/// hour with the same one a week ago.
pub(super) fn before(history: &History, span: Span) -> (Option<Compares>, Option<Compares>) {
    let (end, hour) = (history.last_end(span), history.last_end(Span::Hour));
    let closed = history.closed(span, end, Detail::Counts);
    let earlier = history.previous(span, end, Detail::Counts);
    let previous = earlier.zip(closed).map(|(earlier, closed)| between(&earlier, &closed));
    let closed = history.closed(Span::Hour, hour, Detail::Counts).map(|hour| history.folded(&hour));
    let week = history.same_hour_last_week(hour);
    (previous, week.zip(closed).map(|(week, closed)| between(&week, &closed)))
}
