//! Rows as a whole beside the first ones.

use super::Settings;
use super::learn::{BLOCK, Fitted, Learning, Learnt, features};
use super::parts::Parts;
use crate::monitor::drift::mmd::{MeanMap, RandomFourier};
use crate::monitor::drift::pca::Errors;
use crate::monitor::drift::special::normal_two_sided;
use crate::monitor::drift::{Rule, Status};
use crate::monitor::history::Span;
use crate::monitor::{Column, Kind, Role};
use serde::{Deserialize, Serialize};

/// Columns that are looked at: the work grows with their square at each row, and once with their cube.
pub const MOST_COLUMNS: usize = 128;
/// Values of a side before which nothing is said: rows, or blocks of rows.
const FEWEST: f64 = 20.0;

/// What one method says of a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// `pca` or `mmd`.
    pub method: &'static str,
    pub status: Status,
    /// How many columns are looked at together.
    pub columns: usize,
    /// Rows learnt from, and rows of the window that were looked at.
    pub n_ref: u64,
    pub n_cur: u64,
    /// The mean error in deviations from what chance gives, and the chance of it.
    pub effect: Option<f64>,
    pub p: Option<f64>,
    pub threshold: f64,
    /// In words.
    pub reason: String,
}

/// The numeric inputs of a version, row by row.
#[derive(Debug)]
pub struct Whole {
    settings: Settings,
    /// Places of the columns in a row, and their names.
    places: Vec<usize>,
    names: Vec<String>,
    state: State,
    row: Vec<f64>,
}

#[derive(Debug)]
enum State {
    Learning(Learning),
    Learnt(Box<Frozen>),
}

#[derive(Debug)]
struct Frozen {
    learnt: Learnt,
    fourier: Option<RandomFourier>,
    /// The block of rows that is filling.
    block: Option<MeanMap>,
    seen: [Parts; 2],
}

/// What is kept over restarts.
#[derive(Serialize, Deserialize)]
pub struct Kept {
    columns: Vec<String>,
    learnt: Learnt,
    seen: [Parts; 2],
}

impl Whole {
    /// `None` where it is off, or where there are not two numeric inputs.
    pub fn new(settings: &Settings, columns: &[Column]) -> Option<Self> {
        let numeric = |(_, column): &(usize, &Column)| column.role == Role::Input && column.kind == Kind::Numeric;
        let chosen: Vec<(usize, &Column)> = columns.iter().enumerate().filter(numeric).take(MOST_COLUMNS).collect();
        (settings.is_on() && chosen.len() > 1).then(|| Self {
            settings: settings.clone(),
            places: chosen.iter().map(|(at, _)| *at).collect(),
            names: chosen.iter().map(|(_, column)| column.name.clone()).collect(),
            state: State::Learning(Learning::new(chosen.len(), settings)),
            row: Vec::new(),
        })
    }

    /// Learns anew, from the rows that come next.
    pub fn begin_anew(&mut self) {
        self.state = State::Learning(Learning::new(self.places.len(), &self.settings));
    }

    /// Goes on from what was kept. What is of other columns, or other methods, is passed over.
    pub fn recall(&mut self, kept: Kept) -> bool {
        let methods = (kept.learnt.pca.is_some(), kept.learnt.mmd.is_some()) == (self.settings.pca, self.settings.mmd);
        let fits = kept.columns == self.names && methods && kept.learnt.is_sound(self.names.len());
        if fits {
            self.state = State::Learnt(Box::new(Frozen::new(kept.learnt, kept.seen)));
        }
        fits
    }

    /// What is to be kept, once something has been learnt.
    pub fn kept(&self) -> Option<Kept> {
        let State::Learnt(frozen) = &self.state else { return None };
        Some(Kept { columns: self.names.clone(), learnt: frozen.learnt.clone(), seen: frozen.seen.clone() })
    }

    /// Takes in a row, the words of all columns.
    pub fn take(&mut self, words: &[u64], now: u64) {
        self.row.clear();
        let value = |at: &usize| words.get(*at).map_or(f64::NAN, |word| f64::from_bits(*word));
        self.row.extend(self.places.iter().map(value));
        match &mut self.state {
            State::Learning(learning) => {
                if let Some(learnt) = learning.add(&self.row, &self.settings) {
                    self.state = State::Learnt(Box::new(Frozen::new(learnt, Default::default())));
                }
            }
            State::Learnt(frozen) => frozen.take(&self.row, now),
        }
    }

    /// What the methods that are on say of the last `span`.
    pub fn findings(&self, span: Span, now: u64, rule: &Rule) -> Vec<Finding> {
        let on = [("pca", self.settings.pca), ("mmd", self.settings.mmd)];
        let methods = on.into_iter().enumerate().filter(|(_, (_, on))| *on);
        methods.map(|(at, (method, _))| self.finding(at, method, span, now, rule)).collect()
    }

    fn finding(&self, at: usize, method: &'static str, span: Span, now: u64, rule: &Rule) -> Finding {
        let threshold = [self.settings.pca_floor, self.settings.mmd_floor][at];
        let mut finding = Finding {
            method,
            status: Status::Insufficient,
            columns: self.places.len(),
            n_ref: 0,
            n_cur: 0,
            effect: None,
            p: None,
            threshold,
            reason: String::new(),
        };
        let frozen = match &self.state {
            State::Learnt(frozen) => frozen,
            State::Learning(learning) => {
                finding.reason = format!("learns from {} of {} rows", learning.rows(), learning.wanted());
                return finding;
            }
        };
        let Some((chance, per)) = frozen.chance(at) else {
            finding.reason = "nothing could be learnt of these columns".to_owned();
            return finding;
        };
        let current = frozen.seen[at].lately(span, now);
        (finding.n_ref, finding.n_cur) = (frozen.learnt.rows as u64, current.n as u64 * per);
        if let Some((effect, p)) = compared(chance, &current) {
            (finding.effect, finding.p) = (Some(effect), Some(p));
        }
        let is_far = |errors: &Errors| {
            compared(chance, errors).map(|(effect, p)| effect.abs() >= threshold && p < self.settings.alpha)
        };
        let closed = frozen.seen[at].closed(span, now).take(rule.of).filter_map(is_far).collect::<Vec<_>>();
        let far = closed.iter().filter(|far| **far).count();
        let (judged, alarm) = match closed.len() >= rule.persist {
            true => (format!("{far} of the last {} closed windows are far", closed.len()), far >= rule.persist),
            false => (
                "no window has closed often enough: this one speaks for itself".to_owned(),
                is_far(&current) == Some(true),
            ),
        };
        if finding.effect.is_some() || !closed.is_empty() {
            finding.status = if alarm { Status::Warning } else { Status::Ok };
        }
        let shift = finding.effect.map_or("too few rows".to_owned(), |effect| {
            format!("{} by {:.2} deviations of those learnt", frozen.words(at), effect)
        });
        finding.reason = format!("{shift}; {judged}");
        finding
    }
}

/// Effect and chance of a shift of the mean; `None` where there is too little on a side. Both sides have
/// the deviation of what was learnt, as they have where nothing changes: a window of which only a part
/// has changed spreads widely, and that is no reason to overlook it.
fn compared(chance: &Errors, current: &Errors) -> Option<(f64, f64)> {
    if chance.n < FEWEST || current.n < FEWEST {
        return None;
    }
    let deviation = (chance.m2 / (chance.n - 1.0)).sqrt();
    let effect = (current.mean - chance.mean) / deviation;
    let error = (1.0 / chance.n + 1.0 / current.n).sqrt();
    effect.is_finite().then(|| (effect, normal_two_sided(effect / error)))
}

impl Frozen {
    fn new(learnt: Learnt, seen: [Parts; 2]) -> Self {
        let fourier = learnt.mmd.as_ref().and_then(|_| features(learnt.columns()));
        Self { learnt, fourier, block: None, seen }
    }

    fn take(&mut self, row: &[f64], now: u64) {
        let row = self.learnt.standard(row);
        if let Some(error) = self.learnt.pca.as_ref().and_then(|pca| pca.of.error(&row)) {
            self.seen[0].add(now, error);
        }
        if let (Some(fourier), Some(mmd)) = (&self.fourier, &self.learnt.mmd) {
            let block = self.block.get_or_insert_with(|| fourier.empty());
            fourier.add(&row, block);
            if block.n >= BLOCK as f64 {
                let distance = mmd.of.mmd2(block);
                self.block = None;
                distance.into_iter().for_each(|distance| self.seen[1].add(now, distance));
            }
        }
    }

    /// The errors that chance gives, and rows per error.
    fn chance(&self, at: usize) -> Option<(&Errors, u64)> {
        fn of<T>(fitted: &Fitted<T>) -> &Errors {
            &fitted.chance
        }
        match at {
            0 => Some((of(self.learnt.pca.as_ref()?), 1)),
            _ => Some((of(self.learnt.mmd.as_ref()?), BLOCK as u64)),
        }
    }

    fn words(&self, at: usize) -> String {
        match (at, &self.learnt.pca) {
            (0, Some(pca)) => {
                format!("the error of {} components has moved", pca.of.components())
            }
            _ => "the distance of whole rows has moved".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
