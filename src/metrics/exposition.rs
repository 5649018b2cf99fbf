//! Prometheus text, format 0.0.4.

use super::{Counter, Histogram};
use std::fmt::Write;

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A text being written, family by family.
#[derive(Default)]
pub struct Exposition(String);

impl Exposition {
    pub fn into_text(self) -> String {
        self.0
    }

    /// Adds text that is already in the format.
    pub fn append(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// Opens a family; its samples must follow before the next one opens.
    pub fn family(&mut self, name: &str, help: &str, kind: Kind) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        self.labels(labels, None);
        let _ = writeln!(self.0, " {value}");
    }

    pub fn counter(&mut self, name: &str, labels: &[(&str, &str)], counter: &Counter) {
        self.sample(name, labels, counter.get() as f64);
    }

    pub fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let (buckets, sum, count) = histogram.read();
        for (bound, cumulative) in buckets {
            self.bucket(name, labels, &bound.to_string(), cumulative);
        }
        self.bucket(name, labels, "+Inf", count);
        self.sample(&format!("{name}_sum"), labels, sum);
        self.sample(&format!("{name}_count"), labels, count as f64);
    }

    fn bucket(&mut self, name: &str, labels: &[(&str, &str)], bound: &str, cumulative: u64) {
        let _ = write!(self.0, "{name}_bucket");
        self.labels(labels, Some(("le", bound)));
        let _ = writeln!(self.0, " {cumulative}");
    }

    fn labels(&mut self, labels: &[(&str, &str)], last: Option<(&str, &str)>) {
        let mut open = '{';
        for (name, value) in labels.iter().copied().chain(last) {
            self.0.push(open);
            let _ = write!(self.0, "{name}=\"");
            self.escaped(value);
            self.0.push('"');
            open = ',';
        }
        if open == ',' {
            self.0.push('}');
        }
    }

    fn escaped(&mut self, value: &str) {
        for letter in value.chars() {
            match letter {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Unit;
    use super::*;

    #[test]
    fn families_read_as_prometheus_wants_them() {
        static UNIT: Unit = Unit { bounds: &[5], scale: 0.1 };
        let histogram = Histogram::new(&UNIT);
        histogram.observe(3);
        histogram.observe(9);
        let mut text = Exposition::default();
        text.family("a_total", "Things.", Kind::Counter);
        text.sample("a_total", &[("model", "x\"y")], 3.0);
        text.family("b_seconds", "Time.", Kind::Histogram);
        text.histogram("b_seconds", &[], &histogram);
        let wanted = "# HELP a_total Things.\n# TYPE a_total counter\na_total{model=\"x\\\"y\"} 3\n\
                      # HELP b_seconds Time.\n# TYPE b_seconds histogram\nb_seconds_bucket{le=\"0.5\"} 1\n\
                      b_seconds_bucket{le=\"+Inf\"} 2\nb_seconds_sum 1.2000000000000002\nb_seconds_count 2\n";
        assert_eq!(text.into_text(), wanted);
    }
}
