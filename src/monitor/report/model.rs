//! A report as plain values. Its JSON is what `GET /api/models/NAME/drift` answers; the schema is
//! `docs/reference/drift.schema.json`.

use crate::monitor::column::{Kind, Role};
use crate::monitor::drift::{Status, quality};
use crate::monitor::rows;
use serde::Serialize;

/// The name and version of the JSON.
pub const SCHEMA: &str = "tidegate.drift/1";

/// What a window says of a model's columns, beside a reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub schema: &'static str,
    /// When it was made, by RFC 3339.
    pub generated: String,
    pub model: ModelFacts,
    pub window: WindowFacts,
    /// `None` where there is nothing to compare with.
    pub reference: Option<ReferenceFacts>,
    pub summary: Summary,
    pub features: Vec<ColumnReport>,
    pub prediction: Prediction,
    pub quality: Quality,
    /// Rows as a whole, by method; empty where that is off. No part of the summary's verdict.
    pub rows: Vec<rows::Finding>,
    /// Detectors on single columns; empty where none are followed.
    pub streams: Vec<rows::StreamFacts>,
    pub warnings: Vec<String>,
}

impl Report {
    pub fn to_json(&self) -> String {
        // Plain data with names for keys cannot fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Answers, latency, then inputs.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnReport> {
        self.prediction.columns.iter().chain(&self.features)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelFacts {
    pub name: String,
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Of the version's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WindowFacts {
    /// `5m`, `1h`, `24h`.
    pub name: String,
    pub start: String,
    pub end: String,
    /// All rows, estimated from those counted.
    pub n: f64,
    /// How many equally weighted rows they are worth.
    pub n_eff: f64,
    /// Rows counted, served, and lost.
    pub sampled: u64,
    pub offered: u64,
    pub dropped: u64,
    /// The share of rows that is taken now.
    pub sampling: f64,
    /// Too much was lost for a judgement.
    pub degraded: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReferenceFacts {
    /// `file`, or `window`: live rows that were made the reference.
    pub kind: &'static str,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    pub n: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
}

/// The one verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub status: Status,
    /// In words, what matters most first.
    pub reasons: Vec<String>,
    pub drifted: usize,
    pub monitored: usize,
    pub share: f64,
    /// How p values were adjusted over the columns, and to what share of false alarms.
    pub method: &'static str,
    pub q: f64,
    /// What was judged: windows that have closed, or this window alone.
    pub judged: Judged,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// `closed`: alarms count windows that do not overlap, the last one named here. `alone`: no window
    /// has closed yet, and this one speaks for itself.
    pub by: &'static str,
    pub start: String,
    pub end: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The worst of the columns'.
    pub status: Status,
    pub columns: Vec<ColumnReport>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Quality {
    pub violations: Vec<ColumnViolation>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnViolation {
    pub column: String,
    #[serde(flatten)]
    pub violation: quality::Violation,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnReport {
    pub name: String,
    pub role: Role,
    pub r#type: Kind,
    /// As judged by the summary's `judged`.
    pub status: Status,
    /// What this window alone would say.
    pub window_status: Status,
    pub primary: Option<Primary>,
    pub stats: Option<Stats>,
    pub against: Against,
    pub reasons: Vec<String>,
    pub quality: Rates,
    pub hist: Option<Histogram>,
    pub quantiles: Vec<Quantile>,
    pub summary: Sides,
}

/// The statistic that decides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Primary {
    pub stat: &'static str,
    pub value: f64,
    /// Less what chance gives in the mean.
    pub effect_corrected: f64,
    pub p: f64,
    pub p_adj: Option<f64>,
    /// The floor that `effect_corrected` was held against.
    pub threshold: f64,
}

/// All statistics; those of order are of numeric columns alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    pub psi: f64,
    pub js: f64,
    pub hellinger: f64,
    pub tvd: f64,
    pub linf: f64,
    pub chi2: f64,
    pub df: usize,
    pub p_chi2: f64,
    pub ks: Option<f64>,
    pub ks_upper: Option<f64>,
    pub p_ks: Option<f64>,
    pub w1: Option<f64>,
    pub mean_shift: Option<f64>,
    /// Effective rows of either side.
    pub n_ref: f64,
    pub n_cur: f64,
}

/// What has closed, compared with others than the reference.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Against {
    /// The last window that closed, compared with the one before it.
    pub previous: Option<Effect>,
    /// The last hour that closed, compared with the same hour a week ago.
    pub last_week: Option<Effect>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    pub psi: f64,
    pub effect_corrected: f64,
    pub p: f64,
}

/// Shares of the rows on either side.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Null or NaN.
    pub missing: Rate,
    pub nan: Rate,
    pub infinite: Rate,
    pub type_error: Rate,
    pub zero: Rate,
    pub out_of_range: Rate,
    pub unseen: Rate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rate {
    pub reference: Option<f64>,
    pub current: f64,
}

/// Weighted rows of either side by bin. `edges` are of a numeric column (one fewer than bins), `values`
/// of a categorical one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Histogram {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Empty where there is no reference.
    pub r#ref: Vec<f64>,
    pub cur: Vec<f64>,
    pub missing_ref: Option<f64>,
    pub missing_cur: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quantile {
    /// From 0 to 1.
    pub share: f64,
    pub reference: Option<f64>,
    pub current: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sides {
    pub reference: Option<Facts>,
    pub current: Facts,
}

/// What one side holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Facts {
    pub n: f64,
    pub missing: f64,
    /// Different values, about.
    pub unique: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub mean: Option<f64>,
    pub std: Option<f64>,
    /// Of categorical columns, with their shares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub most_common: Vec<Common>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Common {
    pub value: String,
    pub share: f64,
}
