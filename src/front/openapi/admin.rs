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
    document("Tidegate: the admin port", paths)
}

fn of_model(mut item: Value) -> Value {
    item["parameters"] =
        json!([{"name": "model", "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}]);
    item
}
