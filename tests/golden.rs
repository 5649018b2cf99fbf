//! The bundled models answer over both protocols as onnxruntime does.

mod common;

use common::client::{Client, Request};
use common::golden::{Bundled, CLOSE, Case, assert_close, bundled, flatten, measure, version};
use common::{Server, good, text};
use serde_json::{Value, json};

/// A version under test, and how it is reached.
struct Probe<'a> {
    client: Client,
    one: &'a Bundled,
    /// Between the model's name and the verb.
    place: String,
    slack: f64,
}

impl<'a> Probe<'a> {
    /// Asks for the version by its number.
    fn new(server: &Server, one: &'a Bundled) -> Self {
        Self { client: server.client(), one, place: format!("/versions/{}", one.version), slack: CLOSE }
    }

    /// Sends a plain body and checks the whole answer against the case.
    fn plain(&mut self, case: &Case, body: String) -> Value {
        let path = format!("/models/{}{}/predict", self.one.model, self.place);
        let what = format!("{path} with {}", shown(&body));
        let answer = good(&what, &self.client.ask(&Request::post(&path, body)));
        let want = self.one.plain(case);
        assert_close(&what, &answer["predictions"], &want.predictions, self.slack);
        assert_close(&what, &answer["probabilities"], &want.probabilities.unwrap_or_default(), self.slack);
        assert_close(&what, &answer["outputs"], &want.others, self.slack);
        assert_eq!(text(&answer, "/model"), self.one.model, "{what}");
        assert_eq!(text(&answer, "/version"), self.one.version, "{what}");
        answer
    }

    /// Sends inference inputs and checks every output's name, type, shape and data.
    fn infer(&mut self, case: &Case, body: String) {
        let path = format!("/v2/models/{}{}/infer", self.one.model, self.place);
        let what = format!("{path} with {}", shown(&body));
        let answer = good(&what, &self.client.ask(&Request::post(&path, body)));
        assert_eq!(text(&answer, "/model_name"), self.one.model, "{what}");
        assert_eq!(text(&answer, "/model_version"), self.one.version, "{what}");
        let outputs = answer["outputs"].as_array().expect("a list of outputs");
        let mut names: Vec<&str> = outputs.iter().map(|output| text(output, "/name")).collect();
        names.sort_unstable();
        assert!(case.outputs.keys().eq(names), "{what}: {answer}");
        outputs.iter().for_each(|output| self.output(&what, output, &case.outputs[text(output, "/name")]));
    }

    fn output(&self, what: &str, output: &Value, want: &Value) {
        let (mut shape, mut data) = (Vec::new(), Vec::new());
        measure(want, &mut shape);
        flatten(want, &mut data);
        assert_eq!(output["shape"], json!(shape), "{what}");
        assert_eq!(output["datatype"], datatype(&data[0]), "{what}");
        assert_close(what, &output["data"], &data.into(), self.slack);
    }
}

fn shown(body: &str) -> String {
    body.chars().take(200).collect()
}

fn datatype(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "BYTES",
        Value::Number(number) if number.is_i64() => "INT64",
        _ => "FP32",
    }
}

/// A missing number as `null`, and as the bare word that Python writes.
fn spellings(body: &Value) -> [String; 2] {
    let strict = body.to_string();
    let loose = strict.replace("null", "NaN");
    [strict, loose]
}

#[test]
fn the_cases_hold_missing_numbers() {
    for number in ["1", "2"] {
        let cases = version("churn", number).cases;
        assert!(cases.iter().any(|case| case.features().to_string().contains("null")), "churn/{number}");
    }
}

#[test]
fn plain_batches_are_answered_as_onnxruntime_does() {
    let server = Server::start();
    for one in &bundled() {
        let mut probe = Probe::new(&server, one);
        for case in &one.cases {
            let features = case.features();
            for body in spellings(&json!({"features": features})).into_iter().chain(spellings(&features)) {
                let answer = probe.plain(case, body);
                let rows = answer["predictions"].as_array().map_or(0, Vec::len);
                assert_eq!(answer.get("prediction").is_some(), rows == 1, "a single row has a prediction too");
            }
        }
    }
    server.stop();
}

#[test]
fn inference_batches_are_answered_as_onnxruntime_does() {
    let server = Server::start();
    for one in &bundled() {
        let mut probe = Probe::new(&server, one);
        for case in &one.cases {
            for nested in [false, true] {
                for body in spellings(&json!({"inputs": case.infer_inputs(nested)})) {
                    probe.infer(case, body);
                }
            }
        }
    }
    server.stop();
}

#[test]
fn rows_alone_are_answered_as_in_their_batch() {
    let server = Server::start();
    for one in &bundled() {
        // A network may sum in another order for one row than for many; its scores are around 10.
        let slack = if one.model == "digits" { 1e-5 } else { CLOSE };
        let mut probe = Probe { slack, ..Probe::new(&server, one) };
        for case in &one.cases {
            for row in (0..case.rows()).map(|at| case.row(at)) {
                // One row, with neither a list around it nor the envelope.
                let answer = probe.plain(&row, row.features()[0].to_string());
                assert_eq!(answer["prediction"], answer["predictions"][0]);
                probe.infer(&row, json!({"inputs": row.infer_inputs(false)}).to_string());
            }
        }
    }
    server.stop();
}

#[test]
fn many_narrow_inputs_may_come_as_lists_in_their_order() {
    let server = Server::start();
    let one = version("churn", "1");
    let mut probe = Probe::new(&server, &one);
    let metadata = good("metadata", &probe.client.ask(&Request::get("/v2/models/churn/versions/1")));
    let columns: Vec<&str> = (0..7).map(|at| text(&metadata, &format!("/inputs/{at}/name"))).collect();
    for case in &one.cases {
        let row = |at: usize| columns.iter().map(|name| case.inputs[*name][at][0].clone()).collect::<Value>();
        let lists: Value = (0..case.rows()).map(row).collect();
        probe.plain(case, json!({"features": lists}).to_string());
        probe.plain(&case.row(0), lists[0].to_string());
    }
    server.stop();
}

#[test]
fn one_wide_input_may_come_as_objects_by_column() {
    let server = Server::start();
    let one = version("diabetes", "1");
    let mut probe = Probe::new(&server, &one);
    let columns = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"];
    for case in &one.cases {
        let record = |row: &Value| {
            let members = columns.iter().enumerate().map(|(at, name)| ((*name).to_owned(), row[at].clone()));
            Value::Object(members.collect())
        };
        let records: Value = case.inputs["input"].as_array().expect("rows").iter().map(record).collect();
        probe.plain(case, records.to_string());
    }
    server.stop();
}

#[test]
fn aliases_name_versions_and_the_champion_answers_the_unqualified() {
    let server = Server::start();
    for (place, number) in [("", "1"), ("/versions/champion", "1"), ("/versions/challenger", "2")] {
        let one = version("churn", number);
        let mut probe = Probe { place: place.to_owned(), ..Probe::new(&server, &one) };
        for case in &one.cases {
            probe.plain(case, case.features().to_string());
            probe.infer(case, json!({"inputs": case.infer_inputs(true)}).to_string());
        }
    }
    server.stop();
}

#[test]
fn pictures_are_answered_with_class_labels_beside_their_scores() {
    let server = Server::start();
    let one = version("digits", "1");
    let mut probe = Probe::new(&server, &one);
    for case in &one.cases {
        let answer = probe.plain(case, case.features().to_string());
        let predictions = answer["predictions"].as_array().expect("a list");
        let digit = |label: &Value| label.as_str().is_some_and(|text| text.len() == 1 && "0123456789".contains(text));
        assert!(predictions.iter().all(digit), "{predictions:?}");
        assert_eq!(answer["outputs"]["logits"].as_array().map(Vec::len), Some(case.rows()));
        assert_eq!(answer.get("probabilities"), None, "raw scores are no probabilities");
    }
    server.stop();
}
