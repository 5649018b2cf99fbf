//! What is thought of a version's windows: one judge for each length of window.

use super::baseline::Baseline;
use super::sides::Side;
use crate::monitor::drift::{Compared, Judge, Outcome, Rule, Shortage, Verdict};
use crate::monitor::history::{Detail, History, Span, Window};

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
        let opinion = || Opinion { judge: Judge::new(rule.clone()), judged: 0, last: None };
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
            let outcomes = outcomes(baseline, &window);
            let verdict = opinion.judge.judge(&outcomes, &|column, cell| cell_name(baseline, column, cell));
            opinion.last = Some(Judged { start_ms: window.start_ms, end_ms: window.end_ms, verdict });
            news.push(span);
        }
        news
    }

    /// The last verdict on closed windows of a length.
    pub fn last(&self, span: Span) -> Option<&Judged> {
        Span::ALL.iter().zip(&self.of).find(|(one, _)| **one == span).and_then(|(_, opinion)| opinion.last.as_ref())
    }
}

/// What a window alone would say, by the same rule.
pub fn alone(rule: &Rule, baseline: &Baseline, outcomes: &[Outcome]) -> Verdict {
    let rule = Rule { persist: 1, of: 1, ..rule.clone() };
    Judge::new(rule).judge(outcomes, &|column, cell| cell_name(baseline, column, cell))
}

/// Compares every column of a window with its side of the reference.
pub fn outcomes(baseline: &Baseline, window: &Window) -> Vec<Outcome> {
    let lost = window.dropped as f64 / (window.dropped + window.sampled).max(1) as f64;
    let compare = |(side, column): (&Option<Side>, _)| {
        if window.degraded() {
            return Err(Shortage::Lost { share: lost });
        }
        let current = Side::of_window(window, column);
        let compared = side.as_ref().zip(current.as_ref()).and_then(|(side, current)| side.compare(current, 1.0));
        compared.ok_or(Shortage::Incomparable)
    };
    baseline.sides.iter().zip(&window.columns).map(compare).collect()
}

/// Compares a window with another one, column by column.
pub fn between(before: &Window, now: &Window) -> Vec<Option<Compared>> {
    let side = |window: &Window, at: usize| Side::of_window(window, window.columns.get(at)?);
    (0..now.columns.len()).map(|at| side(before, at)?.compare(&side(now, at)?, 1.0)).collect()
}

fn cell_name(baseline: &Baseline, column: usize, cell: usize) -> String {
    let side = baseline.sides.get(column).and_then(Option::as_ref);
    side.map_or_else(|| format!("cell {cell}"), |side| side.cell_name(cell))
}
