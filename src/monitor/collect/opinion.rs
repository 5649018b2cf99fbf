//! What is thought of a version's windows: one judge for each length of window.

use super::baseline::Baseline;
use super::sides::Side;
use crate::monitor::drift::{Compared, Judge, Outcome, Rule, Shortage, Verdict};
use crate::monitor::history::{Detail, History, Span, Window};
use std::collections::VecDeque;

/// The judges of one version, and what they said last.
#[derive(Clone, Debug)]
pub struct Opinions {
    of: [Opinion; Span::ALL.len()],
}

#[derive(Clone, Debug)]
struct Opinion {
    judge: Judge,
    /// The end of the last window that was judged.
    judged: u64,
    last: Option<Judged>,
    /// Of the last windows: how much more than by chance each differed from the one before it.
    restless: VecDeque<f64>,
}

/// A verdict on a closed window.
#[derive(Clone, Debug)]
pub struct Judged {
    pub start_ms: u64,
    pub end_ms: u64,
    pub verdict: Verdict,
}

impl Opinions {
    pub fn new(rule: &Rule) -> Self {
        let opinion = || Opinion { judge: Judge::new(rule.clone()), judged: 0, last: None, restless: VecDeque::new() };
        Self { of: std::array::from_fn(|_| opinion()) }
    }

    /// Judges every span that has closed since the last time. Spans do not overlap, so that no row is
    /// judged twice at one length. Answers the lengths that have a new verdict.
    pub fn catch_up(&mut self, history: &History, baseline: &Baseline) -> Vec<Span> {
        let mut news = Vec::new();
        for (opinion, span) in self.of.iter_mut().zip(Span::ALL) {
            let end = history.last_end(span);
            if end <= opinion.judged {
                continue;
            }
            opinion.judged = end;
            let Some(window) = history.closed(span, end, Detail::Counts) else { continue };
            if let Some(before) = history.previous(span, end, Detail::Counts) {
                opinion.note(&between(&before, &window));
            }
            let outcomes = outcomes(baseline, &window, opinion.overdispersion());
            let verdict = opinion.judge.judge(&outcomes, &|column, cell| cell_name(baseline, column, cell));
            opinion.last = Some(Judged { start_ms: window.start_ms, end_ms: window.end_ms, verdict });
            news.push(span);
        }
        news
    }

    /// By how much counts of windows of a length vary more than those of independent rows; at least 1.
    pub fn overdispersion(&self, span: Span) -> f64 {
        Span::ALL
            .iter()
            .zip(&self.of)
            .find(|(one, _)| **one == span)
            .map_or(1.0, |(_, opinion)| opinion.overdispersion())
    }

    /// The last verdict on closed windows of a length.
    pub fn last(&self, span: Span) -> Option<&Judged> {
        Span::ALL.iter().zip(&self.of).find(|(one, _)| **one == span).and_then(|(_, opinion)| opinion.last.as_ref())
    }
}

/// Windows by whose restlessness counts are judged, and the fewest that tell anything.
const MOST_WINDOWS: usize = 24;
const LEAST_WINDOWS: usize = 6;

impl Opinion {
    /// Notes how far a window is from the one before: chi-square over its degrees of freedom is 1 in the
    /// mean where rows are independent and nothing changes. The median over the columns counts, so that
    /// some that do change do not.
    fn note(&mut self, changes: &[Option<Compared>]) {
        let ratios = changes.iter().flatten().filter(|compared| compared.df > 0).map(|it| it.chi2 / it.df as f64);
        if let Some(ratio) = median(ratios.collect()) {
            self.restless.push_back(ratio);
            while self.restless.len() > MOST_WINDOWS {
                self.restless.pop_front();
            }
        }
    }

    /// The median over the last windows: traffic that comes in bursts of like rows differs from window to
    /// window by more than chance, and is no drift.
    fn overdispersion(&self) -> f64 {
        if self.restless.len() < LEAST_WINDOWS {
            return 1.0;
        }
        median(self.restless.iter().copied().collect()).unwrap_or(1.0).max(1.0)
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What a window alone would say, by the same rule.
pub fn alone(rule: &Rule, baseline: &Baseline, outcomes: &[Outcome]) -> Verdict {
    let rule = Rule { persist: 1, of: 1, ..rule.clone() };
    Judge::new(rule).judge(outcomes, &|column, cell| cell_name(baseline, column, cell))
}

/// Compares every column of a window with its side of the reference.
pub fn outcomes(baseline: &Baseline, window: &Window, overdispersion: f64) -> Vec<Outcome> {
    let lost = window.dropped as f64 / (window.dropped + window.sampled).max(1) as f64;
    let compare = |(side, column): (&Option<Side>, _)| {
        if window.degraded() {
            return Err(Shortage::Lost { share: lost });
        }
        let current = Side::of_window(window, column);
        let compared =
            side.as_ref().zip(current.as_ref()).and_then(|(side, current)| side.compare(current, overdispersion));
        compared.ok_or(Shortage::Incomparable)
    };
    baseline.sides.iter().zip(&window.columns).map(compare).collect()
}

/// Compares a window with another one, column by column.
pub fn between(before: &Window, now: &Window) -> Vec<Option<Compared>> {
    let side = |window: &Window, at: usize| Side::of_window(window, window.columns.get(at)?);
    (0..now.columns.len()).map(|at| side(before, at)?.compare(&side(now, at)?, 1.0)).collect()
}

/// The words for a cell of a column.
pub fn cell_name(baseline: &Baseline, column: usize, cell: usize) -> String {
    let side = baseline.sides.get(column).and_then(Option::as_ref);
    side.map_or_else(|| format!("cell {cell}"), |side| side.cell_name(cell))
}
