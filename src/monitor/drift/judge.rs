//! The judge: from one window's comparisons to the standing of every column, window after window.
//!
//! It remembers the last few windows of each column and nothing else. The windows must be disjoint: rows
//! that are judged twice would count as a change that persists.

use super::compare::Compared;
use super::multiple::{benjamini_hochberg, benjamini_yekutieli};
use super::rule::{Rule, Status};
use super::words;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Why a window says nothing of a column.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Shortage {
    /// Fewer rows in the window than the rule wants.
    Rows { rows: f64, least: f64 },
    /// Fewer rows in the reference than the rule wants.
    Reference { rows: f64, least: f64 },
    /// So large a share of the sample was lost that the rest may not stand for it.
    Lost { share: f64 },
    /// There is no reference yet, or one that has other cells.
    Incomparable,
}

/// What a window holds of one column.
pub type Outcome = Result<Compared, Shortage>;

/// The standing of every column of a model, kept over windows. A restart may keep it by serde.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judge {
    rule: Rule,
    columns: Vec<Column>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Column {
    standing: Status,
    /// The newest last.
    recent: VecDeque<Seen>,
}

/// What one window says: by the floors, and by the lowered ones that hold a status once raised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    raises: Status,
    holds: Status,
}

/// What the judge says of a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The worst of the columns'.
    pub status: Status,
    /// Columns with an alarm, and columns that could be judged.
    pub drifted: usize,
    pub monitored: usize,
    pub share: f64,
    /// How p values were adjusted, and to what share of false alarms.
    pub method: &'static str,
    pub q: f64,
    pub columns: Vec<Finding>,
}

/// What the judge says of one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub status: Status,
    /// As it stood when it could last be judged; differs from `status` only where that is `Insufficient`.
    pub standing: Status,
    /// What this window alone would say.
    pub window: Status,
    pub p_adjusted: Option<f64>,
    /// The floor of the status, or the lowest one where all is well.
    pub floor: f64,
    /// Of the last windows judged, how many were at the standing or above; at any alarm where all is well.
    pub hits: usize,
    pub of: usize,
    /// Why, in words: the decision with its numbers, then what has changed and where to.
    pub reasons: Vec<String>,
}

impl Judge {
    pub fn new(rule: Rule) -> Self {
        Self { rule, columns: Vec::new() }
    }

    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Judges one window: one outcome per column, in the same order every time. `name` gives the words
    /// for a cell of a categorical column, by column and cell.
    pub fn judge(&mut self, window: &[Outcome], name: &dyn Fn(usize, usize) -> String) -> Verdict {
        self.columns.resize_with(window.len(), Column::default);
        let window: Vec<_> = window.iter().map(|outcome| self.rule.admit(outcome)).collect();
        let p: Vec<f64> = window.iter().flatten().map(|compared| compared.p).collect();
        let (method, adjusted) = self.rule.adjust(&p);
        let mut adjusted = adjusted.into_iter();
        let mut findings = Vec::with_capacity(window.len());
        for (at, (outcome, column)) in window.iter().zip(&mut self.columns).enumerate() {
            findings.push(match outcome {
                Ok(compared) => {
                    let p_adjusted = adjusted.next().unwrap_or(1.0);
                    let level = column.step(&self.rule, compared, p_adjusted);
                    let mut finding = column.finding(&self.rule, level, p_adjusted);
                    let judged = words::Judged { compared, rule: &self.rule, method, columns: p.len() };
                    finding.reasons = judged.reasons(&finding, &|cell| name(at, cell));
                    finding
                }
                Err(shortage) => column.unjudged(&self.rule, *shortage),
            });
        }
        Verdict::new(method, self.rule.q, p.len(), findings)
    }
}

impl Rule {
    /// P values adjusted over the columns of a window, and the name of the way.
    fn adjust(&self, p: &[f64]) -> (&'static str, Vec<f64>) {
        match self.any_dependence {
            false => ("benjamini-hochberg", benjamini_hochberg(p)),
            true => ("benjamini-yekutieli", benjamini_yekutieli(p)),
        }
    }

    /// A comparison of enough rows, or why not.
    fn admit<'a>(&self, outcome: &'a Outcome) -> Result<&'a Compared, Shortage> {
        let compared = outcome.as_ref().map_err(|shortage| *shortage)?;
        let least = self.min_rows;
        if compared.n_ref < least {
            return Err(Shortage::Reference { rows: compared.n_ref, least });
        }
        if compared.n_cur < least { Err(Shortage::Rows { rows: compared.n_cur, least }) } else { Ok(compared) }
    }
}

impl Column {
    /// Takes in a window; what it says alone.
    fn step(&mut self, rule: &Rule, compared: &Compared, p_adjusted: f64) -> Status {
        let raises = rule.level(compared, p_adjusted, 1.0);
        let holds = rule.level(compared, p_adjusted, rule.hysteresis);
        self.recent.push_back(Seen { raises, holds });
        while self.recent.len() > rule.of.max(rule.resolve).max(1) {
            self.recent.pop_front();
        }
        let kept = self.last(rule.resolve).map(|seen| seen.holds).max().unwrap_or_default();
        self.standing = self.raised(rule).max(self.standing.min(kept));
        raises
    }

    /// The highest status that enough of the last windows reach.
    fn raised(&self, rule: &Rule) -> Status {
        let mut levels: Vec<Status> = self.last(rule.of).map(|seen| seen.raises).collect();
        levels.sort_unstable_by(|a, b| b.cmp(a));
        levels.get(rule.persist.saturating_sub(1)).copied().unwrap_or_default()
    }

    fn last(&self, windows: usize) -> impl Iterator<Item = &Seen> {
        self.recent.iter().rev().take(windows.max(1))
    }

    fn finding(&self, rule: &Rule, window: Status, p_adjusted: f64) -> Finding {
        let told = self.standing.max(Status::Notice);
        Finding {
            status: self.standing,
            standing: self.standing,
            window,
            p_adjusted: Some(p_adjusted),
            floor: rule.floor(told),
            hits: self.last(rule.of).filter(|seen| seen.raises >= told).count(),
            of: self.last(rule.of).count(),
            reasons: Vec::new(),
        }
    }

    fn unjudged(&self, rule: &Rule, shortage: Shortage) -> Finding {
        Finding {
            status: Status::Insufficient,
            window: Status::Insufficient,
            p_adjusted: None,
            reasons: words::shortage(shortage, self.standing),
            ..self.finding(rule, Status::Insufficient, 1.0)
        }
    }
}

impl Verdict {
    fn new(method: &'static str, q: f64, monitored: usize, columns: Vec<Finding>) -> Self {
        let drifted = columns.iter().filter(|finding| finding.status.is_alarm()).count();
        let status = columns.iter().map(|finding| finding.status).max().unwrap_or(Status::Insufficient);
        let share = if monitored == 0 { 0.0 } else { drifted as f64 / monitored as f64 };
        Self { status, drifted, monitored, share, method, q, columns }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
