//! What monitoring knows of the versions in service, as Prometheus text.

use crate::metrics::{Exposition, Kind, names};
use crate::monitor::contract::KINDS;
use crate::monitor::tap::sample;
use crate::monitor::tap::scores::{ColumnScores, Scores, status_number};
use crate::monitor::{Role, Tap};
use crate::registry::Version;
use crate::registry::exposition::{labels, with};
use std::cmp::Reverse;
use std::sync::Arc;

/// Where a feature's name stands: no column is called so, it is all of them.
const WHOLE_ROWS: &str = "(rows)";

/// A watched version, its tap, and what the collector has published of it.
struct Watched<'a> {
    version: &'a Version,
    tap: &'a Tap,
    scores: Arc<Scores>,
}

/// Writes the families of monitoring; at most `series` series of single columns.
pub fn expose(versions: &[Arc<Version>], series: usize, out: &mut Exposition) {
    violations(versions, out);
    let watched = |version| {
        let version: &Version = version;
        let tap: &Tap = version.tap.as_deref()?;
        Some(Watched { version, tap, scores: tap.scores.load_full() })
    };
    let watched: Vec<_> = versions.iter().filter_map(|version| watched(version)).collect();
    samples(&watched, out);
    standings(&watched, out);
    streams(&watched, out);
    columns(&watched, series, out);
}

fn violations(versions: &[Arc<Version>], out: &mut Exposition) {
    let (name, help) = names::VIOLATIONS;
    out.family(name, help, Kind::Counter);
    for version in versions {
        for (feature, counters) in version.contract.counts() {
            for (kind, counter) in KINDS.iter().zip(counters).filter(|(_, counter)| counter.get() > 0) {
                out.counter(name, &with(labels(version), &[("feature", feature), ("kind", kind)]), counter);
            }
        }
    }
}

fn samples(watched: &[Watched<'_>], out: &mut Exposition) {
    out.family(names::SAMPLES.0, names::SAMPLES.1, Kind::Counter);
    for one in watched {
        out.counter(names::SAMPLES.0, &labels(one.version), &one.tap.sampled);
    }
    out.family(names::SAMPLES_DROPPED.0, names::SAMPLES_DROPPED.1, Kind::Counter);
    for one in watched {
        for (reason, counter) in [("ring", &one.tap.dropped.ring), ("request", &one.tap.dropped.request)] {
            out.counter(names::SAMPLES_DROPPED.0, &with(labels(one.version), &[("reason", reason)]), counter);
        }
    }
    out.family(names::SAMPLING.0, names::SAMPLING.1, Kind::Gauge);
    for one in watched {
        out.sample(names::SAMPLING.0, &labels(one.version), 1.0 / sample::weight(one.tap.level()));
    }
}

fn standings(watched: &[Watched<'_>], out: &mut Exposition) {
    for (family, is_count) in [(names::DRIFT_STATUS, false), (names::DRIFTED, true)] {
        out.family(family.0, family.1, Kind::Gauge);
        for one in watched {
            for (span, status, drifted) in &one.scores.standings {
                let value = if is_count { *drifted as f64 } else { status_number(*status) };
                out.sample(family.0, &with(labels(one.version), &[("window", span.name())]), value);
            }
        }
    }
}

fn streams(watched: &[Watched<'_>], out: &mut Exposition) {
    out.family(names::STREAM_CHANGES.0, names::STREAM_CHANGES.1, Kind::Counter);
    for one in watched {
        for (column, detector, changes) in &one.scores.streams {
            let more = [("feature", column.as_str()), ("detector", *detector)];
            out.sample(names::STREAM_CHANGES.0, &with(labels(one.version), &more), *changes as f64);
        }
    }
}

/// Columns with an alarm come first, then predictions, then the model's order, as far as the budget goes.
fn columns(watched: &[Watched<'_>], series: usize, out: &mut Exposition) {
    let mut shown: Vec<(&Watched<'_>, &ColumnScores)> =
        watched.iter().flat_map(|one| one.scores.columns.iter().map(move |column| (one, column))).collect();
    let all = shown.len();
    shown.sort_by_key(|(_, column)| (Reverse(column.status), column.role != Role::Output));
    let mut left = series;
    let fits = |(_, column): &&(&Watched<'_>, &ColumnScores)| {
        let fits = left.checked_sub(column.statistics.len() + 1);
        left = fits.unwrap_or(0);
        fits.is_some()
    };
    let kept = shown.iter().take_while(fits).count();
    shown.truncate(kept);
    out.family(names::DRIFT_SCORE.0, names::DRIFT_SCORE.1, Kind::Gauge);
    for (one, column) in &shown {
        for (statistic, value) in &column.statistics {
            let more = [("feature", column.name.as_str()), ("statistic", *statistic)];
            out.sample(names::DRIFT_SCORE.0, &with(labels(one.version), &more), *value);
        }
    }
    for one in watched {
        for (method, effect) in &one.scores.rows {
            let more = [("feature", WHOLE_ROWS), ("statistic", *method)];
            out.sample(names::DRIFT_SCORE.0, &with(labels(one.version), &more), *effect);
        }
    }
    out.family(names::MISSING.0, names::MISSING.1, Kind::Gauge);
    for (one, column) in &shown {
        let labels = with(labels(one.version), &[("feature", column.name.as_str())]);
        out.sample(names::MISSING.0, &labels, column.missing_ratio);
    }
    out.family(names::SERIES_DROPPED.0, names::SERIES_DROPPED.1, Kind::Gauge);
    out.sample(names::SERIES_DROPPED.0, &[], (all - kept) as f64);
}
