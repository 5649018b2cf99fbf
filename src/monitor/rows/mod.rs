//! Options that cost more than counting columns: rows as a whole, and detectors on single streams.
//!
//! Columns that each look as before may no longer go together. [`Whole`] learns from the first rows what
//! belongs together, stays with that, and says how far later rows are from it. [`Streams`] need no
//! reference: they say when the mean of one column has changed. Both are off unless `model.toml` asks.

mod learn;
mod parts;
mod stream;
mod whole;

pub use stream::{Detector, StreamFacts, StreamSettings, Streams};
pub use whole::{Finding, Kept, Whole};

use serde::Deserialize;

/// `[monitor.rows]`: what is looked at of whole rows.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Reconstruction error of frozen principal components.
    pub pca: bool,
    /// Maximum mean discrepancy by random Fourier features.
    pub mmd: bool,
    /// Rows that are learnt from: one half to fit, the other to know what chance does.
    pub learn: usize,
    /// The share of the variance that the components explain.
    pub variance: f64,
    /// The chance that a window without change is told.
    pub alpha: f64,
    /// Shifts that are worth telling, in deviations of what was learnt.
    pub pca_floor: f64,
    pub mmd_floor: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { pca: false, mmd: false, learn: 4000, variance: 0.65, alpha: 0.001, pca_floor: 0.2, mmd_floor: 0.5 }
    }
}

impl Settings {
    pub fn is_on(&self) -> bool {
        self.pca || self.mmd
    }

    /// Name, whether it is good, and what is expected.
    pub fn checks(&self) -> [(&'static str, bool, &'static str); 4] {
        [
            ("rows.learn", (200..=100_000).contains(&self.learn), "200 to 100000 rows"),
            ("rows.variance", self.variance > 0.0 && self.variance <= 1.0, "a share above 0, at most 1"),
            ("rows.alpha", self.alpha > 0.0 && self.alpha < 1.0, "a chance between 0 and 1"),
            ("rows.pca_floor and rows.mmd_floor", self.pca_floor >= 0.0 && self.mmd_floor >= 0.0, "0 or more"),
        ]
    }
}
