//! What is learnt of whole rows, and then stays.
//!
//! The first half of the rows is fitted. The second half is measured with what was fitted: its errors
//! are what chance gives, on rows that were not fitted, so later ones are compared with like.

use super::Settings;
use crate::monitor::drift::mmd::{FEATURES, MeanMap, RandomFourier};
use crate::monitor::drift::pca::{Covariance, Errors, Pca};
use serde::{Deserialize, Serialize};

/// Rows whose features are averaged to one value of the discrepancy.
pub const BLOCK: usize = 50;
/// Draws the same features everywhere.
const SEED: u64 = 0x7469_6465;
/// Values that are remembered while learning: two megabytes.
const MOST_VALUES: usize = 1 << 18;
/// The fewest rows that are fitted, however wide they are.
const FEWEST: usize = 100;

/// Rows that are being learnt from.
#[derive(Clone, Debug)]
pub struct Learning {
    columns: usize,
    rows: Vec<f64>,
    wanted: usize,
}

/// What has been learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learnt {
    pub rows: usize,
    /// Per column; one over the deviation, and 0 where it is constant.
    mean: Vec<f64>,
    scale: Vec<f64>,
    pub pca: Option<Fitted<Pca>>,
    pub mmd: Option<Fitted<MeanMap>>,
}

/// One method with the errors that chance gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted<T> {
    pub of: T,
    pub chance: Errors,
}

impl Learning {
    pub fn new(columns: usize, settings: &Settings) -> Self {
        let most = (MOST_VALUES / columns.max(1)).max(2 * FEWEST);
        Self { columns, rows: Vec::new(), wanted: settings.learn.min(most) }
    }

    pub fn rows(&self) -> usize {
        self.rows.len() / self.columns.max(1)
    }

    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Takes a row in; answers what was learnt once there are enough.
    pub fn add(&mut self, row: &[f64], settings: &Settings) -> Option<Learnt> {
        self.rows.extend_from_slice(row);
        (self.rows() >= self.wanted).then(|| self.learn(settings))
    }

    fn learn(&mut self, settings: &Settings) -> Learnt {
        let rows = std::mem::take(&mut self.rows);
        let all = rows.len() / self.columns.max(1);
        let (fitted, others) = rows.split_at(all / 2 * self.columns);
        let (mean, scale) = (0..self.columns).map(|at| moments(fitted, at, self.columns)).unzip();
        let mut learnt = Learnt { rows: all, mean, scale, pca: None, mmd: None };
        learnt.pca = settings.pca.then(|| learnt.fit_pca(fitted, others, settings.variance)).flatten();
        learnt.mmd = settings.mmd.then(|| learnt.fit_mmd(fitted, others)).flatten();
        learnt
    }
}

/// Mean of a column's finite values, and one over their deviation.
fn moments(rows: &[f64], at: usize, columns: usize) -> (f64, f64) {
    let mut seen = Errors::default();
    rows.iter().skip(at).step_by(columns).for_each(|value| seen.update(*value));
    let deviation = (seen.m2 / seen.n.max(1.0)).sqrt();
    (seen.mean, if deviation > 0.0 && deviation.is_finite() { 1.0 / deviation } else { 0.0 })
}

impl Learnt {
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// A row in deviations; what is missing counts as the mean.
    pub fn standard(&self, row: &[f64]) -> Vec<f64> {
        let places = row.iter().zip(&self.mean).zip(&self.scale);
        places.map(|((x, mean), scale)| if x.is_finite() { (x - mean) * scale } else { 0.0 }).collect()
    }

    fn fit_pca(&self, fitted: &[f64], others: &[f64], share: f64) -> Option<Fitted<Pca>> {
        let mut covariance = Covariance::new(self.columns())?;
        fitted.chunks_exact(self.columns()).for_each(|row| covariance.update(&self.standard(row)));
        let pca = Pca::fit(&covariance, share)?;
        let mut chance = Errors::default();
        let errors = others.chunks_exact(self.columns()).filter_map(|row| pca.error(&self.standard(row)));
        errors.for_each(|error| chance.update(error));
        Some(Fitted { of: pca, chance })
    }

    fn fit_mmd(&self, fitted: &[f64], others: &[f64]) -> Option<Fitted<MeanMap>> {
        let fourier = features(self.columns())?;
        let mut reference = fourier.empty();
        fitted.chunks_exact(self.columns()).for_each(|row| fourier.add(&self.standard(row), &mut reference));
        let mut chance = Errors::default();
        for block in others.chunks_exact(BLOCK * self.columns()) {
            let mut map = fourier.empty();
            block.chunks_exact(self.columns()).for_each(|row| fourier.add(&self.standard(row), &mut map));
            reference.mmd2(&map).into_iter().for_each(|distance| chance.update(distance));
        }
        Some(Fitted { of: reference, chance })
    }

    /// Whether one that was read from a file can be used on rows of so many columns.
    pub fn is_sound(&self, columns: usize) -> bool {
        let numbers = self.mean.iter().chain(&self.scale).all(|value| value.is_finite());
        let row = vec![0.0; columns];
        let pca = self.pca.as_ref().is_none_or(|pca| pca.of.error(&row).is_some_and(f64::is_finite));
        let fits = |map: &MeanMap| features(columns).is_some_and(|fourier| map.mmd2(&pair(&fourier, &row)).is_some());
        let mmd = self.mmd.as_ref().is_none_or(|mmd| fits(&mmd.of));
        self.mean.len() == columns && self.scale.len() == columns && numbers && pca && mmd
    }
}

/// The mean of twice the same row.
fn pair(fourier: &RandomFourier, row: &[f64]) -> MeanMap {
    let mut map = fourier.empty();
    (0..2).for_each(|_| fourier.add(row, &mut map));
    map
}

/// The features for rows of standardised columns.
pub fn features(columns: usize) -> Option<RandomFourier> {
    RandomFourier::new(columns, FEATURES, (columns as f64).sqrt(), SEED)
}
