//! The metrics of Triton's own names, for dashboards and autoscalers that were built on them.

use super::slot::Catalog;
use super::version::Version;
use crate::metrics::{Exposition, Kind};
use std::sync::Arc;

/// A family's name, its sentence, and a version's value.
type Reading = (&'static str, &'static str, fn(&Version) -> f64);

/// Triton counts time in microseconds.
fn micros(ns: u64) -> f64 {
    (ns / 1000) as f64
}

const COUNTERS: [Reading; 8] = [
    ("nv_inference_request_success", "Number of successful inference requests, all batch sizes", |version| {
        version.stats.latency.count() as f64
    }),
    ("nv_inference_count", "Number of inferences performed (does not include cached requests)", |version| {
        version.stats.rows.get() as f64
    }),
    ("nv_inference_exec_count", "Number of model executions performed (does not include cached requests)", |version| {
        version.lane.stats().sizes.count() as f64
    }),
    ("nv_inference_request_duration_us", "Cumulative inference request duration in microseconds", |version| {
        micros(version.stats.latency.sum())
    }),
    ("nv_inference_queue_duration_us", "Cumulative inference queuing duration in microseconds", |version| {
        micros(version.stats.queue_ns.get())
    }),
    ("nv_inference_compute_input_duration_us", "Cumulative compute input duration in microseconds", |version| {
        micros(version.stats.input_ns.get())
    }),
    ("nv_inference_compute_infer_duration_us", "Cumulative compute inference duration in microseconds", |version| {
        micros(version.stats.compute_ns.get())
    }),
    (
        "nv_inference_compute_output_duration_us",
        "Cumulative inference compute output duration in microseconds",
        |version| micros(version.stats.output_ns()),
    ),
];

const GAUGES: [Reading; 2] = [
    ("nv_inference_pending_request_count", "Instantaneous number of pending requests awaiting execution", |version| {
        version.lane.queued_requests() as f64
    }),
    ("nv_model_load_duration_secs", "Model load time in seconds", |version| version.load_time.as_secs_f64()),
];

const FAILURES: (&str, &str) = ("nv_inference_request_failure", "Number of failed inference requests, all batch sizes");
const REASONS: [&str; 4] = ["REJECTED", "CANCELED", "BACKEND", "OTHER"];

/// Triton's reason for a status.
fn reason(code: u16) -> &'static str {
    match code {
        503 => "REJECTED",
        499 => "CANCELED",
        500 => "BACKEND",
        _ => "OTHER",
    }
}

/// Writes the families of all versions in service.
pub fn expose_as_triton(catalog: &Catalog, out: &mut Exposition) {
    let versions: Vec<Arc<Version>> = catalog
        .sorted()
        .into_iter()
        .flat_map(|slot| slot.serving.load().versions.values().cloned().collect::<Vec<_>>())
        .collect();
    for (families, kind) in [(&COUNTERS[..], Kind::Counter), (&GAUGES[..], Kind::Gauge)] {
        for (name, help, value) in families {
            out.family(name, help, kind);
            for version in &versions {
                out.sample(name, &labels(version), value(version));
            }
        }
    }
    out.family(FAILURES.0, FAILURES.1, Kind::Counter);
    for version in &versions {
        for wanted in REASONS {
            let failed = version.stats.requests().filter(|(_, code, _)| *code != 200 && reason(*code) == wanted);
            let count: u64 = failed.map(|(.., counter)| counter.get()).sum();
            let [model, number] = labels(version);
            out.sample(FAILURES.0, &[model, ("reason", wanted), number], count as f64);
        }
    }
}

fn labels(version: &Version) -> [(&str, &str); 2] {
    [("model", version.model.as_str()), ("version", &version.name)]
}
