//! The shapes that the admin port speaks in.

use super::operation::reference;
use super::schemas::common;
use super::shapes::{and, count, listed, map, number, object, or_null, text, truth};
use serde_json::{Value, json};

/// The schema of reports, as the documentation has it.
const DRIFT: &str = include_str!("../../../docs/reference/drift.schema.json");

/// A version that may be left out.
pub fn version() -> Value {
    json!({
        "type": "object",
        "properties": {"version": {"type": ["string", "integer", "null"]}},
        "additionalProperties": false,
    })
}

/// A traffic plan.
pub fn plan() -> Value {
    let weight = || json!({"type": "integer", "minimum": 0, "maximum": 10_000});
    let name = || json!({"type": ["string", "integer"]});
    let duration = || json!({"type": ["string", "null"], "description": "250ms, 30s, 5m"});
    let sticky = json!({
        "type": ["object", "null"],
        "properties": {"header": text(), "pointer": text(), "parameter": text()},
    });
    let layer = object(&[("name", text()), ("slots", listed(count()))]);
    let shadow = and(
        object(&[("version", name())]),
        &[("sample", json!({"type": "number", "minimum": 0, "maximum": 1})), ("threshold", number())],
    );
    let step = and(
        object(&[("weight", json!({"type": "integer", "minimum": 1, "maximum": 10_000}))]),
        &[("min_time", duration()), ("min_requests", count()), ("gate", json!({"enum": ["manual", null]}))],
    );
    let canary = and(
        object(&[("version", name())]),
        &[
            ("steps", listed(step)),
            ("check_every", duration()),
            ("slo", duration()),
            ("alpha", json!({"type": "number", "minimum": 1e-9, "maximum": 0.2})),
            ("max_drift", json!({"type": "number", "minimum": 0})),
            ("bake", duration()),
            ("max_hold", duration()),
        ],
    );
    and(
        json!({"type": "object"}),
        &[
            ("split", map(weight())),
            ("control", text()),
            ("slots", map(weight())),
            ("sticky", sticky),
            ("hash", text()),
            ("salt", text()),
            ("phase", json!({"type": "integer", "minimum": 1, "maximum": u32::MAX})),
            ("coverage", weight()),
            ("layer", layer),
            ("holdout", weight()),
            ("forced", map(text())),
            ("shadow", listed(shadow)),
            ("canary", canary),
        ],
    )
}

/// The schemas that paths name.
pub fn schemas() -> Value {
    let mut all = common();
    let state = json!({"enum": ["loading", "ready", "draining", "failed", "unloaded"]});
    all["VersionStatus"] = and(
        object(&[
            ("version", text()),
            ("generation", count()),
            ("state", state),
            ("engine", text()),
            ("engine_reason", text()),
            ("load_seconds", number()),
            ("memory_bytes", count()),
            ("digest", text()),
            ("device", text()),
        ]),
        &[("reason", text()), ("device_reason", text())],
    );
    let model = and(
        object(&[
            ("name", text()),
            ("aliases", map(text())),
            ("default", or_null(text())),
            ("versions", listed(reference("VersionStatus"))),
        ]),
        &[("problem", text())],
    );
    all["ModelInFull"] = and(model.clone(), &[("serving", serving())]);
    all["Model"] = model;
    all["Event"] = event();
    all["Changed"] = object(&[
        ("model", text()),
        ("dry_run", truth()),
        ("tag", count()),
        ("changes", listed(text())),
        ("before", json!({"type": "object"})),
        ("after", json!({"type": "object"})),
    ]);
    all["Experiment"] = object(&[
        ("model", text()),
        ("variants", listed(json!({"type": "object"}))),
        ("shadows", listed(json!({"type": "object"}))),
        ("verdict", text()),
    ]);
    all["Drift"] = drift();
    all
}

/// What the version that answers by default takes, gives and costs.
fn serving() -> Value {
    let tensors = || listed(reference("Tensor"));
    object(&[
        ("version", text()),
        ("inputs", tensors()),
        ("outputs", tensors()),
        ("extra_outputs", tensors()),
        ("features", listed(text())),
        ("notes", listed(text())),
        ("card", json!(true)),
        ("device", and(object(&[("id", text())]), &[("reason", json!(true)), ("costs", json!(true))])),
        ("batching", json!({"type": "object"})),
        ("cost", object(&[("batch_seconds", number()), ("row_seconds", number())])),
    ])
}

fn event() -> Value {
    let what = ["load", "failure", "swap", "unload", "alias", "traffic", "promote", "rollback", "canary"];
    let side = || or_null(json!({"type": "object"}));
    and(
        object(&[
            ("time", json!({"type": "string", "format": "date-time"})),
            ("who", json!({"enum": ["watcher", "api", "file", "canary"]})),
            ("what", json!({"enum": what})),
            ("model", text()),
            ("before", side()),
            ("after", side()),
        ]),
        &[("note", text())],
    )
}

/// The documentation's schema under its name here, so that its references lead where they should.
fn drift() -> Value {
    let text = DRIFT.replace("\"#/$defs/", "\"#/components/schemas/Drift/$defs/");
    let mut schema: Value = serde_json::from_str(&text).unwrap_or_default();
    if let Some(members) = schema.as_object_mut() {
        members.retain(|name, _| name != "$schema" && name != "$id");
    }
    schema
}
