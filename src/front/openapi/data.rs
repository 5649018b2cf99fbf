//! The data port.

use super::{answers, body, document, examples, get, post, schemas};
use crate::registry::{Catalog, Version};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

/// Every path, and each model that serves with its own.
pub fn data(catalog: &Catalog) -> Value {
    let mut paths = Map::new();
    fixed(&mut paths);
    for slot in catalog.sorted() {
        if let Some(version) = &slot.serving.load().default {
            model(&mut paths, version);
        }
    }
    document("Tidegate: the data port", paths)
}

fn fixed(paths: &mut Map<String, Value>) {
    let ready = || json!({"$ref": "#/components/schemas/Ready"});
    let live = json!({"type": "object", "properties": {"live": {"const": true}}, "required": ["live"]});
    let mut add = |path: &str, item: Value| drop(paths.insert(path.to_owned(), item));
    for (path, id) in [("/livez", "live"), ("/v2/health/live", "oipLive")] {
        add(path, get("Whether the process answers", id, live.clone()));
    }
    for (path, id) in [("/readyz", "ready"), ("/health", "health"), ("/v2/health/ready", "oipReady")] {
        let mut item = get("Whether requests can be answered", id, ready());
        item["get"]["responses"]["5XX"]["content"]["application/json"]["schema"] = ready();
        add(path, item);
    }
    add("/v2", get("The server's name, version and extensions", "server", schemas::object()));
    add("/v2/models", get("The names of the models", "models", schemas::object()));
    add("/v2/models/stats", get("Statistics of all models", "statistics", schemas::object()));
    let index = body(schemas::object(), json!({"ready": true}));
    add("/v2/repository/index", post("What is in the repository", "index", index, json!({"type": "array"})));
    add(
        "/v1/models",
        get("The names of the models, as KServe's first protocol has them", "v1Models", schemas::object()),
    );
    add("/", get("Liveness, as KServe's clients ask for it", "alive", schemas::object()));
    let mut version = get("The server's version, bare", "version", schemas::object());
    version["get"]["responses"]["200"]["content"] = json!({"text/plain": {"schema": {"type": "string"}}});
    add("/version", version);
}

fn model(paths: &mut Map<String, Value>, version: &Version) {
    let name = version.model.as_str();
    let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
    // What may stand unescaped does, so that the paths read as they are typed.
    let encoded = encoded.replace("%2D", "-").replace("%5F", "_").replace("%2E", ".");
    let id = |what: &str| format!("{what}_{name}");
    let mut add = |path: String, item: Value| drop(paths.insert(path, item));
    let predictions = json!({
        "type": "object",
        "required": ["predictions", "model", "version", "prediction_id"],
        "properties": {"predictions": {"type": "array"}, "model": {"const": name}},
    });
    let plain = body(json!(true), examples::plain(version));
    add(format!("/models/{encoded}/predict"), post("Predict", &id("predict"), plain, predictions));
    add(format!("/v2/models/{encoded}/infer"), inference(version, &id("infer")));
    for (path, what) in
        [("", "metadata"), ("/ready", "readiness"), ("/config", "configuration"), ("/stats", "statistics")]
    {
        let summary = format!("The model's {what}");
        add(format!("/v2/models/{encoded}{path}"), get(&summary, &id(what), schemas::object()));
    }
    let columns = body(schemas::object(), examples::columns(version));
    let outputs = json!({"type": "object", "minProperties": 1});
    add(
        format!("/v1/models/{encoded}:predict"),
        post("Predict, as TF Serving does", &id("v1Predict"), columns, outputs),
    );
    add(format!("/v1/models/{encoded}"), get("The state of the versions", &id("v1Status"), schemas::object()));
    add(format!("/v1/models/{encoded}/metadata"), get("The signature", &id("v1Metadata"), schemas::object()));
}

fn inference(version: &Version, id: &str) -> Value {
    let inputs: Vec<Value> = version.signature().inputs.iter().map(schemas::input).collect();
    let schema = json!({
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "items": {"oneOf": inputs}},
            "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
        },
    });
    let answer = json!({
        "type": "object",
        "required": ["model_name", "model_version", "id", "outputs"],
        "properties": {
            "model_name": {"const": version.model.as_str()},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "outputs": {"type": "array", "items": schemas::output()},
        },
    });
    let mut item =
        post("Infer by the Open Inference Protocol", id, body(schema, examples::inference(version)), answer.clone());
    let mut responses = answers(answer);
    // JSON with raw tensors behind it, where these are asked for.
    responses["200"]["content"]["application/octet-stream"] = json!({});
    item["post"]["responses"] = responses;
    item
}
