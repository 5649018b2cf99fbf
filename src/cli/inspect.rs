//! `tidegate inspect`: everything there is to know of a model before it serves.

use super::measure::{self, Measured};
use super::table::table;
use super::{offline, say};
use crate::engine::device::Where;
use crate::engine::onnx::pb;
use crate::registry::{FoundVersion, OutputKind, Version};
use bytesize::ByteSize;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Names of columns that are shown.
const SHOWN: usize = 40;

pub fn show(version: &Version, found: &FoundVersion) {
    say!("{} version {}", version.model, version.number);
    show_file(found);
    line("engine", &format!("{}: {}", version.loaded.choice.engine, version.loaded.choice.reason));
    line("device", &device(version));
    line("memory", &memory(version));
    line("loaded in", &version.load_words());
    for (at, step) in version.loaded.model.describe().iter().enumerate() {
        line(if at == 0 { "computes" } else { "" }, step);
    }
    offline::show_signature(version);
    show_roles(version);
    line("features", &features(version));
    line("batches", &batches(version));
    show_costs(&measure::costs(version, found));
    for note in &version.notes {
        line("note", note);
    }
    show_card(version);
}

fn line(name: &str, words: &str) {
    if !words.is_empty() {
        say!("  {name:<10} {words}");
    }
}

/// What the file says of itself, and its operators with how often each is used.
fn show_file(found: &FoundVersion) {
    let bytes = found.model_file().and_then(|file| std::fs::read(&file.path).ok()).unwrap_or_default();
    let size = ByteSize(bytes.len() as u64);
    let Ok(proto) = pb::ModelProto::decode(bytes.as_slice()) else {
        return line("file", &size.to_string());
    };
    let by = [proto.producer_name.as_str(), &proto.producer_version].join(" ");
    let by = if by.trim().is_empty() { String::new() } else { format!(", by {}", by.trim()) };
    let sets = proto.opset_import.iter().map(|set| format!("{} {}", domain(&set.domain), set.version));
    // A file may name a set twice.
    let sets: Vec<String> = sets.collect::<BTreeSet<_>>().into_iter().collect();
    line("file", &format!("{size}, ONNX IR {}, operators of {}{by}", proto.ir_version, sets.join(" and ")));
    line("operators", &operators(&proto));
}

fn domain(text: &str) -> &str {
    if text.is_empty() { "ai.onnx" } else { text }
}

fn operators(proto: &pb::ModelProto) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for node in proto.graph.iter().flat_map(|graph| &graph.node) {
        let name = match domain(&node.domain) {
            "ai.onnx" => node.op_type.clone(),
            other => format!("{other}.{}", node.op_type),
        };
        *counts.entry(name).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    // The most used first; those used equally often stay in order of name.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let words = counts.iter().map(|(name, count)| if *count == 1 { name.clone() } else { format!("{name} x{count}") });
    words.collect::<Vec<_>>().join(", ")
}

fn memory(version: &Version) -> String {
    match version.loaded.model.memory_bytes() {
        0 => "too little to count".to_owned(),
        bytes => format!("{}, estimated from its weights", ByteSize(bytes as u64)),
    }
}

fn device(version: &Version) -> String {
    let at = &version.loaded.at;
    let reason = at.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
    match at {
        Where::Cpu { .. } => format!("{}{reason}", at.id()),
        Where::Both { bytes, .. } => format!("cpu and {}, {} there", at.id(), ByteSize(*bytes as u64)),
    }
}

fn show_roles(version: &Version) {
    let name = |at: usize| version.signature().outputs.get(at).map_or("", |spec| spec.name.as_str());
    let roles = &version.roles;
    let how = if roles.classify { ", the class of its highest score" } else { "" };
    line("prediction", &format!("{}{how}", name(roles.prediction)));
    line("scores", roles.probabilities.map_or("", name));
    line("classes", &roles.labels.as_ref().map(|labels| few(labels)).unwrap_or_default());
    let kind = version.manifest.kind.map(|kind| match kind {
        OutputKind::Classification => "classification, by model.toml",
        OutputKind::Regression => "regression, by model.toml",
    });
    line("kind", kind.unwrap_or_default());
}

fn features(version: &Version) -> String {
    match version.features.names.as_slice() {
        [] => "none: rows are not lists of columns".to_owned(),
        names => few(names),
    }
}

fn few(names: &[impl AsRef<str>]) -> String {
    let mut text = names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

fn batches(version: &Version) -> String {
    match measure::why_not_merged(version) {
        Some(reason) => reason.to_owned(),
        None => format!("axis 0 counts rows; requests are merged up to {} rows", version.lane.settings().max_rows),
    }
}

fn show_costs(measured: &Result<Vec<Measured>, String>) {
    let measured = match measured {
        Ok(measured) => measured,
        Err(words) => return line("cost", &format!("not measured: {words}")),
    };
    let head = ["ROWS", "BATCH", "ROW"].map(str::to_owned);
    let row = |one: &Measured| [one.rows.to_string(), time(one.batch), time(one.batch / one.rows.max(1))];
    let rows: Vec<[String; 3]> = [head].into_iter().chain(measured.iter().map(row)).collect();
    for (at, text) in table(&rows).lines().enumerate() {
        line(if at == 0 { "cost" } else { "" }, text);
    }
}

fn time(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 1000.0 { format!("{micros:.2} us") } else { format!("{:.2} ms", micros / 1e3) }
}

fn show_card(version: &Version) {
    let card = &version.manifest.card;
    let parts = [
        ("title", &card.title),
        ("about", &card.description),
        ("source", &card.source),
        ("licence", &card.licence),
        ("owner", &card.owner),
    ];
    for (name, words) in parts {
        line(name, words);
    }
}
