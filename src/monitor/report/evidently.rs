//! A report as Evidently writes a run (`Snapshot.dict()` of 0.7): for what was made to read that.
//!
//! The verdicts are ours; only the shape is theirs. A column's `ValueDrift` is its corrected PSI beside
//! the floor that it was held against, and its test fails where our rule says that it has drifted.

use super::model::{ColumnReport, Report};
use crate::monitor::drift::Status;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

/// The share of drifted columns from which Evidently calls a data set drifted.
const DRIFT_SHARE: f64 = 0.5;

impl Report {
    pub fn to_evidently(&self) -> Value {
        let drifted = json!({"type": "evidently:metric_v2:DriftedColumnsCount", "drift_share": DRIFT_SHARE});
        let value = json!({"count": self.summary.drifted, "share": self.summary.share});
        let drifted = Metric::new("DriftedColumnsCount(drift_share=0.5)".into(), drifted, value);
        let rows = json!({"type": "evidently:metric_v2:RowCount"});
        let rows = Metric::new("RowCount()".into(), rows, json!(self.window.n));
        let mut tests = vec![self.share_test(&drifted)];
        let (mut drifts, mut missing) = (Vec::new(), Vec::new());
        for column in self.columns() {
            let metric = drift_of(column);
            tests.push(drift_test(column, &metric));
            drifts.push(metric);
            missing.push(self.missing_of(column));
        }
        let metrics = [drifted].into_iter().chain(drifts).chain([rows]).chain(missing);
        json!({"metrics": metrics.map(|metric| metric.document()).collect::<Vec<_>>(), "tests": tests})
    }

    fn share_test(&self, metric: &Metric) -> Value {
        let share = self.summary.share;
        let (holds, sign) = if share < DRIFT_SHARE { ("SUCCESS", "<") } else { ("FAIL", ">=") };
        json!({
            "id": "lt",
            "name": format!("Share of Drifted Columns: Less {DRIFT_SHARE:.3}"),
            "description": format!("Share of Drifted Columns: Actual value {share:.3} {sign} {DRIFT_SHARE:.3}"),
            "metric_config": {"metric_id": metric.id, "params": metric.config},
            "test_config": {"type": "evidently:test_v2:LessThanMetricTest", "threshold": DRIFT_SHARE},
            "status": if self.summary.monitored == 0 { "SKIPPED" } else { holds },
        })
    }

    fn missing_of(&self, column: &ColumnReport) -> Metric {
        let config = json!({"type": "evidently:metric_v2:MissingValueCount", "column": column.name});
        let share = column.quality.missing.current;
        let value = json!({"count": (share * self.window.n).round(), "share": share});
        Metric::new(format!("MissingValueCount(column={})", column.name), config, value)
    }
}

/// One metric of a run.
struct Metric {
    id: String,
    name: String,
    config: Value,
    value: Value,
}

impl Metric {
    fn new(name: String, config: Value, value: Value) -> Self {
        Self { id: format!("{:032x}", xxh3_128(config.to_string().as_bytes())), name, config, value }
    }

    fn document(self) -> Value {
        json!({"id": self.id, "metric_name": self.name, "config": self.config, "value": self.value})
    }
}

fn drift_of(column: &ColumnReport) -> Metric {
    let threshold = column.primary.as_ref().map_or(0.0, |primary| primary.threshold);
    let value = column.primary.as_ref().map(|primary| primary.effect_corrected);
    let config = json!({
        "type": "evidently:metric_v2:ValueDrift", "column": column.name, "method": "PSI", "threshold": threshold,
    });
    Metric::new(format!("ValueDrift(column={},method=PSI,threshold={threshold})", column.name), config, json!(value))
}

fn drift_test(column: &ColumnReport, metric: &Metric) -> Value {
    let status = match column.status {
        Status::Insufficient => "SKIPPED",
        status if status.is_alarm() => "FAIL",
        _ => "SUCCESS",
    };
    json!({
        "id": "drift",
        "name": format!("Value Drift for column {}", column.name),
        "description": column.reasons.join("; "),
        "metric_config": {"metric_id": metric.id, "params": metric.config},
        "test_config": {},
        "status": status,
    })
}
