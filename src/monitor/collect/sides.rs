//! Profiles and windows as the sides of a comparison.

use crate::monitor::drift::{CategoricalSide, Compared, Counts, NumericSide, categorical, numeric};
use crate::monitor::history::{Window, WindowColumn};
use crate::monitor::reference::{ColumnProfile, Profile, ProfileSummary};
use crate::monitor::sketch::{Dictionary, Edges, Shape};
use std::sync::Arc;

/// One side of a column: what was counted, on which edges or values.
#[derive(Clone, Debug)]
pub struct Side {
    pub cells: Vec<f64>,
    pub missing: f64,
    pub n_eff: f64,
    on: On,
    /// Mean, deviation and extremes of finite values; NaN where there are none, or of texts.
    pub mean: f64,
    pub std: f64,
    pub min: f64,
    pub max: f64,
}

#[derive(Clone, Debug)]
enum On {
    Edges(Arc<Edges>),
    Values(Arc<Dictionary>),
}

impl Side {
    /// A window's column; `None` where it has no cells yet.
    pub fn of_window(window: &Window, column: &WindowColumn) -> Option<Self> {
        let n_eff = window.n_eff();
        match column {
            WindowColumn::Numeric(column) => {
                let on = On::Edges(column.edges.clone()?);
                let mut cells = column.cells.clone();
                add_ends(&mut cells, column.counters.neg_inf, column.counters.pos_inf);
                let moments = &column.moments;
                let of_some = |value: f64| if moments.n > 0.0 { value } else { f64::NAN };
                Some(Self {
                    cells,
                    missing: column.counters.null + column.counters.nan,
                    n_eff,
                    on,
                    mean: of_some(moments.mean),
                    std: moments.deviation().unwrap_or(f64::NAN),
                    min: of_some(moments.min),
                    max: of_some(moments.max),
                })
            }
            WindowColumn::Categorical(column) => {
                let cells = column.codes.iter().copied().chain([column.other]).collect();
                Some(Self::of_texts(cells, column.null, n_eff, column.dictionary.clone()))
            }
        }
    }

    /// A profile's column, on the shape that is made from it.
    pub fn of_profile(profile: &Profile, column: &ColumnProfile, shape: &Shape) -> Option<Self> {
        let n_eff = profile.effective_rows;
        let count = |count: &u64| *count as f64;
        match (&column.summary, shape) {
            (ProfileSummary::Numeric(column), Shape::Numeric(Some(edges))) => {
                let mut cells: Vec<f64> = column.counts.iter().map(count).collect();
                add_ends(&mut cells, column.neg_inf as f64, column.pos_inf as f64);
                let value = |value: Option<f64>| value.unwrap_or(f64::NAN);
                Some(Self {
                    cells,
                    missing: (column.null + column.nan) as f64,
                    n_eff,
                    on: On::Edges(edges.clone()),
                    mean: value(column.mean),
                    std: (value(column.m2).max(0.0) / column.finite as f64).sqrt(),
                    min: value(column.min),
                    max: value(column.max),
                })
            }
            (ProfileSummary::Categorical(column), Shape::Categorical(dictionary)) => {
                let cells = column.counts.iter().map(count).chain([column.other as f64]).collect();
                Some(Self::of_texts(cells, column.null as f64, n_eff, dictionary.clone()))
            }
            _ => None,
        }
    }

    fn of_texts(cells: Vec<f64>, missing: f64, n_eff: f64, dictionary: Arc<Dictionary>) -> Self {
        let nan = f64::NAN;
        Self { cells, missing, n_eff, on: On::Values(dictionary), mean: nan, std: nan, min: nan, max: nan }
    }

    /// Compares `current` with this side; `None` where they were not counted alike.
    pub fn compare(&self, current: &Self, overdispersion: f64) -> Option<Compared> {
        match (&self.on, &current.on) {
            (On::Edges(a), On::Edges(b)) if a.digest() == b.digest() => {
                numeric(&self.numeric(a), &current.numeric(b), overdispersion)
            }
            (On::Values(a), On::Values(b)) if a.digest() == b.digest() => {
                let (reference, current) = (self.counts(), current.counts());
                categorical(
                    &CategoricalSide { counts: reference },
                    &CategoricalSide { counts: current },
                    overdispersion,
                )
            }
            _ => None,
        }
    }

    fn counts(&self) -> Counts<'_> {
        Counts { cells: &self.cells, missing: self.missing, n_eff: self.n_eff }
    }

    fn numeric<'a>(&'a self, edges: &'a Edges) -> NumericSide<'a> {
        let (mean, std, min, max) = (self.mean, self.std, self.min, self.max);
        NumericSide { counts: self.counts(), edges: edges.as_slice(), mean, std, min, max }
    }

    /// A cell in words: a range of numbers, or a value.
    pub fn cell_name(&self, cell: usize) -> String {
        match &self.on {
            On::Edges(edges) => {
                let edge = |at: Option<usize>| at.and_then(|at| edges.as_slice().get(at));
                match (edge(cell.checked_sub(1)), edge(Some(cell))) {
                    (Some(low), Some(high)) => format!("{low:.4} to {high:.4}"),
                    (Some(low), None) => format!("above {low:.4}"),
                    (None, Some(high)) => format!("up to {high:.4}"),
                    (None, None) => "any number".into(),
                }
            }
            On::Values(dictionary) => match dictionary.values().get(cell) {
                Some(value) => format!("'{}'", crate::text::shorten(value, 40)),
                None => "values not seen in the reference".into(),
            },
        }
    }
}

/// Infinities lie beyond the last edges.
fn add_ends(cells: &mut [f64], below: f64, above: f64) {
    if let Some(first) = cells.first_mut() {
        *first += below;
    }
    if let Some(last) = cells.last_mut() {
        *last += above;
    }
}
