//! The paths of one model, in every protocol, with its real names and types and requests that work.

use super::operation::{Operation, Paths, reference};
use super::shapes::{and, listed, object, text};
use super::{examples, tensors};
use crate::registry::{Serving, Version};
use crate::tensor::DType;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// The content type of JSON with raw tensors behind it, and of a raw tensor alone.
const BINARY: &str = "application/octet-stream";
const PLAIN: &str = "text/plain";

/// How a path names the version: not at all, or by a parameter.
struct Naming {
    /// What stands behind the model's name.
    path: &'static str,
    /// Behind each operation's name.
    id: &'static str,
    /// The parameter and what it may be.
    version: Option<(&'static str, Value)>,
}

impl Naming {
    fn unnamed() -> Self {
        Self { path: "", id: "", version: None }
    }

    /// By number or alias.
    fn by_version(serving: &Serving) -> Self {
        let numbers = serving.versions.keys().map(ToString::to_string);
        let names: Vec<String> = numbers.chain(serving.aliases.keys().cloned()).collect();
        Self { path: "/versions/{version}", id: "Version", version: Some(("version", json!({"enum": names}))) }
    }

    fn by_label(serving: &Serving) -> Option<Self> {
        let names: Vec<&String> = serving.aliases.keys().collect();
        let version = Some(("label", json!({"enum": names})));
        (!names.is_empty()).then_some(Self { path: "/labels/{label}", id: "Label", version })
    }

    fn operation(&self, what: &str, model: &str, summary: &str) -> Operation {
        let operation = Operation::new(format!("{what}{}_{model}", self.id), summary);
        match &self.version {
            Some((name, schema)) => operation.parameter("path", name, schema.clone(), "a version or an alias"),
            None => operation,
        }
    }
}

/// A model's paths.
pub fn named(paths: &mut Paths, version: &Version, serving: &Serving) {
    let model = utf8_percent_encode(version.model.as_str(), NON_ALPHANUMERIC).to_string();
    // What may stand unescaped does, so that the paths read as they are typed.
    let model = model.replace("%2D", "-").replace("%5F", "_").replace("%2E", ".");
    for naming in [Naming::unnamed(), Naming::by_version(serving)] {
        let path = format!("/models/{model}{}/predict", naming.path);
        paths.post(path, plain(naming.operation("predict", version.model.as_str(), "Predict"), version));
        oip(paths, &format!("/v2/models/{model}{}", naming.path), version, &naming);
        v1(paths, &format!("/v1/models/{model}{}", naming.path), version, &naming);
    }
    if let Some(naming) = Naming::by_label(serving) {
        v1(paths, &format!("/v1/models/{model}{}", naming.path), version, &naming);
    }
}

/// The paths that name no model: of the only one, or of `--default-model`. Without it they are refused.
pub fn unnamed(paths: &mut Paths, version: Option<&Version>) {
    let predict = Operation::new("predict", "Predict with the only model, or with that of --default-model");
    let invoke = Operation::new("invocations", "Predict as MLflow and SageMaker do, with the same model as /predict");
    let invoke = invoke
        .answers("4XX", "a refusal", "application/json", reference("MlflowError"))
        .answers("5XX", "a refusal", "application/json", reference("MlflowError"))
        .answers_only("415", "a content type that is not read", PLAIN, text())
        .answers_only("504", "no answer within the deadline", PLAIN, text());
    match version {
        Some(version) => {
            paths.post("/predict", plain(predict, version));
            paths.post("/invocations", invocations(invoke, version));
        }
        None => {
            let any = json!({"type": ["object", "array"]});
            paths.post("/predict", predict.takes(any.clone(), json!({"features": []})).gives(json!(true)));
            paths.post("/invocations", invoke.takes(any, json!({"instances": []})).gives(json!(true)));
        }
    }
}

/// A list of rows, each of them an object by column, or a list in the columns' order.
fn rows(version: &Version) -> Value {
    listed(json!({"anyOf": [tensors::record(version), {"type": "array"}]}))
}

fn plain(operation: Operation, version: &Version) -> Operation {
    let row = tensors::record(version);
    let features = json!({"anyOf": [row, {"type": "array"}]});
    let envelope = and(object(&[("features", features)]), &[("parameters", json!(true))]);
    let body = json!({"anyOf": [envelope, row, {"type": "array", "minItems": 1}]});
    let answer = object(&[
        ("predictions", predictions(version)),
        ("model", json!({"const": version.model.as_str()})),
        ("version", text()),
        ("prediction_id", text()),
    ]);
    let answer = and(
        answer,
        &[
            ("prediction", json!(true)),
            ("probabilities", json!(true)),
            ("classes", listed(text())),
            ("outputs", json!({"type": "object"})),
            ("variant", text()),
        ],
    );
    operation.takes(body, examples::plain(version)).gives(answer)
}

/// One for each row, where the model has rows.
fn predictions(version: &Version) -> Value {
    match version.signature().batchable() {
        true => json!({"type": "array"}),
        false => json!(true),
    }
}

fn invocations(operation: Operation, version: &Version) -> Operation {
    let split = and(
        object(&[("data", listed(json!({"type": "array"})))]),
        &[("columns", listed(json!({"type": ["string", "integer"]}))), ("index", json!({"type": "array"}))],
    );
    let body = json!({
        "type": "object",
        "minProperties": 1,
        "properties": {
            "dataframe_split": split,
            "dataframe_records": listed(tensors::record(version)),
            "instances": rows(version),
            "inputs": {"type": ["object", "array"]},
            "params": true,
        },
    });
    operation
        .takes(body, examples::columns(version))
        .or_takes("text/csv", json!({"schema": {"type": "string", "description": "a header and rows"}}))
        .gives(object(&[("predictions", predictions(version))]))
}

fn oip(paths: &mut Paths, path: &str, version: &Version, naming: &Naming) {
    let model = version.model.as_str();
    for (below, what, schema) in [
        ("", "metadata", "Metadata"),
        ("/ready", "readiness", "Readiness"),
        ("/config", "configuration", "Configuration"),
        ("/stats", "statistics", "Statistics"),
    ] {
        let operation = naming.operation(what, model, &format!("The model's {what}")).gives(reference(schema));
        paths.get(format!("{path}{below}"), operation);
    }
    let summary = "Infer by the Open Inference Protocol";
    paths.post(format!("{path}/infer"), inference(naming.operation("infer", model, summary), version));
}

fn inference(operation: Operation, version: &Version) -> Operation {
    let inputs: Vec<Value> = version.signature().inputs.iter().map(tensors::input).collect();
    let parameters = || json!({"type": ["object", "null"]});
    let wanted = and(object(&[("name", text())]), &[("parameters", parameters())]);
    let body = and(
        object(&[("inputs", listed(json!({"oneOf": inputs})))]),
        &[
            ("id", json!({"type": ["string", "null"]})),
            ("parameters", parameters()),
            ("outputs", json!({"type": ["array", "null"], "items": wanted})),
        ],
    );
    let answer = and(
        object(&[
            ("model_name", json!({"const": version.model.as_str()})),
            ("model_version", text()),
            ("id", text()),
            ("outputs", listed(reference("Output"))),
        ]),
        &[("parameters", json!({"type": "object"}))],
    );
    let length = json!({"type": "integer", "minimum": 0, "maximum": i32::MAX});
    let header = "bytes of the body that are JSON; 0 for one raw tensor alone";
    let operation = operation
        .parameter("header", "Inference-Header-Content-Length", length, header)
        .gives(answer)
        .answers("200", "the answer", BINARY, Value::Null)
        .or_takes(BINARY, json!({}));
    match version.signature().inputs.iter().any(|spec| matches!(spec.dtype, DType::F16 | DType::BF16)) {
        // These have no JSON form in the protocol.
        true => operation,
        false => operation.takes(body, examples::inference(version)),
    }
}

fn v1(paths: &mut Paths, path: &str, version: &Version, naming: &Naming) {
    let model = version.model.as_str();
    let status = naming.operation("v1Status", model, "The state of the versions").gives(reference("Status"));
    paths.get(path, status);
    let metadata = naming.operation("v1Metadata", model, "The signature, as TensorFlow describes one");
    paths.get(format!("{path}/metadata"), metadata.gives(reference("Signature")));
    let signature = ("signature_name", json!({"enum": ["", "serving_default"]}));
    let columns = version.signature().inputs.iter().map(|spec| (spec.name.as_str(), tensors::nested(spec)));
    let columns = json!({"anyOf": [object(&columns.collect::<Vec<_>>()), {"type": "array"}]});
    let mut forms = json!({"anyOf": [object(&[("instances", rows(version))]), object(&[("inputs", columns)])]});
    forms["properties"] = json!({"signature_name": signature.1});
    let answer = json!({"anyOf": [object(&[("predictions", json!(true))]), object(&[("outputs", json!(true))])]});
    let predict = naming.operation("v1Predict", model, "Predict, as KServe and TF Serving do");
    paths.post(format!("{path}:predict"), predict.takes(forms, examples::columns(version)).gives(answer));
    let body = and(object(&[("examples", listed(tensors::record(version)))]), &[signature]);
    for (verb, fits, summary) in [
        ("classify", classifies(version), "The classes of each row with their scores"),
        ("regress", regresses(version), "The value of each row"),
    ] {
        if fits {
            let operation = naming.operation(&format!("v1_{verb}"), model, summary);
            let operation = operation.takes(body.clone(), examples::rows(version));
            paths.post(format!("{path}:{verb}"), operation.gives(object(&[("result", json!({"type": "array"}))])));
        }
    }
}

/// Whether an output holds a score for each class.
fn classifies(version: &Version) -> bool {
    let roles = &version.roles;
    let scores = roles.probabilities.or(roles.classify.then_some(roles.prediction));
    let spec = scores.and_then(|at| version.signature().outputs.get(at));
    version.signature().batchable() && spec.is_some_and(|spec| spec.dims.len() == 2)
}

/// Whether the prediction is one number for each row.
fn regresses(version: &Version) -> bool {
    let spec = version.signature().outputs.get(version.roles.prediction);
    let one = |spec: &crate::engine::TensorSpec| spec.row_elements() == Some(1) && spec.dtype != DType::Str;
    version.signature().batchable() && spec.is_some_and(one)
}
