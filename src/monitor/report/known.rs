//! What is known of one side of a column: of the reference, or of the window.

use crate::monitor::drift::quality::Tally;
use crate::monitor::history::{Window, WindowColumn};
use crate::monitor::reference::{ColumnProfile, Profile, ProfileSummary};
use crate::monitor::sketch::Quantiles;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Frequent values that are told.
const COMMON: usize = 10;

/// One side of a column. Counts are of weighted rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    pub rows: f64,
    /// Effective rows, `(sum w)^2 / sum w^2`.
    pub n_eff: f64,
    pub null: f64,
    pub nan: f64,
    pub infinite: f64,
    pub type_error: f64,
    pub zero: f64,
    pub out_of_range: f64,
    /// Values in no category of the reference.
    pub unseen: f64,
    /// Finite values by cell, or values by code and then all others.
    pub cells: Vec<f64>,
    pub mean: Option<f64>,
    pub deviation: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// Different values, about.
    pub distinct: Option<f64>,
    /// The most frequent values of a categorical column, the first first.
    pub common: Vec<(String, f64)>,
    pub quantiles: Option<Quantiles>,
}

impl Known {
    pub fn of_window(window: &Window, column: &WindowColumn) -> Self {
        let side = Self { rows: window.rows, n_eff: window.n_eff(), ..Self::default() };
        match column {
            WindowColumn::Numeric(column) => {
                let (counters, moments) = (&column.counters, &column.moments);
                let some = |x: f64| Some(x).filter(|x| x.is_finite() && moments.n > 0.0);
                Self {
                    null: counters.null,
                    nan: counters.nan,
                    infinite: counters.pos_inf + counters.neg_inf,
                    type_error: counters.type_error,
                    zero: counters.zero,
                    out_of_range: counters.below + counters.above,
                    cells: column.cells.clone(),
                    mean: some(moments.mean),
                    deviation: some((moments.m2 / moments.n).max(0.0).sqrt()),
                    min: some(moments.min),
                    max: some(moments.max),
                    distinct: column.distinct.as_ref().map(|distinct| distinct.estimate()),
                    quantiles: column.quantiles.clone(),
                    ..side
                }
            }
            WindowColumn::Categorical(column) => {
                let known = column.dictionary.values().iter().map(|value| value.to_string());
                let mut common: Vec<(String, f64)> = known.zip(column.codes.iter().copied()).collect();
                let unseen = column.unseen.iter().flat_map(|unseen| unseen.top(COMMON));
                common.extend(unseen.map(|item| (item.text, item.lower as f64)));
                Self {
                    null: column.null,
                    type_error: column.type_error,
                    unseen: column.other,
                    cells: column.codes.iter().copied().chain([column.other]).collect(),
                    distinct: column.distinct.as_ref().map(|distinct| distinct.estimate()),
                    common: most(common),
                    ..side
                }
            }
        }
    }

    pub fn of_profile(profile: &Profile, column: &ColumnProfile) -> Self {
        let side = Self { rows: profile.rows as f64, n_eff: profile.effective_rows, ..Self::default() };
        let floats = |counts: &[u64]| counts.iter().map(|count| *count as f64).collect::<Vec<f64>>();
        match &column.summary {
            ProfileSummary::Numeric(column) => Self {
                null: column.null as f64,
                nan: column.nan as f64,
                infinite: (column.pos_inf + column.neg_inf) as f64,
                type_error: column.type_error as f64,
                zero: column.zero as f64,
                cells: floats(&column.counts),
                mean: column.mean,
                deviation: column.m2.map(|m2| (m2 / column.finite.max(1) as f64).max(0.0).sqrt()),
                min: column.min,
                max: column.max,
                distinct: Some(column.distinct).filter(|distinct| *distinct > 0.0),
                quantiles: column
                    .quantiles
                    .as_ref()
                    .and_then(|text| Quantiles::from_bytes(&STANDARD.decode(text).ok()?).ok()),
                ..side
            },
            ProfileSummary::Categorical(column) => Self {
                null: column.null as f64,
                type_error: column.type_error as f64,
                unseen: column.other as f64,
                cells: floats(&column.counts).into_iter().chain([column.other as f64]).collect(),
                distinct: Some(column.distinct).filter(|distinct| *distinct > 0.0),
                common: most(column.values.iter().cloned().zip(floats(&column.counts)).collect()),
                ..side
            },
        }
    }

    /// Rows without a value.
    pub fn missing(&self) -> f64 {
        self.null + self.nan
    }

    pub fn share(&self, count: f64) -> f64 {
        if self.rows > 0.0 { count / self.rows } else { 0.0 }
    }

    /// What the rules of data quality ask for.
    pub fn tally(&self) -> Tally {
        // Of a column of texts the values in use stand for extremes: one is a constant.
        let used = self.cells.iter().filter(|count| **count > 0.0).count() as f64;
        let values = if self.unseen > 0.0 { f64::INFINITY } else { used };
        Tally {
            rows: self.rows,
            n_eff: self.n_eff,
            // A null of the training data is a NaN by the time a tensor holds it: they count together.
            null: self.missing(),
            nan: 0.0,
            infinite: self.infinite,
            type_error: self.type_error,
            out_of_range: self.out_of_range,
            unseen: self.unseen,
            zero: self.zero,
            min: self.min.unwrap_or(1.0),
            max: self.max.unwrap_or(if values > 0.0 { values } else { f64::INFINITY }),
            heaviest: self.share(self.cells.iter().copied().fold(0.0, f64::max)),
        }
    }
}

fn most(mut values: Vec<(String, f64)>) -> Vec<(String, f64)> {
    values.retain(|(_, count)| *count > 0.0);
    values.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    values.truncate(COMMON);
    values
}
