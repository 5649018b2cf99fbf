//! A column in a window: weighted counts and moments, and what is kept of sketches.

use super::super::sketch::{
    Categorical, Counters, Dictionary, Distinct, Edges, Frequent, Moments, Numeric, Quantiles, Shape,
};
use super::pane::Pane;
use super::window::Detail;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub enum WindowColumn {
    Numeric(WindowNumeric),
    Categorical(WindowCategorical),
}

#[derive(Clone, Debug)]
pub struct WindowNumeric {
    pub edges: Option<Arc<Edges>>,
    pub counters: Counters<f64>,
    pub moments: Moments,
    /// Finite values by cell of `edges`; empty without them.
    pub cells: Vec<f64>,
    /// Of rows with a chance of `2^-unit`. Not kept in every window.
    pub quantiles: Option<Quantiles>,
    pub unit: u8,
    /// Different values among those rows. Not kept in every window.
    pub distinct: Option<Distinct>,
}

#[derive(Clone, Debug)]
pub struct WindowCategorical {
    pub dictionary: Arc<Dictionary>,
    pub null: f64,
    pub type_error: f64,
    /// By code of `dictionary`.
    pub codes: Vec<f64>,
    /// Values that are not in the dictionary.
    pub other: f64,
    /// The most frequent of those. Not kept in every window.
    pub unseen: Option<Frequent>,
    /// Different values among the rows counted. Not kept in every window.
    pub distinct: Option<Distinct>,
}

impl WindowColumn {
    pub(super) fn empty(shape: &Shape) -> Self {
        match shape {
            Shape::Numeric(edges) => Self::Numeric(WindowNumeric::empty(edges.clone())),
            Shape::Categorical(dictionary) => Self::Categorical(WindowCategorical::empty(dictionary.clone())),
        }
    }

    pub(super) fn folded(&self, shape: &Shape) -> Self {
        let mut folded = Self::empty(shape);
        match (self, &mut folded) {
            (Self::Numeric(mine), Self::Numeric(folded)) => {
                (folded.counters, folded.moments) = (mine.counters, mine.moments);
                let (cells, bins) = (mine.cells.len(), folded.cells.len());
                for (cell, count) in mine.cells.iter().enumerate() {
                    folded.cells[cell * bins / cells] += count;
                }
            }
            (Self::Categorical(mine), Self::Categorical(folded)) => {
                (folded.null, folded.type_error) = (mine.null, mine.type_error);
                let (first, rest) = mine.codes.split_at(folded.codes.len().min(mine.codes.len()));
                folded.codes.copy_from_slice(first);
                folded.other = mine.other + rest.iter().sum::<f64>();
            }
            _ => {}
        }
        folded
    }

    /// Takes a new shape: what was counted by the old one's cells or codes is let go.
    pub(super) fn reshape(&mut self, shape: &Shape) {
        let fresh = Self::empty(shape);
        match (self, fresh) {
            (Self::Numeric(mine), Self::Numeric(fresh)) => (mine.edges, mine.cells) = (fresh.edges, fresh.cells),
            (mine, fresh) => *mine = fresh,
        }
    }
}

impl WindowNumeric {
    fn empty(edges: Option<Arc<Edges>>) -> Self {
        let cells = vec![0.0; edges.as_ref().map_or(0, |edges| edges.cells())];
        let (counters, moments) = (Counters::default(), Moments::default());
        Self { edges, counters, moments, cells, quantiles: None, unit: 0, distinct: None }
    }

    /// Quantiles and distinct values are kept in full detail, and where there are no cells.
    fn keeps(&self, detail: Detail) -> bool {
        detail == Detail::Full || self.edges.is_none()
    }

    pub(super) fn add(&mut self, pane: &Numeric, of: &Pane, detail: Detail) {
        let each = of.weight();
        self.counters.add(&pane.counters, each);
        self.moments.merge(&pane.moments.weighted(each));
        if same_edges(&self.edges, &pane.edges) {
            self.cells.iter_mut().zip(&pane.cells).for_each(|(sum, count)| *sum += f64::from(*count) * each);
        }
        if self.keeps(detail) {
            self.merge_quantiles(pane.quantiles.as_ref(), of.level.saturating_add(of.rich_level));
            merge_distinct(&mut self.distinct, pane.distinct.as_ref());
        }
    }

    pub(super) fn merge(&mut self, other: &Self, detail: Detail) {
        self.counters.merge(&other.counters);
        self.moments.merge(&other.moments);
        if same_edges(&self.edges, &other.edges) {
            self.cells.iter_mut().zip(&other.cells).for_each(|(sum, count)| *sum += count);
        }
        if self.keeps(detail) {
            self.merge_quantiles(other.quantiles.as_ref(), other.unit);
            merge_distinct(&mut self.distinct, other.distinct.as_ref());
        }
    }

    /// Values that stand for more rows are counted as often as it takes; where that would be too much,
    /// the quantiles are unknown.
    fn merge_quantiles(&mut self, more: Option<&Quantiles>, unit: u8) {
        let Some(more) = more.filter(|more| more.n() > 0) else { return };
        let Some(mine) = &mut self.quantiles else {
            (self.quantiles, self.unit) = (Some(more.clone()), unit);
            return;
        };
        let merged = if unit <= self.unit {
            mine.double(u32::from(self.unit - unit)).and_then(|()| mine.merge(more))
        } else {
            let mut doubled = more.clone();
            doubled.double(u32::from(unit - self.unit)).and_then(|()| mine.merge(&doubled))
        };
        self.unit = self.unit.min(unit);
        if merged.is_err() {
            self.quantiles = None;
        }
    }
}

impl WindowCategorical {
    fn empty(dictionary: Arc<Dictionary>) -> Self {
        let codes = vec![0.0; dictionary.len()];
        Self { dictionary, null: 0.0, type_error: 0.0, codes, other: 0.0, unseen: None, distinct: None }
    }

    /// All rows.
    pub fn rows(&self) -> f64 {
        self.codes.iter().sum::<f64>() + self.other + self.null + self.type_error
    }

    pub(super) fn add(&mut self, pane: &Categorical, of: &Pane, detail: Detail) {
        let each = of.weight();
        self.null += f64::from(pane.null) * each;
        self.type_error += f64::from(pane.type_error) * each;
        self.other += f64::from(pane.other) * each;
        if self.dictionary.digest() == pane.dictionary.digest() {
            self.codes.iter_mut().zip(&pane.codes).for_each(|(sum, count)| *sum += f64::from(*count) * each);
        }
        if pane.unseen.total() > 0 {
            let mut weighted = pane.unseen.clone();
            let merged = weighted.double(u32::from(of.level));
            self.merge_unseen(merged.is_ok().then_some(&weighted));
        }
        if detail == Detail::Full {
            merge_distinct(&mut self.distinct, pane.distinct().as_ref());
        }
    }

    pub(super) fn merge(&mut self, other: &Self, detail: Detail) {
        self.null += other.null;
        self.type_error += other.type_error;
        self.other += other.other;
        if self.dictionary.digest() == other.dictionary.digest() {
            self.codes.iter_mut().zip(&other.codes).for_each(|(sum, count)| *sum += count);
        }
        self.merge_unseen(other.unseen.as_ref());
        if detail == Detail::Full {
            merge_distinct(&mut self.distinct, other.distinct.as_ref());
        }
    }

    fn merge_unseen(&mut self, more: Option<&Frequent>) {
        let Some(more) = more else { return };
        if self.unseen.get_or_insert_default().merge(more).is_err() {
            self.unseen = None;
        }
    }
}

fn same_edges(one: &Option<Arc<Edges>>, other: &Option<Arc<Edges>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one.digest() == other.digest(),
        _ => false,
    }
}

fn merge_distinct(mine: &mut Option<Distinct>, more: Option<&Distinct>) {
    match (mine, more) {
        (Some(mine), Some(more)) => mine.merge(more),
        (mine @ None, Some(more)) => *mine = Some(more.clone()),
        (_, None) => {}
    }
}
