//! What came of a split: each arm beside the control, with bands that hold at all times.

use crate::metrics::{Exposition, Kind, names};
use crate::registry::{Catalog, Routing, Slot};
use crate::traffic::stat::{Difference, difference, log_mismatch, wilson};
use crate::traffic::tally::{ArmTally, CLASSES, Kept, Moments, share};
use crate::traffic::{Live, Why};
use serde_json::{Map, Value, json};

/// Level of the bands.
const ALPHA: f64 = 0.05;
/// An e-value from which on the shares of the arms are not chance any more.
const MISMATCH: f64 = 1000.0;
/// Units per arm before shares are judged.
const FEWEST_UNITS: u64 = 8;
/// The share of units in several arms from which on the comparison is doubtful, and how many at least.
const MOVED: (f64, u64) = (0.01, 10);

/// The report of a model; without a plan, what there is to say about that.
pub fn report(slot: &Slot) -> Value {
    let serving = slot.serving.load();
    let Some(routing) = &serving.routing else {
        return json!({"model": slot.name.as_str(), "variants": [], "shadows": [], "verdict": "there is no traffic plan"});
    };
    Report::new(routing).document(slot.name.as_str())
}

/// One experiment at a moment.
struct Report<'a> {
    routing: &'a Routing,
    live: &'a Live,
    kept: Option<Kept>,
}

impl<'a> Report<'a> {
    fn new(routing: &'a Routing) -> Self {
        Self { routing, live: &routing.live, kept: routing.live.tally.kept() }
    }

    fn document(&self, model: &str) -> Value {
        let live = self.live;
        let since = humantime::format_rfc3339_millis(live.tally.since).to_string();
        let comparisons: Vec<Value> = (1..live.names.len()).map(|arm| self.comparison(arm)).collect();
        let mismatch = self.mismatch();
        let outside: Map<String, Value> = Why::OUTSIDE
            .iter()
            .zip(&live.tally.outside)
            .map(|((_, name), counter)| ((*name).to_owned(), counter.get().into()))
            .collect();
        json!({
            "model": model,
            "phase": live.plan.phase,
            "since": since,
            "unit": if self.kept.is_some() { "unit" } else { "request" },
            "variants": (0..live.names.len()).map(|arm| self.variant(arm)).collect::<Vec<_>>(),
            "verdict": self.verdict(&mismatch),
            "comparisons": comparisons,
            "sample_ratio": mismatch.as_ref().map(Mismatch::document),
            "units_in_several_arms": self.kept.as_ref().map(Kept::moved),
            "requests_not_compared": outside,
            "shadows": self.shadows(),
            "sample": self.kept.as_ref().map(|kept| kept.part),
        })
    }

    fn score(&self, arm: usize) -> Moments {
        self.kept.as_ref().map_or_else(|| self.live.tally.score(arm), |kept| kept.score(arm))
    }

    fn units(&self, arm: usize) -> Option<u64> {
        self.kept.as_ref().map(|kept| kept.units(arm))
    }

    fn tally(&self, arm: usize) -> Option<&ArmTally> {
        self.live.tally.arms.get(arm)
    }

    fn variant(&self, arm: usize) -> Value {
        let Some(tally) = self.tally(arm) else { return Value::Null };
        let requests = tally.requests.get();
        let (errors, score) = (tally.events[0].get(), self.score(arm));
        let (low, high) = wilson(errors, requests);
        let seconds = |nanos: Option<f64>| nanos.map(|nanos| nanos / 1e9);
        let quantile = |part| seconds(tally.latency.quantile(part).map(|nanos| nanos as f64));
        let classes: Map<String, Value> = tally
            .classes
            .iter()
            .enumerate()
            .filter(|(_, counter)| counter.get() > 0)
            .map(|(class, counter)| (self.class_name(arm, class), counter.get().into()))
            .collect();
        json!({
            "name": &*self.live.names[arm],
            "control": arm == 0,
            "version": self.routing.version(arm).map(|version| version.name.to_string()),
            "weight": self.live.weights[arm],
            "requests": requests,
            "rows": tally.rows.get(),
            "units": self.units(arm),
            "errors": {"requests": errors, "units": self.kept.is_some().then(|| tally.first_events[0].get()), "rate": rate(errors, requests), "low": low, "high": high},
            "nan": tally.events[2].get(),
            "score": (score.n > 0.0).then(|| json!({"n": score.n, "mean": score.mean, "deviation": score.variance().sqrt()})),
            "classes": classes,
            "latency_seconds": {"mean": seconds(tally.latency.mean()), "p50": quantile(0.5), "p95": quantile(0.95), "p99": quantile(0.99)},
        })
    }

    fn class_name(&self, arm: usize, class: usize) -> String {
        let labels = self.routing.version(arm).and_then(|version| version.roles.labels.clone());
        let name = labels.and_then(|labels| labels.get(class).map(ToString::to_string));
        name.unwrap_or_else(|| if class == CLASSES - 1 { "other".to_owned() } else { class.to_string() })
    }

    fn score_difference(&self, arm: usize) -> Option<Difference> {
        let side = |moments: Moments| (moments.mean, moments.variance(), moments.n);
        difference(side(self.score(arm)), side(self.score(0)), ALPHA)
    }

    fn error_difference(&self, arm: usize) -> Option<Difference> {
        let side = |arm: usize| {
            let tally = self.tally(arm)?;
            // Of sticky traffic a unit errs or does not.
            let n = self.units(arm).unwrap_or_else(|| tally.requests.get()) as f64;
            let share = if n > 0.0 { tally.first_events[0].get() as f64 / n } else { 0.0 };
            Some((share, share * (1.0 - share), n))
        };
        difference(side(arm)?, side(0)?, ALPHA)
    }

    fn comparison(&self, arm: usize) -> Value {
        let shown = |difference: Option<Difference>| {
            difference.map(|one| json!({"difference": one.mean, "low": one.low, "high": one.high, "p": one.p}))
        };
        json!({
            "variant": &*self.live.names[arm],
            "against": &*self.live.names[0],
            "score": shown(self.score_difference(arm)),
            "errors": shown(self.error_difference(arm)),
            "predictions_shift": self.live.tally.drift(arm),
        })
    }

    /// Of sticky traffic: whether units come in the shares that the weights promise.
    fn mismatch(&self) -> Option<Mismatch> {
        let kept = self.kept.as_ref()?;
        let (seen, shares) = (kept.fresh.clone(), self.live.shares());
        let promised = seen.iter().zip(&shares).filter(|(_, share)| **share > 0.0);
        let enough = promised.clone().count() > 1
            && promised.clone().map(|(seen, _)| *seen).sum::<u64>() >= FEWEST_UNITS * promised.count() as u64;
        let e_value = if enough { log_mismatch(&seen, &shares).exp() } else { 1.0 };
        Some(Mismatch { seen, shares, e_value })
    }

    fn verdict(&self, mismatch: &Option<Mismatch>) -> String {
        let names = &self.live.names;
        if names.len() < 2 {
            return "there is one arm only: nothing to compare".to_owned();
        }
        if let Some(found) = mismatch.as_ref().filter(|found| found.e_value >= MISMATCH) {
            return format!(
                "do not trust this comparison: units do not come in the shares of the weights (e-value {:.0}); look \
                 for requests without their unit, retries, or a cache in front",
                found.e_value
            );
        }
        let units: u64 = (0..names.len()).filter_map(|arm| self.units(arm)).sum();
        let moved = self.kept.as_ref().map_or(0, Kept::moved);
        if moved >= MOVED.1 && moved as f64 > MOVED.0 * units as f64 {
            return format!("do not trust this comparison: {moved} units were in several arms; begin a new phase");
        }
        let words = (1..names.len()).flat_map(|arm| {
            let name = &names[arm];
            let score = words("score", name, &names[0], self.score_difference(arm));
            let errors = words("error rate", name, &names[0], self.error_difference(arm));
            [score, errors]
        });
        let words: Vec<String> = words.flatten().collect();
        if words.is_empty() { "too little has been seen to compare".to_owned() } else { words.join("; ") }
    }

    fn shadows(&self) -> Vec<Value> {
        let live = self.live;
        let shadow = |(mirror, version): (&std::sync::Arc<crate::traffic::Mirror>, &Option<_>)| {
            let version: &Option<std::sync::Arc<crate::registry::Version>> = version;
            let mut shown = mirror.compared().document();
            shown["version"] = mirror.shadow.version.as_str().into();
            shown["answered_by"] = version.as_ref().map(|version| version.name.to_string()).into();
            shown["sample"] = mirror.shadow.sample.into();
            shown["dropped"] = mirror.dropped.get().into();
            shown["failed"] = mirror.failed.get().into();
            shown
        };
        live.mirrors.iter().zip(&self.routing.shadows).map(shadow).collect()
    }
}

/// How the units came in, against what the weights promise.
struct Mismatch {
    seen: Vec<u64>,
    shares: Vec<f64>,
    e_value: f64,
}

impl Mismatch {
    fn document(&self) -> Value {
        json!({"units": self.seen, "shares": self.shares, "e_value": self.e_value, "alarm": self.e_value >= MISMATCH})
    }
}

fn rate(hits: u64, n: u64) -> Option<f64> {
    (n > 0).then(|| hits as f64 / n as f64)
}

fn words(what: &str, name: &str, control: &str, difference: Option<Difference>) -> Option<String> {
    let Difference { mean, low, high, .. } = difference?;
    let band = format!("by {mean:.4} (95 % band {low:.4} to {high:.4})");
    Some(match (low > 0.0, high < 0.0) {
        (true, _) => format!("the {what} of {name} is higher than that of {control} {band}"),
        (_, true) => format!("the {what} of {name} is lower than that of {control} {band}"),
        _ => format!(
            "no difference of the {what} between {name} and {control} is shown yet: {mean:.4} (95 % band {low:.4} to {high:.4})"
        ),
    })
}

/// Writes the families of plans and shadows.
pub fn expose(catalog: &Catalog, out: &mut Exposition) {
    let slots = catalog.sorted();
    let routings: Vec<_> =
        slots.iter().filter_map(|slot| Some((slot.name.as_str(), slot.serving.load().routing.clone()?))).collect();
    out.family(names::NOT_COMPARED.0, names::NOT_COMPARED.1, Kind::Counter);
    for (model, routing) in &routings {
        for ((_, reason), counter) in Why::OUTSIDE.iter().zip(&routing.live.tally.outside) {
            out.counter(names::NOT_COMPARED.0, &[("model", model), ("reason", reason)], counter);
        }
    }
    out.family(names::VARIANT_WEIGHT.0, names::VARIANT_WEIGHT.1, Kind::Gauge);
    for (model, routing) in &routings {
        for (name, weight) in routing.live.names.iter().zip(&routing.live.weights) {
            out.sample(names::VARIANT_WEIGHT.0, &[("model", model), ("variant", name)], share(*weight));
        }
    }
    let mirrors =
        || routings.iter().flat_map(|(model, routing)| routing.live.mirrors.iter().map(move |one| (*model, one)));
    out.family(names::SHADOW_AGREEMENT.0, names::SHADOW_AGREEMENT.1, Kind::Gauge);
    for (model, mirror) in mirrors() {
        if let Some(share) = mirror.compared().agreement() {
            out.sample(names::SHADOW_AGREEMENT.0, &[("model", model), ("version", &mirror.shadow.version)], share);
        }
    }
    out.family(names::SHADOW_REQUESTS.0, names::SHADOW_REQUESTS.1, Kind::Counter);
    for (model, mirror) in mirrors() {
        let counts = [
            ("compared", mirror.compared().requests()),
            ("dropped", mirror.dropped.get()),
            ("failed", mirror.failed.get()),
        ];
        for (result, count) in counts {
            let labels = [("model", model), ("version", mirror.shadow.version.as_str()), ("result", result)];
            out.sample(names::SHADOW_REQUESTS.0, &labels, count as f64);
        }
    }
}
