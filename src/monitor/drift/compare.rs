//! A column's current rows beside its reference: every statistic, and one p value from the tests.
//!
//! Pure functions of counts and moments. A p value says whether a change is more than chance, the
//! corrected PSI how large it is; the rule in `judge` wants both.

use super::bins::{Cell, Counts, Pair, is_empty};
use super::distance::{self, Scale};
use super::homogeneity::{self, Proportions};
use super::rank;
use super::special;
use serde::Serialize;

/// Bins into which the cells of a numeric column are folded for PSI, chi-square and the distances.
pub const BINS: usize = 20;

/// One side of a numeric column. Both sides of a comparison have their cells on the same edges.
#[derive(Clone, Copy, Debug)]
pub struct NumericSide<'a> {
    /// Cell `j` counts the rows with `edges[j - 1] < x <= edges[j]`.
    pub counts: Counts<'a>,
    /// One fewer than cells, increasing.
    pub edges: &'a [f64],
    /// Of the finite values, as are the deviation (by N) and the extremes; NaN where there are none.
    pub mean: f64,
    pub std: f64,
    pub min: f64,
    pub max: f64,
}

/// One side of a categorical column: counts by code of the reference's dictionary, then all other values.
#[derive(Clone, Copy, Debug)]
pub struct CategoricalSide<'a> {
    pub counts: Counts<'a>,
}

/// What a comparison found. Missing values are a bin of their own in every statistic but those of order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Effective rows, missing ones counted.
    pub n_ref: f64,
    pub n_cur: f64,
    /// Bins in use for PSI.
    pub bins: usize,
    /// Of numeric columns: the last cell of each bin into which the cells were folded.
    pub ends: Vec<usize>,
    pub psi: f64,
    /// PSI less what chance alone gives in the mean; never below 0.
    pub psi_corrected: f64,
    /// Jensen-Shannon distance, natural logarithm.
    pub js: f64,
    pub hellinger: f64,
    pub tvd: f64,
    pub linf: f64,
    /// Of numeric columns: the largest difference of the CDFs at an edge, and what it is at most between.
    pub ks: Option<f64>,
    pub ks_upper: Option<f64>,
    /// Of numeric columns: the first Wasserstein distance, in standard deviations of the reference.
    pub w1: Option<f64>,
    /// Of numeric columns: how far the mean has moved, in standard deviations of the reference.
    pub mean_shift: Option<f64>,
    pub chi2: f64,
    pub df: usize,
    pub p_chi2: f64,
    pub p_ks: Option<f64>,
    /// Standard normal scores: above 0 where current values lie higher.
    pub location: Option<f64>,
    /// Standard normal scores: above 0 where current values lie wider apart.
    pub spread: Option<f64>,
    /// Of the shares in the outermost cells having grown; of numeric columns.
    pub p_tails: Option<f64>,
    /// Of the share of missing values, two-sided.
    pub p_missing: Option<f64>,
    /// Of the share of values that are rare or absent in the reference; of categorical columns.
    pub p_rare: Option<f64>,
    /// Shares of missing values.
    pub missing_ref: f64,
    pub missing_cur: f64,
    /// The cell whose share has changed most.
    pub moved: Moved,
    /// Of all tests together, valid whatever their dependence.
    pub p: f64,
}

/// A cell, and its share of the rows on either side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// `None` stands for the missing values.
    pub cell: Option<usize>,
    pub from: f64,
    pub to: f64,
}

/// Compares two sides of a numeric column. `None` where a side has no rows, or they do not have the same
/// cells, or a count is no count.
///
/// `overdispersion` is by how much the variance of counts exceeds that of independent rows; 1 if unknown.
pub fn numeric(reference: &NumericSide, current: &NumericSide, overdispersion: f64) -> Option<Compared> {
    let pair = Pair::new(&reference.counts, &current.counts, overdispersion)?;
    let folded = pair.equal_mass(BINS);
    let mut found = common(&pair, &folded.bins, &folded.bins, &reference.counts, &current.counts)?;
    let scale = Scale {
        low: reference.min,
        high: reference.max,
        reference_mean: reference.mean,
        reference_std: reference.std,
        current_mean: current.mean,
    };
    found.ends = folded.ends;
    found.mean_shift = scale.mean_shift();
    found.w1 = scale.wasserstein(&pair.cells, reference.edges);
    if let Some(ks) = rank::ks(&pair.cells) {
        (found.ks, found.ks_upper, found.p_ks) = (Some(ks.statistic), Some(ks.upper), Some(ks.p));
    }
    if let Some(scores) = rank::scores(&pair.cells) {
        (found.location, found.spread) = (Some(scores.location), Some(scores.spread));
    }
    found.p_tails = rank::tails(&pair.cells);
    // A shift is the most common change and gets the largest part of the level. Each of the others finds
    // what the rest do not: many small changes, one in the middle, rows far out.
    found.p = together(&[
        (found.location.map(special::normal_two_sided), 3.0),
        (Some(found.p_chi2), 1.0),
        (found.p_ks, 1.0),
        (found.p_tails, 1.0),
        (found.spread.map(special::normal_two_sided), 1.0),
        (found.p_missing, 1.0),
    ]);
    Some(found)
}

/// Compares two sides of a categorical column, as [`numeric`].
pub fn categorical(reference: &CategoricalSide, current: &CategoricalSide, overdispersion: f64) -> Option<Compared> {
    let pair = Pair::new(&reference.counts, &current.counts, overdispersion)?;
    let (mut bins, rare) = pair.frequent();
    if !is_empty(rare) {
        bins.push(rare);
    }
    let mut found = common(&pair, &bins, &pair.cells, &reference.counts, &current.counts)?;
    found.p_rare = homogeneity::proportions(rare, pair.rows()).as_ref().map(Proportions::two_sided);
    found.p = together(&[(Some(found.p_chi2), 2.0), (found.p_rare, 1.0), (found.p_missing, 1.0)]);
    Some(found)
}

/// What does not need an order. PSI and chi-square are of `bins`, the distances of `cells`.
fn common(pair: &Pair, bins: &[Cell], cells: &[Cell], reference: &Counts, current: &Counts) -> Option<Compared> {
    let all =
        |of: &[Cell]| of.iter().copied().chain([pair.missing]).filter(|cell| !is_empty(*cell)).collect::<Vec<_>>();
    let bins = all(bins);
    let testable: Vec<Cell> = bins.iter().copied().filter(|bin| pair.is_plenty(*bin)).collect();
    let (psi, chi2) = (distance::psi(&bins), homogeneity::chi2(&testable));
    let distances = distance::distances(&all(cells));
    let rows = pair.rows();
    Some(Compared {
        n_ref: reference.n_eff,
        n_cur: current.n_eff,
        bins: bins.len(),
        ends: Vec::new(),
        psi,
        psi_corrected: (psi - distance::psi_by_chance(&bins)).max(0.0),
        js: distances.js,
        hellinger: distances.hellinger,
        tvd: distances.tvd,
        linf: distances.linf,
        ks: None,
        ks_upper: None,
        w1: None,
        mean_shift: None,
        chi2: chi2.statistic,
        df: chi2.df,
        p_chi2: chi2.p,
        p_ks: None,
        location: None,
        spread: None,
        p_tails: None,
        p_missing: homogeneity::proportions(pair.missing, rows).as_ref().map(Proportions::two_sided),
        p_rare: None,
        missing_ref: pair.missing[0] / rows[0],
        missing_cur: pair.missing[1] / rows[1],
        moved: moved(pair),
        p: 1.0,
    })
}

fn moved(pair: &Pair) -> Moved {
    let [n, m] = pair.rows();
    let shares = |cell: Option<usize>, [r, c]: Cell| Moved { cell, from: r / n, to: c / m };
    let cells = pair.cells.iter().enumerate().map(|(at, cell)| shares(Some(at), *cell));
    let by = |moved: &Moved| (moved.to - moved.from).abs();
    cells.fold(shares(None, pair.missing), |most, next| if by(&next) > by(&most) { next } else { most })
}

/// One p value from several: the smallest, each at its share of the level (Bonferroni with weights), which
/// holds whatever their dependence.
fn together(parts: &[(Option<f64>, f64)]) -> f64 {
    let known = || parts.iter().filter_map(|(p, weight)| p.map(|p| (p, *weight)));
    let total: f64 = known().map(|(_, weight)| weight).sum();
    known().map(|(p, weight)| p * total / weight).fold(1.0, f64::min)
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
