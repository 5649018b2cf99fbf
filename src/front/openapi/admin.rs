//! The admin port.

use super::data::ready;
use super::operation::{Operation, Paths, reference};
use super::shapes::{and, listed, map, number, object, or_null, text, truth};
use super::{control, schemas};
use crate::monitor::history::Span;
use crate::registry::Catalog;
use serde_json::{Value, json};

/// Every path. The model's name stands in the path.
pub fn admin(catalog: &Catalog) -> Value {
    let mut paths = Paths::default();
    process(&mut paths);
    let model =
        |operation: Operation| operation.parameter("path", "model", schemas::model_name(catalog), "a model's name");
    let on = |below: &str| format!("/api/models/{{model}}{below}");
    let models = Operation::new("models", "The models and their versions");
    paths.get("/api/models", models.gives(object(&[("models", listed(reference("Model")))])));
    paths.get(on(""), model(Operation::new("model", "One model in full")).gives(reference("ModelInFull")));
    monitoring(&mut paths, &model, &on);
    loading(&mut paths, &model, &on);
    traffic(&mut paths, &model, &on);
    paths.document("Tidegate: the admin port", control::schemas())
}

fn process(paths: &mut Paths) {
    let metrics = Operation::new("metrics", "Metrics in Prometheus' text format");
    paths.get("/metrics", metrics.answers("200", "the metrics", "text/plain", text()));
    paths.get("/livez", Operation::new("live", "Whether the process answers").gives(schemas::live()));
    paths.get("/readyz", ready("ready"));
    paths.get("/openapi.json", Operation::new("document", "This document").gives(schemas::document()));
    let docs = Operation::new("docs", "The documents of both ports as a page");
    paths.get("/docs", docs.answers("200", "the page", "text/html", text()));
    let events = Operation::new("events", "What happened to the models, the oldest first");
    paths.get("/api/events", events.gives(object(&[("events", listed(reference("Event")))])));
    let facts = object(&[
        ("version", text()),
        ("pid", json!({"type": "integer"})),
        ("uptime_seconds", number()),
        ("threads", json!({"type": "object"})),
        ("memory_bytes", or_null(number())),
        ("memory_peak_bytes", or_null(number())),
        ("limits", json!({"type": "object"})),
    ]);
    paths.get("/api/process", Operation::new("process", "The process and its settings").gives(facts));
}

type Of<'a> = &'a dyn Fn(Operation) -> Operation;
type On<'a> = &'a dyn Fn(&str) -> String;

fn monitoring(paths: &mut Paths, model: Of<'_>, on: On<'_>) {
    let windowed = |operation: Operation| {
        model(operation)
            .parameter("query", "window", json!({"enum": Span::ALL.map(Span::name)}), "how far back; an hour")
            .parameter("query", "version", json!({"type": "string", "minLength": 1}), "the one that answers by default")
    };
    let drift = windowed(Operation::new("drift", "What monitoring has found"));
    paths.get(on("/drift"), drift.gives(reference("Drift")));
    let page = windowed(Operation::new("report", "The same as a page"));
    paths.get(on("/report.html"), page.answers("200", "the page", "text/html", text()));
    let promoted = object(&[
        ("model", text()),
        ("version", text()),
        ("window", text()),
        ("reference", object(&[("id", text()), ("rows", number())])),
    ]);
    let promote = windowed(Operation::new("reference", "Compare later windows with what came in this one"));
    paths.post(on("/reference"), promote.may_take(control::version(), json!({})).gives(promoted));
}

fn loading(paths: &mut Paths, model: Of<'_>, on: On<'_>) {
    let done = object(&[("model", text()), ("done", truth()), ("versions", listed(reference("VersionStatus")))]);
    for (verb, summary) in
        [("load", "Load a version, or those that model.toml wants"), ("unload", "Unload a version, or all")]
    {
        let operation = model(Operation::new(verb, summary))
            .may_take(control::version(), json!({"version": "1"}))
            .gives(done.clone())
            .answers("202", "it is still being worked on", "application/json", done.clone());
        paths.post(on(&format!("/{verb}")), operation);
    }
}

fn traffic(paths: &mut Paths, model: Of<'_>, on: On<'_>) {
    let change = |operation: Operation| {
        model(operation)
            .parameter("query", "dry_run", json!({"type": "boolean"}), "tell what would change, and change nothing")
            .parameter("header", "If-Match", text(), "refuse if the plan's tag is another by now")
            .gives(reference("Changed"))
    };
    let show = model(Operation::new("traffic", "The traffic plan, and how it stands"));
    paths.get(on("/traffic"), show.gives(and(control::plan(), &[("status", json!({"type": "object"}))])));
    let split = json!({"split": {"1": 10_000}});
    let put = change(Operation::new("putTraffic", "Write the traffic plan"));
    paths.add("put", on("/traffic"), put.takes(control::plan(), split));
    let only = |name: &str, schema: Value| {
        let mut body = object(&[(name, schema)]);
        body["additionalProperties"] = false.into();
        body
    };
    let version = || only("version", json!({"type": ["string", "integer"]}));
    let one = || json!({"version": "1"});
    let promote = change(Operation::new("promote", "Let a version answer everything"));
    paths.post(on("/promote"), promote.takes(version(), one()));
    let rollback = change(Operation::new("rollback", "Take the last change back"));
    let nothing = json!({"type": "object", "additionalProperties": false});
    paths.post(on("/rollback"), rollback.may_take(nothing, json!({})));
    let steer = change(Operation::new("canary", "Steer the canary that goes on"));
    let action = only("action", json!({"enum": ["approve", "pause", "resume"]}));
    paths.post(on("/canary"), steer.takes(action, json!({"action": "pause"})));
    let alias = json!({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"});
    let named = |operation: Operation| change(operation).parameter("path", "alias", alias.clone(), "an alias");
    let put = named(Operation::new("putAlias", "Point an alias at a version"));
    paths.add("put", on("/aliases/{alias}"), put.takes(version(), one()));
    paths.add("delete", on("/aliases/{alias}"), named(Operation::new("deleteAlias", "Remove an alias")));
    let counts = "the counts behind the report, for whoever adds up replicas";
    let report = model(Operation::new("experiment", "What came of a split and of shadows"));
    let report = report.parameter("query", "counts", json!({"const": true}), counts);
    paths.get(
        on("/experiment"),
        report.gives(json!({"anyOf": [reference("Experiment"), map(json!(true)), {"type": "null"}]})),
    );
}
