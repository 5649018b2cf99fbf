//! The models and their versions, with the state of each and the reason for it.

use crate::front::oip;
use crate::registry::{Catalog, Slot, Version};
use serde_json::{Value, json};

/// All models, as `GET /api/models` shows them.
pub fn models(catalog: &Catalog) -> Value {
    json!({"models": catalog.sorted().into_iter().map(|slot| model(slot)).collect::<Vec<_>>()})
}

fn model(slot: &Slot) -> Value {
    let serving = slot.serving.load();
    let status = slot.status.load();
    let aliases: serde_json::Map<String, Value> =
        serving.aliases.iter().map(|(alias, number)| (alias.clone(), number.to_string().into())).collect();
    let mut shown = json!({
        "name": slot.name.as_str(),
        "aliases": aliases,
        "default": serving.default.as_ref().map(|version| version.name.to_string()),
        "versions": status.versions,
    });
    if let Some(problem) = &status.problem {
        shown["problem"] = problem.as_str().into();
    }
    shown
}

/// One model with what its default version takes, gives and costs.
pub fn model_in_full(slot: &Slot) -> Value {
    let mut shown = model(slot);
    if let Some(version) = &slot.serving.load().default {
        shown["serving"] = in_full(version);
    }
    shown
}

fn in_full(version: &Version) -> Value {
    let signature = version.signature();
    let settings = version.lane.settings();
    let cost = version.lane.cost();
    json!({
        "version": &*version.name,
        "inputs": signature.inputs.iter().map(oip::tensor).collect::<Vec<_>>(),
        "outputs": signature.outputs.iter().map(oip::tensor).collect::<Vec<_>>(),
        "extra_outputs": signature.extras.iter().map(oip::tensor).collect::<Vec<_>>(),
        "features": version.features.names,
        "notes": version.notes,
        "device": {
            "id": version.loaded.at.id(),
            "reason": version.loaded.at.reason(),
            "costs": version.loaded.at.table(),
        },
        "card": version.manifest.card,
        "batching": {
            "max_rows": settings.max_rows,
            "max_delay_seconds": settings.max_delay.as_secs_f64(),
            "queue_rows": settings.queue_rows,
            "queue_bytes": settings.queue_bytes,
            "deadline_seconds": settings.deadline.as_secs_f64(),
            "instances": settings.instances,
        },
        "cost": {
            "batch_seconds": cost.fixed.as_secs_f64(),
            "row_seconds": cost.per_row.as_secs_f64(),
        },
    })
}
