//! The data port.

use super::model;
use super::operation::{Operation, Paths, reference};
use super::schemas;
use super::shapes::{listed, object, text};
use crate::registry::Catalog;
use serde_json::{Value, json};

/// Every path: the fixed ones, and each model that serves with its own. `default` names the model for
/// requests that name none.
pub fn data(catalog: &Catalog, default: Option<&str>) -> Value {
    let mut paths = Paths::default();
    probes(&mut paths);
    facts(&mut paths);
    repository(&mut paths, catalog);
    let slot = default.map_or_else(|| catalog.only(), |name| catalog.get(name));
    let version = slot.and_then(|slot| slot.serving.load().default.clone());
    model::unnamed(&mut paths, version.as_deref());
    for slot in catalog.sorted() {
        let serving = slot.serving.load();
        if let Some(version) = &serving.default {
            model::named(&mut paths, version, &serving);
        }
    }
    paths.document("Tidegate: the data port", schemas::data_port())
}

fn probes(paths: &mut Paths) {
    for (path, id) in [("/livez", "live"), ("/v2/health/live", "oipLive")] {
        paths.get(path, Operation::new(id, "Whether the process answers").gives(schemas::live()));
    }
    for (path, id) in [("/readyz", "ready"), ("/health", "health"), ("/v2/health/ready", "oipReady")] {
        paths.get(path, ready(id));
    }
    let ping = Operation::new("ping", "Whether requests can be answered, as SageMaker and MLflow ask")
        .answers("200", "an empty line", "application/json", Value::Null)
        .answers("404", "an empty line: they cannot", "application/json", Value::Null);
    paths.get("/ping", ping);
    let alive = object(&[("status", json!({"const": "alive"}))]);
    paths.get("/", Operation::new("alive", "Liveness, as KServe's clients ask for it").gives(alive));
}

/// Readiness: the same members under 200 and 503.
pub fn ready(id: &str) -> Operation {
    Operation::new(id, "Whether requests can be answered").gives(reference("Ready")).answers(
        "503",
        "they cannot",
        "application/json",
        reference("Ready"),
    )
}

fn facts(paths: &mut Paths) {
    let server = object(&[("name", text()), ("version", text()), ("extensions", listed(text()))]);
    for (path, id) in [("/v2", "server"), ("/v2/", "serverSlash")] {
        let operation = Operation::new(id, "The server's name, version and extensions");
        paths.get(path, operation.gives(server.clone()));
    }
    let names = object(&[("models", listed(text()))]);
    for (path, id, summary) in [
        ("/v2/models", "models", "The names of the models"),
        ("/v1/models", "v1Models", "The names of the models, as KServe's first protocol has them"),
        ("/v1/models/", "v1ModelsSlash", "The same"),
    ] {
        paths.get(path, Operation::new(id, summary).gives(names.clone()));
    }
    paths.get(
        "/v2/models/stats",
        Operation::new("statistics", "Statistics of all models").gives(reference("Statistics")),
    );
    paths.get("/openapi.json", Operation::new("document", "This document").gives(schemas::document()));
    let version =
        Operation::new("version", "The server's version, bare").answers("200", "the version", "text/plain", text());
    paths.get("/version", version);
}

fn repository(paths: &mut Paths, catalog: &Catalog) {
    let asked = json!({"type": "object", "properties": {"ready": {"type": ["boolean", "null"]}}});
    let index = Operation::new("index", "The versions of all models, or of those that are ready")
        .may_take(asked, json!({"ready": true}))
        .gives(listed(reference("IndexLine")));
    paths.post("/v2/repository/index", index);
    let uploads = json!({
        "type": ["object", "null"],
        "properties": {"config": {"type": "string", "description": "a model configuration as JSON"}},
        "description": "with files: \"file:1/model.onnx\", each in base64",
    });
    for (verb, summary, parameters) in [
        ("load", "Load a model, or load it again; with --model-control explicit", uploads),
        (
            "unload",
            "Take a model out of service; with --model-control explicit",
            json!({"type": ["object", "null"], "description": "none has an effect here"}),
        ),
    ] {
        let body = json!({"type": "object", "properties": {"parameters": parameters}});
        let operation = Operation::new(format!("repository_{verb}"), summary)
            .parameter("path", "model", schemas::model_name(catalog), "a model's name")
            .may_take(body, json!({}))
            .gives(object(&[("name", text()), (verb, json!({"const": true}))]));
        paths.post(format!("/v2/repository/models/{{model}}/{verb}"), operation);
    }
}
