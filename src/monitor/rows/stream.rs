//! Detectors on the values of single columns, one after the other.

use crate::monitor::drift::stream::{Adwin, PageHinkley};
use crate::monitor::{Column, Kind};
use serde::{Deserialize, Serialize};

/// Columns that may be followed.
const MOST: usize = 32;
/// The first values, by whose mean and deviation all are standardised: thresholds are in deviations.
const FIRST: u64 = 100;
/// Deviations beyond which a value is no farther.
const FARTHEST: f64 = 1000.0;

/// Which detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detector {
    Adwin,
    PageHinkley,
}

impl Detector {
    pub fn name(self) -> &'static str {
        match self {
            Self::Adwin => "adwin",
            Self::PageHinkley => "page-hinkley",
        }
    }
}

/// `[monitor.streams]`: which columns are followed, and how.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct StreamSettings {
    /// Names of numeric columns: inputs, answers, `latency`.
    pub columns: Vec<String>,
    pub detectors: Vec<Detector>,
    /// ADWIN's bound on false alarms at each look.
    pub delta: f64,
    /// The sum of deviations that is a change to Page and Hinkley, and a deviation that is none yet.
    pub threshold: f64,
    pub tolerance: f64,
}

impl Default for StreamSettings {
    fn default() -> Self {
        let detectors = vec![Detector::Adwin, Detector::PageHinkley];
        Self { columns: Vec::new(), detectors, delta: 0.002, threshold: 50.0, tolerance: 0.2 }
    }
}

impl StreamSettings {
    /// Name, whether it is good, and what is expected.
    pub fn checks(&self) -> [(&'static str, bool, &'static str); 4] {
        [
            ("streams.columns", self.columns.len() <= MOST, "at most 32 names"),
            ("streams.delta", self.delta > 0.0 && self.delta < 1.0, "a chance between 0 and 1"),
            ("streams.tolerance", self.tolerance >= 0.0 && self.tolerance.is_finite(), "0 or more"),
            ("streams.threshold", self.threshold > 0.0 && self.threshold.is_finite(), "a number above 0"),
        ]
    }
}

/// What a detector has found so far.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamFacts {
    pub column: String,
    pub detector: Detector,
    /// Values that it has seen since the server started.
    pub seen: u64,
    pub changes: u64,
    /// Milliseconds since 1970.
    #[serde(skip)]
    pub last_ms: Option<u64>,
    /// By RFC 3339.
    pub last_change: Option<String>,
}

/// The columns that are followed.
#[derive(Debug, Default)]
pub struct Streams(Vec<Stream>);

#[derive(Debug)]
struct Stream {
    column: String,
    place: usize,
    seen: u64,
    mean: f64,
    m2: f64,
    detectors: Vec<Following>,
}

#[derive(Debug)]
struct Following {
    detector: Running,
    changes: u64,
    last_ms: Option<u64>,
}

#[derive(Debug)]
enum Running {
    Adwin(Box<Adwin>),
    PageHinkley(PageHinkley),
}

impl Streams {
    /// Follows the columns that are named; what cannot be followed is told in words.
    pub fn new(settings: &StreamSettings, columns: &[Column]) -> (Self, Vec<String>) {
        let (mut streams, mut notes) = (Vec::new(), Vec::new());
        for name in &settings.columns {
            match columns.iter().position(|column| column.name == *name) {
                Some(place) if columns[place].kind == Kind::Numeric => {
                    let detectors = settings.detectors.iter().map(|one| Following::new(*one, settings)).collect();
                    let column = name.clone();
                    streams.push(Stream { column, place, seen: 0, mean: 0.0, m2: 0.0, detectors });
                }
                Some(_) => notes.push(format!("monitor.streams.columns: '{name}' holds words, and has no mean")),
                None => {
                    let near = crate::text::nearest(name, columns.iter().map(|column| column.name.as_str()));
                    let near = near.map(|near| format!(": did you mean '{near}'?")).unwrap_or_default();
                    notes.push(format!("monitor.streams.columns: there is no column '{name}'{near}"));
                }
            }
        }
        (Self(streams), notes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in a row: the words of all columns but the last, which is the latency in seconds.
    pub fn take(&mut self, words: &[u64], latency: f64, now: u64) {
        for stream in &mut self.0 {
            stream.take(words.get(stream.place).map_or(latency, |word| f64::from_bits(*word)), now);
        }
    }

    pub fn facts(&self) -> Vec<StreamFacts> {
        let of = |stream: &Stream| {
            let fact = |following: &Following| StreamFacts {
                column: stream.column.clone(),
                detector: following.name(),
                seen: stream.seen,
                changes: following.changes,
                last_ms: following.last_ms,
                last_change: None,
            };
            stream.detectors.iter().map(fact).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of).collect()
    }
}

impl Stream {
    fn take(&mut self, value: f64, now: u64) {
        if !value.is_finite() {
            return;
        }
        self.seen += 1;
        if self.seen <= FIRST {
            let off = value - self.mean;
            self.mean += off / self.seen as f64;
            self.m2 += off * (value - self.mean);
            return;
        }
        let deviation = (self.m2 / FIRST as f64).sqrt();
        let standard = (value - self.mean) / if deviation > 0.0 { deviation } else { 1.0 };
        // Sums of squares stay finite, whatever callers send.
        let standard = standard.clamp(-FARTHEST, FARTHEST);
        for following in &mut self.detectors {
            if following.update(standard) {
                following.changes += 1;
                following.last_ms = Some(now);
            }
        }
    }
}

impl Following {
    fn new(detector: Detector, settings: &StreamSettings) -> Self {
        let detector = match detector {
            Detector::Adwin => Running::Adwin(Box::new(Adwin::new(settings.delta, 32, 10))),
            Detector::PageHinkley => {
                let mut page_hinkley = PageHinkley::default();
                (page_hinkley.threshold, page_hinkley.delta) = (settings.threshold, settings.tolerance);
                Running::PageHinkley(page_hinkley)
            }
        };
        Self { detector, changes: 0, last_ms: None }
    }

    fn name(&self) -> Detector {
        match self.detector {
            Running::Adwin(_) => Detector::Adwin,
            Running::PageHinkley(_) => Detector::PageHinkley,
        }
    }

    fn update(&mut self, value: f64) -> bool {
        match &mut self.detector {
            Running::Adwin(adwin) => adwin.update(value),
            Running::PageHinkley(page_hinkley) => page_hinkley.update(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Role;
    use crate::monitor::drift::mmd::normals;

    fn columns() -> Vec<Column> {
        vec![
            Column::new("age", Role::Input, Kind::Numeric),
            Column::new("city", Role::Input, Kind::Categorical),
            Column::new("latency", Role::Latency, Kind::Numeric),
        ]
    }

    fn streams(names: &[&str]) -> (Streams, Vec<String>) {
        let columns_named = names.iter().map(ToString::to_string).collect();
        Streams::new(&StreamSettings { columns: columns_named, ..StreamSettings::default() }, &columns())
    }

    #[test]
    fn a_step_is_found_by_both_in_the_column_where_it_is() {
        let (mut streams, notes) = streams(&["age", "latency"]);
        assert_eq!(notes, Vec::<String>::new());
        let mut normal = normals(5);
        for at in 0..4000_u64 {
            let step = if at < 2000 { 0.0 } else { 20.0 };
            let age = 300.0 + 10.0 * normal.next().expect("without end") + step;
            streams.take(&[age.to_bits(), 0], 0.01 + 0.001 * normal.next().expect("without end"), at);
        }
        let facts = streams.facts();
        let found: Vec<(&str, &str, bool)> =
            facts.iter().map(|one| (one.column.as_str(), one.detector.name(), one.changes > 0)).collect();
        let wanted = [("age", "adwin"), ("age", "page-hinkley"), ("latency", "adwin"), ("latency", "page-hinkley")];
        assert_eq!(found, wanted.map(|(column, detector)| (column, detector, column == "age")));
        assert!(facts[..2].iter().all(|one| one.last_ms.is_some_and(|at| (2000..2100).contains(&at))), "{facts:?}");
    }

    #[test]
    fn what_cannot_be_followed_is_told() {
        let (mut streams, notes) = streams(&["agee", "city"]);
        assert!(streams.is_empty());
        assert!(notes[0].contains("did you mean 'age'?") && notes[1].contains("holds words"), "{notes:?}");
        streams.take(&[], f64::NAN, 0);
    }
}
