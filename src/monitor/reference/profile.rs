//! What is known of a model's data in training: the side that live data is compared with.

use crate::monitor::column::{Kind, Role};
use crate::monitor::sketch::{Edges, EdgesError};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The name and version of the file's layout.
pub const SCHEMA: &str = "tidegate.reference/1";

/// A reference: one summary per column, no rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    pub schema: String,
    /// SHA-256 of what the profile says, in hexadecimal: equal for equal data. The time at which it
    /// was made and the sketches, which toss coins, do not count.
    pub id: String,
    pub rows: u64,
    /// How many equally weighted rows it is worth: `rows`, or fewer where some were sampled.
    pub effective_rows: f64,
    pub source: Source,
    /// When it was made, by RFC 3339.
    pub created: String,
    pub columns: Vec<ColumnProfile>,
}

/// What a profile was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    pub kind: SourceKind,
    /// The file's name, or the window's in words.
    pub name: String,
    /// Of the file, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    File,
    Window,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnProfile {
    pub name: String,
    pub role: Role,
    #[serde(flatten)]
    pub summary: ProfileSummary,
}

impl ColumnProfile {
    pub fn kind(&self) -> Kind {
        match self.summary {
            ProfileSummary::Numeric(_) => Kind::Numeric,
            ProfileSummary::Categorical(_) => Kind::Categorical,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ProfileSummary {
    Numeric(NumericProfile),
    Categorical(CategoricalProfile),
}

/// A column of numbers. `finite`, `null`, `nan`, `pos_inf`, `neg_inf` and `type_error` exclude each
/// other and together are all rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NumericProfile {
    pub finite: u64,
    pub null: u64,
    pub nan: u64,
    pub pos_inf: u64,
    pub neg_inf: u64,
    pub type_error: u64,
    pub zero: u64,
    /// Of the finite values, as all that follow; absent where there are none.
    pub mean: Option<f64>,
    /// The sum of squared distances from the mean.
    pub m2: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub q001: Option<f64>,
    pub q999: Option<f64>,
    pub distinct: f64,
    /// Cell `j` holds `edges[j - 1] < x <= edges[j]`.
    pub edges: Vec<f64>,
    /// One count per cell: one more than edges.
    pub counts: Vec<u64>,
    /// A KLL sketch in the format of Apache DataSketches, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<String>,
}

impl NumericProfile {
    /// The edges with the range outside of which live values are counted as out of range.
    pub fn shared_edges(&self) -> Result<Edges, EdgesError> {
        let (low, high) = self.range().unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        Edges::within(self.edges.clone(), low, high)
    }

    /// From the least to the greatest value, with room for rounding to 32 bits.
    pub fn range(&self) -> Option<(f64, f64)> {
        Some((-roomy(-self.min?), roomy(self.max?)))
    }

    /// The standard deviation, over `finite - 1`.
    pub fn deviation(&self) -> Option<f64> {
        let over = self.finite.checked_sub(1).filter(|n| *n > 0)?;
        Some((self.m2? / over as f64).max(0.0).sqrt())
    }
}

/// A column of texts. `present`, `null` and `type_error` exclude each other and together are all rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CategoricalProfile {
    pub present: u64,
    pub null: u64,
    pub type_error: u64,
    pub distinct: f64,
    /// The most frequent values, the most frequent first.
    pub values: Vec<String>,
    pub counts: Vec<u64>,
    /// Rows with any other value.
    pub other: u64,
    /// Letters of the shortest and the longest value.
    pub shortest: Option<u64>,
    pub longest: Option<u64>,
}

/// A value a little above `value`, by more than rounding to 32 bits moves it. Training data is often
/// kept with 64 bits and served with 32: a border exactly at a value would then have that value now
/// on this, now on that side.
pub fn roomy(value: f64) -> f64 {
    value + value.abs() * f64::from(f32::EPSILON)
}

impl Profile {
    /// A profile with its id.
    pub fn new(rows: u64, effective_rows: f64, source: Source, created: String, columns: Vec<ColumnProfile>) -> Self {
        let schema = SCHEMA.to_owned();
        let mut profile = Self { schema, id: String::new(), rows, effective_rows, source, created, columns };
        profile.id = profile.digest();
        profile
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        // Plain data with names for keys cannot fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn digest(&self) -> String {
        let mut plain = Self { id: String::new(), created: String::new(), ..self.clone() };
        for column in &mut plain.columns {
            if let ProfileSummary::Numeric(numeric) = &mut column.summary {
                numeric.quantiles = None;
            }
        }
        Sha256::digest(plain.to_json()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
