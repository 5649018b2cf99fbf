//! What the collector tells of a version when it is asked: everything a report is made from.

use super::baseline::Baseline;
use super::opinion::{Judged, alone, between, outcomes};
use super::watched::Watched;
use crate::monitor::Column;
use crate::monitor::drift::{Compared, Outcome, Rule, Verdict};
use crate::monitor::history::{Detail, Span, Window};
use crate::monitor::tap::sample;

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
    /// The window compared with the one before it, and with the same hour a week ago.
    pub previous: Option<Vec<Option<Compared>>>,
    pub last_week: Option<Vec<Option<Compared>>>,
    /// The share of rows that is taken now.
    pub sampling: f64,
}

impl Watched {
    /// Answers all about the last `span`.
    pub fn view(&mut self, span: Span, now: u64) -> View {
        let window = self.lately(span, now);
        let outcomes = outcomes(&self.baseline, &window);
        let alone = alone(&self.subject.settings.rule, &self.baseline, &outcomes);
        let before = self.history.window(span, now.saturating_sub(span.milliseconds()), Detail::Counts);
        let previous = (before.sampled > 0).then(|| between(&before, &window));
        let hour = self.history.last_end(Span::Hour);
        let last_week = self.history.same_hour_last_week(hour).map(|week| between(&week, &window));
        View {
            model: self.subject.model.clone(),
            version: self.subject.version.clone(),
            digest: self.subject.digest.clone(),
            span,
            rule: self.subject.settings.rule.clone(),
            columns: self.columns.clone(),
            baseline: self.baseline.clone(),
            window,
            outcomes,
            alone,
            judged: self.opinions.last(span).cloned(),
            previous,
            last_week,
            sampling: 1.0 / sample::weight(self.tap().level()),
        }
    }
}
