//! What may be set about monitoring.

use super::drift::Rule;
use std::path::PathBuf;
use std::time::Duration;

/// Of the whole process.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub enabled: bool,
    /// Where panes are kept over restarts; nowhere if not given.
    pub directory: Option<PathBuf>,
    /// The longest time that one pane covers.
    pub pane: Duration,
    /// Sampled values (rows times columns) per second over all models: what the collector may cost.
    pub values_per_second: f64,
    /// Series of single features that metrics may show.
    pub series: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, directory: None, pane: Duration::from_secs(60), values_per_second: 2e6, series: 5000 }
    }
}

/// Of one model: `[monitor]` in its `model.toml`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct ModelSettings {
    pub enabled: bool,
    /// Sampled rows per second at most.
    pub rows_per_second: f64,
    /// When a change is worth telling.
    pub rule: Rule,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self { enabled: true, rows_per_second: 10_000.0, rule: Rule::default() }
    }
}

impl ModelSettings {
    /// What is wrong with the settings themselves.
    pub fn mistakes(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.rows_per_second.is_nan() || self.rows_per_second <= 0.0 {
            words.push(format!("rows_per_second: expected a number above 0, got {}", self.rows_per_second));
        }
        words
    }
}
