//! Process-wide families: the `metrics` facade and its Prometheus recorder.
//!
//! The recorder is installed once per process. An embedding program that has installed its own
//! keeps it; [`render`] is then empty and the families reach that program's recorder instead.

use super::names::{CONNECTIONS, Family, REJECTED, SWAPS};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the recorder if none is there; harmless to call again.
pub fn install() {
    HANDLE.get_or_init(|| {
        let handle = PrometheusBuilder::new().install_recorder().ok();
        for (name, help) in [REJECTED, SWAPS, CONNECTIONS] {
            metrics::describe_counter!(name, help);
        }
        handle
    });
}

/// The families as Prometheus text.
pub fn render() -> String {
    HANDLE.get().and_then(Option::as_ref).map(PrometheusHandle::render).unwrap_or_default()
}

/// Lets the recorder fold its samples; to be called every few seconds.
pub fn upkeep() {
    if let Some(handle) = HANDLE.get().and_then(Option::as_ref) {
        handle.run_upkeep();
    }
}

/// A handle for one series, to be kept by the caller.
pub fn counter(family: Family, label: &'static str, value: &'static str) -> metrics::Counter {
    metrics::counter!(family.0, label => value)
}
