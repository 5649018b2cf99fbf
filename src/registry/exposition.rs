//! The families that live and die with a version, as Prometheus text.

use super::slot::Catalog;
use super::status::State;
use super::version::Version;
use crate::metrics::{Counter, Exposition, Kind, names};
use std::sync::Arc;

/// Writes the families of all versions in service.
/// At most `series` series of single columns are written.
pub fn expose(catalog: &Catalog, series: usize, out: &mut Exposition) {
    let versions: Vec<Arc<Version>> = catalog
        .sorted()
        .into_iter()
        .flat_map(|slot| slot.serving.load().versions.values().cloned().collect::<Vec<_>>())
        .collect();
    let page = Page { versions: &versions };
    page.requests(out);
    page.histograms(out);
    page.batches(out);
    page.gauges(out);
    super::watched::expose(&versions, series, out);
    models(catalog, out);
}

/// A version's value of a gauge.
type Reading = fn(&Version) -> f64;

struct Page<'a> {
    versions: &'a [Arc<Version>],
}

/// The labels that every family here has.
pub(super) fn labels(version: &Version) -> [(&str, &str); 2] {
    [("model", version.model.as_str()), ("version", &version.name)]
}

pub(super) fn with<'a>(base: [(&'a str, &'a str); 2], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    base.into_iter().chain(more.iter().copied()).collect()
}

impl Page<'_> {
    fn requests(&self, out: &mut Exposition) {
        out.family(names::REQUESTS.0, names::REQUESTS.1, Kind::Counter);
        for version in self.versions {
            for (protocol, code, counter) in version.stats.requests() {
                let code = code.to_string();
                let labels = with(labels(version), &[("protocol", protocol), ("code", &code)]);
                out.counter(names::REQUESTS.0, &labels, counter);
            }
        }
        out.family(names::PREDICTIONS.0, names::PREDICTIONS.1, Kind::Counter);
        for version in self.versions {
            let own = with(labels(version), &[("variant", &version.name)]);
            let variants = version.stats.variants();
            // A variant may be called as its version is: one series for both.
            let same = variants.iter().find(|(name, _)| **name == *version.name);
            let rows = version.stats.rows.get() + same.map_or(0, |(_, cells)| cells.rows.get());
            out.sample(names::PREDICTIONS.0, &own, rows as f64);
            for (name, cells) in variants.iter().filter(|(name, _)| **name != *version.name) {
                let labels = with(labels(version), &[("variant", name)]);
                out.counter(names::PREDICTIONS.0, &labels, &cells.rows);
            }
        }
        out.family(names::VARIANT_REQUESTS.0, names::VARIANT_REQUESTS.1, Kind::Counter);
        for version in self.versions {
            for (name, cells) in version.stats.variants() {
                for (result, counter) in [("ok", &cells.good), ("error", &cells.bad)] {
                    let labels = with(labels(version), &[("variant", &name), ("result", result)]);
                    out.counter(names::VARIANT_REQUESTS.0, &labels, counter);
                }
            }
        }
    }

    fn histograms(&self, out: &mut Exposition) {
        let families = [names::LATENCY, names::QUEUE, names::COMPUTE, names::BATCH_ROWS];
        for (at, (name, help)) in families.into_iter().enumerate() {
            out.family(name, help, Kind::Histogram);
            for version in self.versions {
                let lane = version.lane.stats();
                let histogram = [&version.stats.latency, &lane.queue, &lane.compute, &lane.batch_rows][at];
                out.histogram(name, &labels(version), histogram);
            }
        }
    }

    fn batches(&self, out: &mut Exposition) {
        self.labelled(out, names::BATCHES, "close_reason", |version| version.lane.stats().closed().to_vec());
        self.labelled(out, names::DROPPED, "reason", |version| {
            let stats = version.lane.stats();
            vec![("expired", &stats.expired), ("cancelled", &stats.cancelled), ("wasted", &stats.wasted)]
        });
        out.family(names::SHED.0, names::SHED.1, Kind::Counter);
        for version in self.versions {
            out.counter(names::SHED.0, &labels(version), &version.lane.stats().hopeless);
        }
        self.labelled(out, names::ENGINE_FAILURES, "kind", |version| {
            let stats = version.lane.stats();
            vec![("error", &stats.errors), ("panic", &stats.panics)]
        });
    }

    fn labelled<'a>(
        &'a self,
        out: &mut Exposition,
        family: names::Family,
        label: &'static str,
        counters: impl Fn(&'a Version) -> Vec<(&'static str, &'a Counter)>,
    ) {
        out.family(family.0, family.1, Kind::Counter);
        for version in self.versions {
            for (value, counter) in counters(version) {
                out.counter(family.0, &with(labels(version), &[(label, value)]), counter);
            }
        }
    }

    fn gauges(&self, out: &mut Exposition) {
        let gauges: [(names::Family, Reading); 4] = [
            (names::QUEUE_ROWS, |version| version.lane.queued_rows() as f64),
            (names::IN_FLIGHT, |version| version.stats.in_flight() as f64),
            (names::MODEL_LOAD, |version| version.load_time.as_secs_f64()),
            (names::MODEL_MEMORY, |version| version.loaded.model.memory_bytes() as f64),
        ];
        for ((name, help), value) in gauges {
            out.family(name, help, Kind::Gauge);
            for version in self.versions {
                out.sample(name, &labels(version), value(version));
            }
        }
    }
}

/// Readiness per model, and one line of facts per version whatever its state.
fn models(catalog: &Catalog, out: &mut Exposition) {
    out.family(names::MODEL_READY.0, names::MODEL_READY.1, Kind::Gauge);
    for slot in catalog.sorted() {
        let ready = f64::from(u8::from(slot.serving.load().default.is_some()));
        out.sample(names::MODEL_READY.0, &[("model", slot.name.as_str())], ready);
    }
    out.family(names::MODEL_INFO.0, names::MODEL_INFO.1, Kind::Gauge);
    for slot in catalog.sorted() {
        for status in slot.status.load().versions.iter().filter(|status| status.state != State::Unloaded) {
            let version = status.version.to_string();
            let labels = [
                ("model", slot.name.as_str()),
                ("version", &version),
                ("engine", &status.engine),
                ("device", &status.device),
                ("digest", &status.digest),
                ("state", status.state.name()),
            ];
            out.sample(names::MODEL_INFO.0, &labels, 1.0);
        }
    }
}
