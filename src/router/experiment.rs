//! What came of the plans in force: reports, and the families of metrics.

use crate::metrics::{Exposition, Kind, names};
use crate::registry::{Catalog, Routing, Slot};
use crate::traffic::experiment::Snapshot;
use crate::traffic::tally::share;
use crate::traffic::{Mirror, Why};
use serde_json::{Value, json};
use std::sync::Arc;

/// The report of a model; without a plan, that there is none.
pub fn report(slot: &Slot) -> Value {
    let serving = slot.serving.load();
    let Some(routing) = &serving.routing else {
        return json!({"model": slot.name.as_str(), "variants": [], "shadows": [], "verdict": "there is no traffic plan"});
    };
    let mut report = snapshot(slot.name.as_str(), routing).report();
    report["shadows"] = shadows(routing);
    report
}

/// The counts behind the report, to be merged with those of other replicas.
pub fn counts(slot: &Slot) -> Option<Snapshot> {
    let serving = slot.serving.load();
    serving.routing.as_ref().map(|routing| snapshot(slot.name.as_str(), routing))
}

fn snapshot(model: &str, routing: &Routing) -> Snapshot {
    Snapshot::of(model, &routing.live, |arm| {
        let version = routing.version(arm);
        let labels = version.and_then(|version| version.roles.labels.clone());
        let labels = labels.map(|labels| labels.iter().map(ToString::to_string).collect()).unwrap_or_default();
        (version.map(|version| version.name.to_string()), labels)
    })
}

fn shadows(routing: &Routing) -> Value {
    let pairs = routing.live.mirrors.iter().zip(&routing.shadows);
    let shown = pairs.map(|(mirror, version)| {
        let mut shown = mirror.compared().document();
        shown["version"] = mirror.shadow.version.as_str().into();
        shown["answered_by"] = version.as_ref().map(|version| version.name.to_string()).into();
        shown["sample"] = mirror.shadow.sample.into();
        shown["dropped"] = mirror.dropped.get().into();
        shown["failed"] = mirror.failed.get().into();
        shown
    });
    shown.collect()
}

/// Writes the families of plans and shadows.
pub fn expose(catalog: &Catalog, out: &mut Exposition) {
    let slots = catalog.sorted();
    let routing = |slot: &&Arc<Slot>| slot.serving.load().routing.clone();
    let routings: Vec<(&str, Arc<Routing>)> =
        slots.iter().filter_map(|slot| Some((slot.name.as_str(), routing(slot)?))).collect();
    plans(&routings, out);
    mirrors(&routings, out);
}

fn plans(routings: &[(&str, Arc<Routing>)], out: &mut Exposition) {
    out.family(names::NOT_COMPARED.0, names::NOT_COMPARED.1, Kind::Counter);
    for (model, routing) in routings {
        for ((_, reason), counter) in Why::OUTSIDE.iter().zip(&routing.live.tally.outside) {
            out.counter(names::NOT_COMPARED.0, &[("model", model), ("reason", reason)], counter);
        }
    }
    out.family(names::VARIANT_WEIGHT.0, names::VARIANT_WEIGHT.1, Kind::Gauge);
    for (model, routing) in routings {
        for (name, weight) in routing.live.names.iter().zip(&routing.live.weights) {
            out.sample(names::VARIANT_WEIGHT.0, &[("model", model), ("variant", name)], share(*weight));
        }
    }
}

fn mirrors(routings: &[(&str, Arc<Routing>)], out: &mut Exposition) {
    let mirrors: Vec<(&str, &Arc<Mirror>)> = routings
        .iter()
        .flat_map(|(model, routing)| routing.live.mirrors.iter().map(move |mirror| (*model, mirror)))
        .collect();
    out.family(names::SHADOW_AGREEMENT.0, names::SHADOW_AGREEMENT.1, Kind::Gauge);
    for (model, mirror) in &mirrors {
        if let Some(share) = mirror.compared().agreement() {
            out.sample(names::SHADOW_AGREEMENT.0, &[("model", model), ("version", &mirror.shadow.version)], share);
        }
    }
    out.family(names::SHADOW_REQUESTS.0, names::SHADOW_REQUESTS.1, Kind::Counter);
    for (model, mirror) in &mirrors {
        let compared = mirror.compared().requests();
        for (result, count) in
            [("compared", compared), ("dropped", mirror.dropped.get()), ("failed", mirror.failed.get())]
        {
            let labels = [("model", *model), ("version", mirror.shadow.version.as_str()), ("result", result)];
            out.sample(names::SHADOW_REQUESTS.0, &labels, count as f64);
        }
    }
}
