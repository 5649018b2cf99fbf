//! `model.toml`: what a model's owner says about it. Everything has a default.

use super::slot::Serving;
use super::source::{Stamp, VersionNumber};
use crate::batcher;
use crate::engine::device::{Precision, Use};
use crate::engine::{Extras, Options};
use crate::monitor::ModelSettings as Monitor;
use crate::monitor::contract::{Mode, Rules};
use crate::text;
use crate::traffic;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Every key, for the check that names the nearest known one.
const KEYS: &[&str] = &[
    "versions",
    "aliases.*",
    "batching.max_rows",
    "batching.max_delay",
    "batching.queue_rows",
    "batching.queue_bytes",
    "batching.deadline",
    "instances.count",
    "device.gpu",
    "device.precision",
    "input.columns",
    "input.mode",
    "input.rules.*",
    "monitor.enabled",
    "monitor.rows_per_second",
    "monitor.rule.*",
    "monitor.rows.pca",
    "monitor.rows.mmd",
    "monitor.rows.learn",
    "monitor.rows.variance",
    "monitor.rows.alpha",
    "monitor.rows.pca_floor",
    "monitor.rows.mmd_floor",
    "monitor.streams.columns",
    "monitor.streams.detectors",
    "monitor.streams.delta",
    "monitor.streams.threshold",
    "monitor.streams.tolerance",
    "input.datatype",
    "output.kind",
    "output.labels",
    "output.extra",
    "card.title",
    "card.description",
    "card.source",
    "card.licence",
    "card.owner",
    "traffic.*",
];

/// Which versions are loaded besides those that an alias names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    #[default]
    Latest,
    All,
    These(Vec<VersionNumber>),
}

/// What the outputs mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    Classification,
    Regression,
}

/// A model card's facts, shown with the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(default)]
pub struct Card {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub licence: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
}

/// A read `model.toml`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    pub versions: Versions,
    pub aliases: BTreeMap<String, VersionNumber>,
    pub batching: Batching,
    pub instances: Option<usize>,
    /// Names of the columns of a single wide input.
    pub columns: Vec<String>,
    /// What becomes of rows that break the rules of their columns.
    pub mode: Mode,
    /// The value contract, by column.
    pub rules: BTreeMap<String, Rules>,
    pub kind: Option<OutputKind>,
    pub labels: Vec<String>,
    pub monitor: Monitor,
    /// How the model file is to be served.
    pub options: Options,
    /// Whether it may, or must, run on a GPU too.
    pub gpu: Use,
    /// What its networks are computed in there.
    pub precision: Precision,
    pub card: Card,
    /// The plan in force where none is given otherwise. A canary in it is a wish.
    pub traffic: Option<Arc<traffic::Plan>>,
}

/// A lane's limits, where the file gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Batching {
    pub max_rows: Option<usize>,
    #[serde(deserialize_with = "some_duration")]
    pub max_delay: Option<Duration>,
    pub queue_rows: Option<usize>,
    #[serde(deserialize_with = "some_size")]
    pub queue_bytes: Option<usize>,
    #[serde(deserialize_with = "some_duration")]
    pub deadline: Option<Duration>,
}

fn some_duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    text::de_duration(deserializer).map(Some)
}

fn some_size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    text::de_size(deserializer).map(Some)
}

/// The file as it is written.
#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    versions: Option<FileVersions>,
    aliases: BTreeMap<String, Number>,
    batching: Batching,
    instances: Instances,
    device: DeviceTable,
    input: Input,
    output: Output,
    monitor: Monitor,
    card: Card,
    traffic: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FileVersions {
    Word(String),
    List(Vec<Number>),
}

/// A version, as a number or as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Int(u64),
    Text(String),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Instances {
    count: Option<usize>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DeviceTable {
    gpu: Use,
    precision: Precision,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Input {
    columns: Vec<String>,
    mode: Mode,
    rules: BTreeMap<String, Rules>,
    datatype: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Output {
    kind: Option<OutputKind>,
    labels: Vec<String>,
    extra: Vec<String>,
}

/// The outputs that `output.extra` names.
fn extras(names: &[String], words: &mut Vec<String>) -> Extras {
    let mut extras = Extras::NONE;
    for name in names {
        match Extras::named(name) {
            Some(named) => extras = extras.and(named),
            None => words.push(format!("output.extra: expected \"margin\" or \"leaf\", got \"{name}\"")),
        }
    }
    extras
}

/// The plan of `[traffic]`.
fn plan(
    document: &serde_json::Value,
    aliases: &BTreeMap<String, VersionNumber>,
    words: &mut Vec<String>,
) -> Option<traffic::Plan> {
    let number = |name: &str| aliases.get(name).copied().or_else(|| name.parse().ok());
    let default = Serving::default_alias(aliases);
    let plan = traffic::Plan::read(document, |name| default.is_some() && number(name) == default);
    match plan {
        Ok(plan) => Some(plan).filter(|plan| !plan.is_empty()),
        Err(fault) => {
            words.push(format!("traffic.{fault}"));
            None
        }
    }
}

/// Whether `input.datatype` asks for doubles.
fn double(name: Option<&str>, words: &mut Vec<String>) -> bool {
    match name {
        None | Some("FP32") => false,
        Some("FP64") => true,
        Some(other) => {
            words.push(format!("input.datatype: expected \"FP32\" or \"FP64\", got \"{other}\""));
            false
        }
    }
}

impl Manifest {
    /// Reads the text of a `model.toml`; the error lists every mistake found.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |words: Vec<String>| format!("model.toml: {}", words.join("; "));
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(vec![one_line(&error)]))?;
        let mut words = text::unknown_keys(&table, KEYS);
        let file: File = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                words.push(one_line(&error));
                return Err(wrong(words));
            }
        };
        let manifest = Self::from_file(file, &mut words);
        if words.is_empty() { Ok(manifest) } else { Err(wrong(words)) }
    }

    fn from_file(file: File, words: &mut Vec<String>) -> Self {
        let mut number = |number: &Number, key: &str| {
            let parsed = match number {
                Number::Int(n) => Some(VersionNumber(*n)),
                Number::Text(text) => text.parse().ok(),
            };
            if parsed.is_none() {
                words.push(format!("{key}: expected a version number"));
            }
            parsed
        };
        let aliases =
            file.aliases.iter().filter_map(|(name, to)| Some((name.clone(), number(to, &format!("aliases.{name}"))?)));
        let aliases: BTreeMap<_, _> = aliases.collect();
        let versions = match &file.versions {
            None => Versions::Latest,
            Some(FileVersions::List(list)) => {
                Versions::These(list.iter().filter_map(|n| number(n, "versions")).collect())
            }
            Some(FileVersions::Word(word)) if word == "latest" => Versions::Latest,
            Some(FileVersions::Word(word)) if word == "all" => Versions::All,
            Some(FileVersions::Word(word)) => {
                words.push(format!("versions: expected \"latest\", \"all\" or a list of numbers, got \"{word}\""));
                Versions::Latest
            }
        };
        for alias in aliases.keys().filter(|alias| alias.parse::<VersionNumber>().is_ok()) {
            words.push(format!("aliases.{alias}: a number names the version itself and cannot be an alias"));
        }
        for (key, zero) in [
            ("batching.max_rows", file.batching.max_rows == Some(0)),
            ("batching.queue_rows", file.batching.queue_rows == Some(0)),
            ("instances.count", file.instances.count == Some(0)),
        ] {
            if zero {
                words.push(format!("{key}: expected at least 1, got 0"));
            }
        }
        for (column, rules) in &file.input.rules {
            words.extend(rules.mistakes().into_iter().map(|mistake| format!("input.rules.{column}: {mistake}")));
        }
        words.extend(file.monitor.mistakes().into_iter().map(|mistake| format!("monitor.{mistake}")));
        Self {
            versions,
            batching: file.batching,
            instances: file.instances.count,
            gpu: file.device.gpu,
            precision: file.device.precision,
            columns: file.input.columns,
            mode: file.input.mode,
            rules: file.input.rules,
            monitor: file.monitor,
            kind: file.output.kind,
            labels: file.output.labels,
            options: Options {
                extras: extras(&file.output.extra, words),
                double: double(file.input.datatype.as_deref(), words),
            },
            traffic: file.traffic.as_ref().and_then(|document| plan(document, &aliases, words)).map(Arc::new),
            aliases,
            card: file.card,
        }
    }

    /// Reads the file of a stamp; without one everything has its default.
    pub(super) fn read(stamp: Option<&Stamp>) -> Result<Self, String> {
        let Some(stamp) = stamp else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(&stamp.path).map_err(|error| format!("cannot read model.toml: {error}"))?;
        Self::parse(&text)
    }

    /// The lane's limits: this file's where it gives them, else the server's.
    pub fn lane(&self, defaults: &batcher::Settings) -> batcher::Settings {
        batcher::Settings {
            max_rows: self.batching.max_rows.unwrap_or(defaults.max_rows),
            max_delay: self.batching.max_delay.unwrap_or(defaults.max_delay),
            queue_rows: self.batching.queue_rows.unwrap_or(defaults.queue_rows),
            queue_bytes: self.batching.queue_bytes.unwrap_or(defaults.queue_bytes),
            deadline: self.batching.deadline.unwrap_or(defaults.deadline),
            instances: self.instances.unwrap_or(defaults.instances),
            inline_below: defaults.inline_below,
        }
    }
}

/// A TOML error without its picture of the line.
fn one_line(error: &toml::de::Error) -> String {
    error.message().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_read() {
        let manifest = Manifest::parse(
            "versions = [\"3\", 7]\n[aliases]\nchampion = \"3\"\n[batching]\nmax_rows = 8\nmax_delay = \"2ms\"\n\
             queue_bytes = \"1MiB\"\ndeadline = \"250ms\"\n[instances]\ncount = 2\n[output]\nkind = \"classification\"\n",
        )
        .expect("a good file");
        assert_eq!(manifest.versions, Versions::These(vec![VersionNumber(3), VersionNumber(7)]));
        assert_eq!(manifest.aliases.get("champion"), Some(&VersionNumber(3)));
        let lane = manifest.lane(&batcher::Settings::default());
        assert_eq!((lane.max_rows, lane.instances, lane.queue_bytes), (8, 2, 1 << 20));
        assert_eq!(lane.deadline, Duration::from_millis(250));
        assert_eq!(manifest.kind, Some(OutputKind::Classification));
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let words = Manifest::parse(
            "verions = 'all'\nversions = 'newest'\n[batching]\nmax_rows = 0\n[output]\nextra = ['leaf', 'shap']\n",
        )
        .expect_err("four mistakes");
        let first = ["did you mean 'versions'", "got \"newest\"", "batching.max_rows: expected at least 1"];
        for part in first.into_iter().chain(["output.extra: expected \"margin\" or \"leaf\", got \"shap\""]) {
            assert!(words.contains(part), "{words}");
        }
        assert!(Manifest::parse("[batching]\nmax_delay = 'soon'").expect_err("bad").contains("expected a duration"));
        assert!(Manifest::parse("versions = ").is_err());
        let words = Manifest::parse("[input]\ndatatype = 'INT8'").expect_err("no such rows");
        assert!(words.contains("input.datatype: expected \"FP32\" or \"FP64\", got \"INT8\""), "{words}");
    }
}
