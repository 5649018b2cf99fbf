//! What may be set about monitoring.

use super::drift::Rule;
use super::rows::{Settings as RowSettings, StreamSettings};
use std::path::PathBuf;
use std::time::Duration;

/// Windows that a judge may remember.
const MOST_WINDOWS: usize = 100;

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
    /// What is looked at of rows as a whole.
    pub rows: RowSettings,
    /// Columns whose values are followed one by one.
    pub streams: StreamSettings,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            rows_per_second: 10_000.0,
            rule: Rule::default(),
            rows: RowSettings::default(),
            streams: StreamSettings::default(),
        }
    }
}

impl ModelSettings {
    /// What is wrong with the settings themselves.
    pub fn mistakes(&self) -> Vec<String> {
        let rule = &self.rule;
        let within = |value: f64, low: f64, high: f64| value >= low && value <= high;
        let checks = [
            ("rows_per_second", self.rows_per_second > 0.0, "a number above 0"),
            ("rule.q", within(rule.q, f64::MIN_POSITIVE, 1.0), "a share above 0, at most 1"),
            ("rule.notice", rule.notice >= 0.0, "0 or more"),
            ("rule.warning", rule.warning >= rule.notice, "no less than rule.notice"),
            ("rule.critical", rule.critical >= rule.warning, "no less than rule.warning"),
            ("rule.persist", (1..=rule.of).contains(&rule.persist), "at least 1 and at most rule.of"),
            ("rule.of", (1..=MOST_WINDOWS).contains(&rule.of), "1 to 100"),
            ("rule.resolve", (1..=MOST_WINDOWS).contains(&rule.resolve), "1 to 100"),
            ("rule.hysteresis", within(rule.hysteresis, 0.0, 1.0), "0 to 1"),
            ("rule.min_rows", rule.min_rows >= 1.0, "1 or more"),
        ];
        let checks = checks.into_iter().chain(self.rows.checks()).chain(self.streams.checks());
        let wrong = checks.filter(|(_, holds, _)| !holds);
        wrong.map(|(name, _, expected)| format!("{name}: expected {expected}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_make_no_sense_are_told() {
        assert_eq!(ModelSettings::default().mistakes(), Vec::<String>::new());
        let text = "rows_per_second = nan\n[rule]\nwarning = 0.01\npersist = 4\nhysteresis = 2.0";
        let settings: ModelSettings = toml::from_str(text).expect("read");
        let mistakes = settings.mistakes();
        let named: Vec<&str> = mistakes.iter().filter_map(|words| words.split(':').next()).collect();
        assert_eq!(named, ["rows_per_second", "rule.warning", "rule.persist", "rule.hysteresis"]);
    }
}
