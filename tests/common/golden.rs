//! The golden cases of the bundled models, as requests and as the answers they must get.

use super::models;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// One version of a bundled model.
pub struct Bundled {
    pub model: String,
    pub version: String,
    pub cases: Vec<Case>,
}

/// Tensors by name, nested in their full shape. A missing number is `null`.
#[derive(Clone)]
pub struct Case {
    pub inputs: Map<String, Value>,
    pub outputs: Map<String, Value>,
}

/// What the plain protocol must answer to a case.
pub struct Plain {
    pub predictions: Value,
    pub probabilities: Option<Value>,
    /// Outputs under their own names.
    pub others: Value,
}

/// Every version that has golden cases, by model and version.
pub fn bundled() -> Vec<Bundled> {
    let mut found = Vec::new();
    for model in names(&models()) {
        for version in names(&models().join(&model)) {
            let path = models().join(&model).join(&version).join("golden.json");
            if let Ok(text) = fs::read_to_string(&path) {
                found.push(Bundled { cases: cases(&text), model: model.clone(), version });
            }
        }
    }
    assert_eq!(found.len(), 6, "the versions in models/README.md");
    found
}

/// The bundled version of this name.
pub fn version(model: &str, version: &str) -> Bundled {
    let found = bundled().into_iter().find(|one| one.model == model && one.version == version);
    found.unwrap_or_else(|| panic!("no golden cases for {model}/{version}"))
}

/// Directories in a directory, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder of models");
    let folders = entries.map(|entry| entry.expect("an entry")).filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

fn cases(text: &str) -> Vec<Case> {
    // The bare token is no JSON for others; no text in these files holds the word.
    let file: Value = serde_json::from_str(&text.replace("NaN", "null")).expect("JSON but for NaN");
    let cases = file["cases"].as_array().expect("a list of cases");
    let part = |case: &Value, name: &str| case[name].as_object().expect("tensors by name").clone();
    cases.iter().map(|case| Case { inputs: part(case, "inputs"), outputs: part(case, "outputs") }).collect()
}

impl Bundled {
    pub fn predict_path(&self) -> String {
        format!("/models/{}/versions/{}/predict", self.model, self.version)
    }

    pub fn infer_path(&self) -> String {
        format!("/v2/models/{}/versions/{}/infer", self.model, self.version)
    }

    /// What the plain protocol answers: labels with probabilities, numbers, or the best class.
    pub fn plain(&self, case: &Case) -> Plain {
        let label = case.outputs.iter().find(|(name, _)| name.ends_with("label"));
        let scores = case.outputs.iter().find(|(name, _)| name.contains("probabilit"));
        match (label, scores, self.model.as_str()) {
            (Some((_, labels)), Some((_, scores)), _) => {
                Plain { predictions: labels.clone(), probabilities: Some(scores.clone()), others: Value::Null }
            }
            (None, None, "digits") => Plain {
                predictions: rows(&case.outputs["logits"]).iter().map(best).collect(),
                probabilities: None,
                others: json!({"logits": case.outputs["logits"]}),
            },
            (None, None, "diabetes") => Plain {
                predictions: rows(&case.outputs["variable"]).iter().map(|row| row[0].clone()).collect(),
                probabilities: None,
                others: Value::Null,
            },
            _ => panic!("say here what the plain protocol answers for {}", self.model),
        }
    }
}

/// The place of the highest score, as the text that labels it.
fn best(scores: &Value) -> Value {
    let scores: Vec<f64> = rows(scores).iter().map(|score| score.as_f64().expect("a number")).collect();
    let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    best.expect("a score").to_string().into()
}

fn rows(tensor: &Value) -> &Vec<Value> {
    tensor.as_array().expect("a list")
}

impl Case {
    pub fn rows(&self) -> usize {
        self.inputs.values().next().map_or(0, |tensor| rows(tensor).len())
    }

    /// The case cut down to one row.
    pub fn row(&self, at: usize) -> Self {
        let cut = |tensors: &Map<String, Value>| {
            tensors.iter().map(|(name, tensor)| (name.clone(), json!([tensor[at]]))).collect()
        };
        Self { inputs: cut(&self.inputs), outputs: cut(&self.outputs) }
    }

    /// Rows as the plain protocol takes them: lists for one input, objects by column for several.
    pub fn features(&self) -> Value {
        match self.inputs.values().collect::<Vec<_>>().as_slice() {
            [only] => (*only).clone(),
            _ => (0..self.rows()).map(|at| self.record(at)).collect(),
        }
    }

    fn record(&self, at: usize) -> Value {
        self.inputs.iter().map(|(name, tensor)| (name.clone(), tensor[at][0].clone())).collect::<Map<_, _>>().into()
    }

    /// The `inputs` of an inference request, the data in one flat list or nested to the shape.
    pub fn infer_inputs(&self, nested: bool) -> Value {
        let input = |(name, tensor): (&String, &Value)| {
            let (mut shape, mut data) = (Vec::new(), Vec::new());
            measure(tensor, &mut shape);
            flatten(tensor, &mut data);
            let datatype = if data.iter().any(Value::is_string) { "BYTES" } else { "FP32" };
            let data = if nested { tensor.clone() } else { data.into() };
            json!({"name": name, "shape": shape, "datatype": datatype, "data": data})
        };
        self.inputs.iter().map(input).collect()
    }
}

/// The shape that nested lists spell.
pub fn measure(tensor: &Value, shape: &mut Vec<usize>) {
    if let Value::Array(items) = tensor {
        shape.push(items.len());
        items.first().into_iter().for_each(|item| measure(item, shape));
    }
}

/// The values in nested lists.
pub fn flatten(tensor: &Value, data: &mut Vec<Value>) {
    match tensor {
        Value::Array(items) => items.iter().for_each(|item| flatten(item, data)),
        value => data.push(value.clone()),
    }
}

/// How far a fraction may be off beside 1e-5 of its size.
pub const CLOSE: f64 = 1e-6;

/// Fractions within 1e-5 of their size and `slack`; everything else exactly.
pub fn assert_close(what: &str, got: &Value, want: &Value, slack: f64) {
    match (got, want) {
        (Value::Array(left), Value::Array(right)) => {
            assert_eq!(left.len(), right.len(), "{what}: the length of {got}");
            left.iter().zip(right).for_each(|(got, want)| assert_close(what, got, want, slack));
        }
        (Value::Object(left), Value::Object(right)) => {
            assert!(left.keys().eq(right.keys()), "{what}: {got} has not the members of {want}");
            left.iter().for_each(|(name, got)| assert_close(what, got, &right[name], slack));
        }
        (Value::Number(_), Value::Number(number)) if number.is_f64() => {
            let (left, right) = (got.as_f64().expect("a number"), want.as_f64().expect("a number"));
            assert!((left - right).abs() <= slack + 1e-5 * right.abs(), "{what}: {left} is not close to {right}");
        }
        _ => assert_eq!(got, want, "{what}"),
    }
}
