//! An experiment in figures and words. Bands hold at all times: looking often costs nothing.

use super::{Arm, Snapshot};
use crate::metrics::{SECONDS, quantile};
use crate::traffic::stat::{Difference, difference, log_mismatch, wilson};
use crate::traffic::tally::{CLASSES, Kept, Moments, shift};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

/// Level of the bands.
const ALPHA: f64 = 0.05;
/// An e-value from which on the shares of the arms are not chance any more.
const MISMATCH: f64 = 1000.0;
/// Units per arm before shares are judged.
const FEWEST_UNITS: u64 = 8;
/// The share of units in several arms from which on the comparison is doubtful, and how many at least.
const MOVED: (f64, u64) = (0.01, 10);
/// Beyond this an e-value is only "very large".
const LARGEST_LOG: f64 = 700.0;

/// How the units came in, against what the weights promise.
struct Mismatch {
    seen: Vec<u64>,
    shares: Vec<f64>,
    e_value: f64,
}

impl Snapshot {
    /// The report, without the shadows.
    pub fn report(&self) -> Value {
        let since = SystemTime::UNIX_EPOCH + Duration::from_millis(self.since);
        let mismatch = self.mismatch();
        json!({
            "model": self.model,
            "phase": self.phase,
            "since": humantime::format_rfc3339_millis(since).to_string(),
            "unit": if self.kept.is_some() { "unit" } else { "request" },
            "variants": (0..self.arms.len()).map(|arm| self.variant(arm)).collect::<Vec<_>>(),
            "comparisons": (1..self.arms.len()).map(|arm| self.comparison(arm)).collect::<Vec<_>>(),
            "verdict": self.verdict(&mismatch),
            "sample_ratio": mismatch.as_ref().map(Mismatch::document),
            "units_in_several_arms": self.kept.as_ref().map(Kept::moved),
            "sample": self.kept.as_ref().map(|kept| kept.part),
            "requests_not_compared": self.outside,
        })
    }

    fn name(&self, arm: usize) -> &str {
        self.arms.get(arm).map_or("", |arm| arm.name.as_str())
    }

    fn score(&self, arm: usize) -> Moments {
        let own = || self.arms.get(arm).map(|arm| arm.score).unwrap_or_default();
        self.kept.as_ref().map_or_else(own, |kept| kept.score(arm))
    }

    fn variant(&self, at: usize) -> Value {
        let Some(arm) = self.arms.get(at) else { return Value::Null };
        let (errors, score) = (arm.event(0), self.score(at));
        let (low, high) = wilson(errors, arm.requests);
        let seconds = |part| quantile(&SECONDS, &arm.latency, part).map(|nanos| nanos as f64 / 1e9);
        let answered: u64 = arm.latency.iter().sum();
        let mean = (answered > 0).then(|| arm.latency_sum as f64 / answered as f64 / 1e9);
        json!({
            "name": arm.name,
            "control": at == 0,
            "version": arm.version,
            "weight": arm.weight,
            "requests": arm.requests,
            "rows": arm.rows,
            "units": self.kept.as_ref().map(|kept| kept.units(at)),
            "errors": {
                "requests": errors,
                "rate": (arm.requests > 0).then(|| errors as f64 / arm.requests as f64),
                "low": low,
                "high": high,
            },
            "nan": arm.event(2),
            "score": (score.n > 0.0).then(|| json!({"n": score.n, "mean": score.mean, "deviation": score.variance().sqrt()})),
            "classes": arm.classes(),
            "latency_seconds": {"mean": mean, "p50": seconds(0.5), "p95": seconds(0.95), "p99": seconds(0.99)},
        })
    }

    fn score_difference(&self, arm: usize) -> Option<Difference> {
        let side = |moments: Moments| (moments.mean, moments.variance(), moments.n);
        difference(side(self.score(arm)), side(self.score(0)), ALPHA)
    }

    /// Of sticky traffic a unit errs or does not; else a request.
    fn error_difference(&self, arm: usize) -> Option<Difference> {
        let side = |at: usize| {
            let arm = self.arms.get(at)?;
            let (errors, n) = self.kept.as_ref().map_or((arm.event(0), arm.requests), |kept| kept.errors(at));
            let share = if n > 0 { errors as f64 / n as f64 } else { 0.0 };
            Some((share, share * (1.0 - share), n as f64))
        };
        difference(side(arm)?, side(0)?, ALPHA)
    }

    fn comparison(&self, arm: usize) -> Value {
        let shown = |difference: Option<Difference>| {
            difference.map(|one| json!({"difference": one.mean, "low": one.low, "high": one.high, "p": one.p}))
        };
        let cells = |at: usize| self.arms.get(at).map_or(&[][..], |arm| &arm.cells);
        json!({
            "variant": self.name(arm),
            "against": self.name(0),
            "score": shown(self.score_difference(arm)),
            "errors": shown(self.error_difference(arm)),
            "predictions_shift": shift(cells(0), cells(arm)),
        })
    }

    /// Of sticky traffic: whether units come in the shares that the weights promise.
    fn mismatch(&self) -> Option<Mismatch> {
        let seen = self.kept.as_ref()?.fresh.clone();
        let sum: u32 = self.arms.iter().map(|arm| arm.weight).sum();
        let shares: Vec<f64> = self.arms.iter().map(|arm| f64::from(arm.weight) / f64::from(sum.max(1))).collect();
        let promised = shares.iter().filter(|share| **share > 0.0).count() as u64;
        let enough = promised > 1 && seen.iter().sum::<u64>() >= FEWEST_UNITS * promised;
        let e_value = if enough { log_mismatch(&seen, &shares).min(LARGEST_LOG).exp() } else { 1.0 };
        Some(Mismatch { seen, shares, e_value })
    }

    fn verdict(&self, mismatch: &Option<Mismatch>) -> String {
        if self.arms.len() < 2 {
            return "there is one arm only: nothing to compare".to_owned();
        }
        if let Some(found) = mismatch.as_ref().filter(|found| found.e_value >= MISMATCH) {
            return format!(
                "do not trust this comparison: units do not come in the shares of the weights (e-value {:.3e}); look \
                 for requests without their unit, retries, or a cache in front",
                found.e_value
            );
        }
        let moved = self.kept.as_ref().map_or(0, Kept::moved);
        let units = self.kept.as_ref().map_or(0, |kept| kept.units.len());
        if moved >= MOVED.1 && moved as f64 > MOVED.0 * units as f64 {
            return format!("do not trust this comparison: {moved} units were in several arms; begin a new phase");
        }
        let words = (1..self.arms.len()).flat_map(|arm| {
            let score = words("score", self.name(arm), self.name(0), self.score_difference(arm));
            let errors = words("error rate", self.name(arm), self.name(0), self.error_difference(arm));
            [score, errors]
        });
        let words: Vec<String> = words.flatten().collect();
        if words.is_empty() { "too little has been seen to compare".to_owned() } else { words.join("; ") }
    }
}

impl Arm {
    fn event(&self, at: usize) -> u64 {
        self.events.get(at).copied().unwrap_or(0)
    }

    fn classes(&self) -> Value {
        let name = |class: usize| match self.labels.get(class) {
            _ if class == CLASSES - 1 => "other".to_owned(),
            Some(label) => label.clone(),
            None => class.to_string(),
        };
        let seen = self.classes.iter().enumerate().filter(|(_, count)| **count > 0);
        Value::Object(seen.map(|(class, count)| (name(class), (*count).into())).collect::<Map<_, _>>())
    }
}

impl Mismatch {
    fn document(&self) -> Value {
        json!({"units": self.seen, "shares": self.shares, "e_value": self.e_value, "alarm": self.e_value >= MISMATCH})
    }
}

fn words(what: &str, name: &str, control: &str, difference: Option<Difference>) -> Option<String> {
    let Difference { mean, low, high, .. } = difference?;
    let band = format!("{mean:.4} (95 % band {low:.4} to {high:.4})");
    Some(match (low > 0.0, high < 0.0) {
        (true, _) => format!("the {what} of {name} is higher than that of {control} by {band}"),
        (_, true) => format!("the {what} of {name} is lower than that of {control} by {band}"),
        _ => format!("no difference of the {what} between {name} and {control} is shown yet: {band}"),
    })
}
