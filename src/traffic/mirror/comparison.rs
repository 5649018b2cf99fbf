//! Two versions' predictions on the same rows, side by side.

use crate::traffic::stat::{half_width, wilson};
use crate::traffic::tally::{CELLS, Moments, cell, shift};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Classes with a line of their own in the confusion; the last stands for all others.
const CLASSES: usize = 32;
/// Examples of the largest differences that are kept.
const EXAMPLES: usize = 5;
/// Eighth octaves of differences, from 2^-40 up.
const STEPS: usize = 640;
const LOWEST: f64 = -40.0;

/// One row's prediction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The class by name; `None` for numbers.
    pub class: Option<String>,
    pub score: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Example {
    difference: f64,
    shown: Value,
}

/// What was compared so far. The first of two is always the version that answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    requests: u64,
    rows: u64,
    classified: u64,
    agreed: u64,
    names: Vec<String>,
    /// A row per class of the first, in it the counts of the second's.
    confusion: Vec<Vec<u64>>,
    decided: u64,
    flips: u64,
    signed: Moments,
    absolute: f64,
    largest: f64,
    steps: Vec<u64>,
    sides: [Moments; 2],
    together: f64,
    cells: [Vec<u64>; 2],
    seconds: [f64; 2],
    not_finite: [u64; 2],
    examples: Vec<Example>,
}

impl Comparison {
    /// Adds a request's rows. `example` shows one of them, for those that are kept.
    pub fn add(&mut self, rows: [&[Row]; 2], times: [Duration; 2], threshold: f64, example: impl Fn(usize) -> Value) {
        self.requests += 1;
        for (sum, time) in self.seconds.iter_mut().zip(times) {
            *sum += time.as_secs_f64();
        }
        for (at, (first, second)) in rows[0].iter().zip(rows[1]).enumerate() {
            self.rows += 1;
            if let (Some(a), Some(b)) = (&first.class, &second.class) {
                self.classes(a, b);
            }
            let difference = match (first.score, second.score) {
                (Some(a), Some(b)) => self.scores(a, b, threshold),
                _ => None,
            };
            let disagree = first.class != second.class;
            self.keep_example(difference.unwrap_or(0.0) + f64::from(u8::from(disagree)), || {
                json!({"champion": first.shown(), "shadow": second.shown(), "difference": difference, "input": example(at)})
            });
        }
    }

    fn classes(&mut self, a: &str, b: &str) {
        self.classified += 1;
        self.agreed += u64::from(a == b);
        let (a, b) = (self.class(a), self.class(b));
        if self.confusion.is_empty() {
            self.confusion = vec![vec![0; CLASSES + 1]; CLASSES + 1];
        }
        self.confusion[a][b] += 1;
    }

    fn class(&mut self, name: &str) -> usize {
        let known = self.names.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            if self.names.len() < CLASSES {
                self.names.push(name.to_owned());
                return self.names.len() - 1;
            }
            CLASSES
        })
    }

    /// Counts two scores; answers how far apart they are.
    fn scores(&mut self, a: f64, b: f64, threshold: f64) -> Option<f64> {
        for (count, score) in self.not_finite.iter_mut().zip([a, b]) {
            *count += u64::from(!score.is_finite());
        }
        self.decided += 1;
        self.flips += u64::from((a >= threshold) != (b >= threshold));
        if !a.is_finite() || !b.is_finite() {
            return None;
        }
        for (cells, score) in self.cells.iter_mut().zip([a, b]) {
            cells.resize(CELLS, 0);
            cells[cell(score)] += 1;
        }
        let before = self.sides[0].mean;
        self.sides[0].add(a);
        self.sides[1].add(b);
        self.together += (a - before) * (b - self.sides[1].mean);
        let difference = b - a;
        self.signed.add(difference);
        self.absolute += difference.abs();
        self.largest = self.largest.max(difference.abs());
        self.steps.resize(STEPS, 0);
        self.steps[step(difference.abs())] += 1;
        Some(difference.abs())
    }

    fn keep_example(&mut self, difference: f64, shown: impl FnOnce() -> Value) {
        let least = self.examples.iter().map(|one| one.difference).fold(f64::INFINITY, f64::min);
        if difference <= 0.0 || (self.examples.len() == EXAMPLES && difference <= least) {
            return;
        }
        self.examples.push(Example { difference, shown: shown() });
        self.examples.sort_by(|a, b| b.difference.total_cmp(&a.difference));
        self.examples.truncate(EXAMPLES);
    }

    /// The share of rows with the same class, or, where there are only numbers, of those on the same
    /// side of the threshold; `None` before the first.
    pub fn agreement(&self) -> Option<f64> {
        let (agreed, n) = self.agreed_of();
        (n > 0).then(|| agreed as f64 / n as f64)
    }

    fn agreed_of(&self) -> (u64, u64) {
        match self.classified {
            0 => (self.decided - self.flips, self.decided),
            n => (self.agreed, n),
        }
    }

    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether one that was read from a file has the lengths that are counted into.
    pub fn is_sound(&self) -> bool {
        let fits = |length: usize, whole: usize| length == 0 || length == whole;
        self.names.len() <= CLASSES
            && fits(self.confusion.len(), CLASSES + 1)
            && self.confusion.iter().all(|row| row.len() == CLASSES + 1)
            && fits(self.steps.len(), STEPS)
            && self.cells.iter().all(|cells| fits(cells.len(), CELLS))
            && self.examples.len() <= EXAMPLES
            && self.agreed <= self.classified
            && self.flips <= self.decided
    }

    /// All of it, for the report.
    pub fn document(&self) -> Value {
        let (agreed, n) = self.agreed_of();
        let (low, high) = wilson(agreed, n);
        let mean = |sum: f64, n: f64| if n > 0.0 { json!(sum / n) } else { Value::Null };
        let n_scores = self.signed.n;
        let half = half_width(n_scores.max(1.0), 0.05) * self.signed.variance().sqrt();
        let bias = (n_scores >= 2.0).then(
            || json!({"mean": self.signed.mean, "low": self.signed.mean - half, "high": self.signed.mean + half}),
        );
        let spread = (self.sides[0].m2 * self.sides[1].m2).sqrt();
        json!({
            "requests": self.requests,
            "rows": self.rows,
            "agreement": self.agreement().map(|share| json!({"share": share, "low": low, "high": high, "rows": n})),
            "confusion": (self.classified > 0).then(|| self.confusion()),
            "decisions": (self.decided > 0).then(|| json!({"rows": self.decided, "flips": self.flips})),
            "difference": {
                "mean_absolute": mean(self.absolute, n_scores),
                "p95_absolute": self.quantile(0.95),
                "largest": (n_scores > 0.0).then_some(self.largest),
                "bias": bias,
                "correlation": (spread > 0.0).then(|| self.together / spread),
            },
            "drift": shift(&self.cells[0], &self.cells[1]),
            "not_finite": {"champion": self.not_finite[0], "shadow": self.not_finite[1]},
            "latency_ratio": (self.seconds[0] > 0.0).then(|| self.seconds[1] / self.seconds[0]),
            "examples": self.examples.iter().map(|one| &one.shown).collect::<Vec<_>>(),
        })
    }

    /// `{"labels", "counts"}`, a row per class of the version that answered.
    fn confusion(&self) -> Value {
        let other = self.confusion.iter().any(|row| row[CLASSES] > 0)
            || self.confusion.get(CLASSES).is_some_and(|row| row.iter().any(|count| *count > 0));
        let mut places: Vec<usize> = (0..self.names.len()).collect();
        places.extend(other.then_some(CLASSES));
        let labels: Vec<&str> = places.iter().map(|at| self.names.get(*at).map_or("other", String::as_str)).collect();
        let row = |at: &usize| places.iter().map(|to| self.confusion[*at][*to]).collect::<Vec<_>>();
        json!({"labels": labels, "counts": places.iter().map(row).collect::<Vec<_>>()})
    }

    /// A quantile of the differences: the upper end of its step, at most 9 % too large.
    fn quantile(&self, part: f64) -> Option<f64> {
        let n: u64 = self.steps.iter().sum();
        let wanted = (part * n as f64).ceil() as u64;
        let mut seen = 0;
        let at = self.steps.iter().position(|count| {
            seen += count;
            seen >= wanted && seen > 0
        })?;
        let end = if at == 0 { 0.0 } else { ((at as f64) / 8.0 + LOWEST).exp2() };
        Some(end.min(self.largest))
    }
}

impl Row {
    fn shown(&self) -> Value {
        match (&self.class, self.score) {
            (Some(class), Some(score)) => json!({"class": class, "score": score}),
            (Some(class), None) => json!(class),
            (None, score) => json!(score),
        }
    }
}

/// Zero and what is next to it in the first step.
fn step(difference: f64) -> usize {
    (((difference.log2() - LOWEST) * 8.0).ceil().max(0.0) as usize).min(STEPS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(scores: &[f64]) -> Vec<Row> {
        scores.iter().map(|score| Row { class: Some((*score >= 0.5).to_string()), score: Some(*score) }).collect()
    }

    #[test]
    fn classes_scores_and_flips_are_compared() {
        let mut comparison = Comparison::default();
        let times = [Duration::from_millis(1), Duration::from_millis(3)];
        let (a, b) = (rows(&[0.1, 0.6, 0.9, 0.4]), rows(&[0.1, 0.4, 0.8, 0.45]));
        comparison.add([&a, &b], times, 0.5, |at| json!(at));
        let told = comparison.document();
        assert_eq!(told["agreement"]["share"], 0.75);
        assert_eq!(told["confusion"], json!({"labels": ["false", "true"], "counts": [[2, 0], [1, 1]]}));
        assert_eq!(told["decisions"], json!({"rows": 4, "flips": 1}));
        let mean = told["difference"]["mean_absolute"].as_f64().expect("a number");
        assert!((mean - 0.0875).abs() < 1e-12, "{told}");
        assert!((told["latency_ratio"].as_f64().expect("a number") - 3.0).abs() < 1e-9);
        assert_eq!(told["examples"][0]["input"], 1);
        assert_eq!(told["examples"].as_array().map(Vec::len), Some(3), "a row without a difference is no example");
        assert!(told["difference"]["correlation"].as_f64().expect("a number") > 0.9);
    }

    #[test]
    fn nan_counts_and_spoils_nothing() {
        let mut comparison = Comparison::default();
        comparison.add([&rows(&[0.2, 0.3]), &rows(&[f64::NAN, 0.3])], [Duration::ZERO; 2], 0.5, |_| Value::Null);
        let told = comparison.document();
        assert_eq!(told["not_finite"], json!({"champion": 0, "shadow": 1}));
        assert_eq!((&told["difference"]["largest"], &told["latency_ratio"]), (&json!(0.0), &Value::Null));
    }

    #[test]
    fn quantiles_of_differences_are_close() {
        let mut comparison = Comparison::default();
        let scores: Vec<f64> = (0..1000).map(f64::from).collect();
        let zero = vec![0.0; 1000];
        comparison.add([&rows(&zero), &rows(&scores)], [Duration::ZERO; 2], 0.5, |_| Value::Null);
        let p95 = comparison.quantile(0.95).expect("rows");
        assert!((949.0..=1035.0).contains(&p95), "{p95}");
    }
}
