//! The admin port.

use super::{body, document, get, post, schemas};
use serde_json::{Map, Value, json};

/// Every path. The model's name stands in the path.
pub fn admin() -> Value {
    let mut paths = Map::new();
    let mut add = |path: &str, item: Value| drop(paths.insert(path.to_owned(), item));
    let mut metrics = get("Metrics in Prometheus' text format", "metrics", schemas::object());
    metrics["get"]["responses"]["200"]["content"] = json!({"text/plain": {"schema": {"type": "string"}}});
    add("/metrics", metrics);
    add("/livez", get("Whether the process answers", "live", schemas::object()));
    add("/readyz", get("Whether requests can be answered", "ready", schemas::object()));
    add("/api/models", get("The models and their versions", "models", schemas::object()));
    add("/api/events", get("What happened to the models", "events", schemas::object()));
    add("/api/process", get("The process and its settings", "process", schemas::object()));
    add("/api/models/{model}", of_model(get("One model in full", "model", schemas::object())));
    add("/api/models/{model}/drift", of_model(get("What monitoring has found", "drift", schemas::object())));
    for (verb, summary) in
        [("load", "Load a version, or those that model.toml wants"), ("unload", "Unload a version, or all")]
    {
        let version = json!({"type": "object", "properties": {"version": {"type": ["string", "integer", "null"]}}});
        let body = body(version, json!({"version": "1"}));
        let item = post(summary, verb, body, schemas::object());
        add(&format!("/api/models/{{model}}/{verb}"), of_model(item));
    }
    traffic(&mut add);
    let mut page = get("The same as a page", "report", schemas::object());
    page["get"]["responses"]["200"]["content"] = json!({"text/html": {"schema": {"type": "string"}}});
    add("/api/models/{model}/report.html", of_model(page));
    let nothing = body(schemas::object(), json!({}));
    let reference = post("Take what came lately as the reference", "reference", nothing, schemas::object());
    add("/api/models/{model}/reference", of_model(reference));
    document("Tidegate: the admin port", paths)
}

/// Aliases, plans, canaries and experiments.
fn traffic(add: &mut dyn FnMut(&str, Value)) {
    let plan = json!({"split": {"champion": 9000, "2": 1000}, "sticky": {"header": "x-user-id"}});
    let mut item = get("The traffic plan, and how it stands", "traffic", schemas::object());
    item["put"] =
        post("Write a traffic plan", "write-traffic", body(schemas::object(), plan), schemas::object())["post"].take();
    add("/api/models/{model}/traffic", of_model(item));
    let experiment = get("What came of a split and of shadows", "experiment", schemas::object());
    add("/api/models/{model}/experiment", of_model(experiment));
    for (verb, summary, example) in [
        ("promote", "Have a version answer everything", json!({"version": "2"})),
        ("rollback", "Take the last change back", json!({})),
        ("canary", "Approve, pause or resume a canary", json!({"action": "approve"})),
    ] {
        let item = post(summary, verb, body(schemas::object(), example), schemas::object());
        add(&format!("/api/models/{{model}}/{verb}"), of_model(item));
    }
    let version = body(schemas::object(), json!({"version": "2"}));
    let moved = post("Point an alias at a version", "move-alias", version, schemas::object())["post"].take();
    let mut removed = get("Remove an alias", "remove-alias", schemas::object());
    let mut item = of_model(json!({"put": moved, "delete": removed["get"].take()}));
    let alias = json!({"name": "alias", "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}});
    item["parameters"].as_array_mut().into_iter().for_each(|parameters| parameters.push(alias.clone()));
    add("/api/models/{model}/aliases/{alias}", item);
}

fn of_model(mut item: Value) -> Value {
    item["parameters"] =
        json!([{"name": "model", "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}]);
    item
}
