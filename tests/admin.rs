//! The admin port shows every model and counts exactly what was sent.
//!
//! One test alone, as some counters belong to the process and not to a server.

mod common;

use common::client::Request;
use common::golden::version;
use common::{Server, good, text};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Samples of a Prometheus text, by name and sorted labels.
struct Metrics {
    text: String,
    samples: HashMap<String, f64>,
}

impl Metrics {
    fn read(server: &Server) -> Self {
        let reply = server.admin().ask(&Request::get("/metrics"));
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let text = String::from_utf8(reply.body).expect("text");
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut samples = HashMap::new();
        for line in lines {
            let (series, value) = line.rsplit_once(' ').expect("a series and its value");
            let twice = samples.insert(sorted(series), value.parse().expect("a number"));
            assert_eq!(twice, None, "{series} stands there twice");
        }
        Self { text, samples }
    }

    /// The value of a series; one that is not there counts as zero.
    fn value(&self, series: &str) -> f64 {
        self.samples.get(&sorted(series)).copied().unwrap_or(0.0)
    }

    /// The sum over all series of a family that hold `label`.
    fn sum(&self, family: &str, label: &str) -> f64 {
        let open = format!("{family}{{");
        self.samples.iter().filter(|(name, _)| name.starts_with(&open) && name.contains(label)).map(|(_, v)| v).sum()
    }
}

/// A series with its labels in order.
fn sorted(series: &str) -> String {
    let Some((name, labels)) = series.strip_suffix('}').and_then(|rest| rest.split_once('{')) else {
        return series.to_owned();
    };
    let mut labels: Vec<&str> = labels.split(',').collect();
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join(","))
}

/// Each family that dashboards are built on, with its kind.
const FAMILIES: [(&str, &str); 14] = [
    ("tidegate_requests_total", "counter"),
    ("tidegate_prediction_latency_seconds", "histogram"),
    ("tidegate_queue_seconds", "histogram"),
    ("tidegate_compute_seconds", "histogram"),
    ("tidegate_batch_rows", "histogram"),
    ("tidegate_batches_total", "counter"),
    ("tidegate_predictions_total", "counter"),
    ("tidegate_rejected_total", "counter"),
    ("tidegate_queue_rows", "gauge"),
    ("tidegate_in_flight", "gauge"),
    ("tidegate_model_info", "gauge"),
    ("tidegate_model_load_seconds", "gauge"),
    ("tidegate_model_swaps_total", "counter"),
    ("tidegate_model_memory_bytes", "gauge"),
];

#[test]
fn the_admin_port_shows_the_models_and_counts_exactly() {
    let server = Server::start();
    check_families(&Metrics::read(&server));
    check_counts(&server);
    check_index(&server);
    check_paths(&server);
    server.stop();
}

fn check_families(metrics: &Metrics) {
    for (family, kind) in FAMILIES {
        let opened = metrics.text.matches(&format!("# TYPE {family} {kind}\n")).count();
        assert_eq!(opened, 1, "{family} is opened once as a {kind}");
        let there = metrics.samples.keys().any(|series| series.starts_with(family));
        // Requests are counted by how they ended, and none has yet.
        assert_eq!(there, family != "tidegate_requests_total", "{family}");
    }
    let bucket = r#"tidegate_prediction_latency_seconds_bucket{model="wine",version="1",le="+Inf"}"#;
    assert!(metrics.samples.contains_key(&sorted(bucket)), "{bucket}");
    assert_eq!(metrics.value(r#"tidegate_model_swaps_total{result="ok"}"#), 6.0);
    assert_eq!(metrics.sum("tidegate_model_info", r#"state="ready""#), 6.0);
}

/// Sends a known mix and looks for each part of it in the counters.
fn check_counts(server: &Server) {
    let before = Metrics::read(server);
    let churn = version("churn", "2");
    let case = churn.cases.iter().find(|case| case.rows() == 7).expect("a case of seven rows");
    let (plain, infer) = (case.features().to_string(), json!({"inputs": case.infer_inputs(false)}).to_string());
    let mut client = server.client();
    for _ in 0..5 {
        good("plain", &client.ask(&Request::post("/models/churn/versions/2/predict", plain.clone())));
    }
    for _ in 0..3 {
        good("infer", &client.ask(&Request::post("/v2/models/churn/versions/challenger/infer", infer.clone())));
    }
    for (path, body, status) in [
        ("/models/churn/versions/2/predict", "[]", 400),
        ("/v2/models/churn/versions/2/infer", "{}", 400),
        ("/v2/models/churn/versions/2/infer", "", 400),
        ("/v2/models/nonesuch/infer", "{}", 404),
        ("/livez", "", 405),
    ] {
        assert_eq!(client.ask(&Request::post(path, body)).status, status, "{path}");
    }
    let typed = Request::post("/models/churn/versions/2/predict", plain).with("content-type", "text/csv");
    assert_eq!(client.ask(&typed).status, 415);
    drop(client);
    let after = Metrics::read(server);
    check_differences(&|series| after.value(series) - before.value(series));
    check_batches(&|family, label| after.sum(family, label) - before.sum(family, label));
    // All of it went over one connection; those to the admin port are counted apart.
    assert_eq!(after.value(r#"tidegate_connections_total{port="data"}"#), 1.0);
}

fn check_differences(grown: &dyn Fn(&str) -> f64) {
    let version = r#"model="churn",version="2""#;
    for (series, count) in [
        (format!(r#"tidegate_requests_total{{{version},protocol="plain",code="200"}}"#), 5.0),
        (format!(r#"tidegate_requests_total{{{version},protocol="oip",code="200"}}"#), 3.0),
        (format!(r#"tidegate_requests_total{{{version},protocol="plain",code="400"}}"#), 1.0),
        (format!(r#"tidegate_requests_total{{{version},protocol="oip",code="400"}}"#), 2.0),
        (format!(r#"tidegate_requests_total{{{version},protocol="plain",code="415"}}"#), 1.0),
        (format!(r#"tidegate_predictions_total{{{version},variant="2"}}"#), 56.0),
        (format!(r#"tidegate_prediction_latency_seconds_count{{{version}}}"#), 8.0),
        (format!(r#"tidegate_prediction_latency_seconds_bucket{{{version},le="+Inf"}}"#), 8.0),
        (format!(r#"tidegate_compute_seconds_count{{{version}}}"#), 8.0),
        (format!(r#"tidegate_batch_rows_count{{{version}}}"#), 8.0),
        (format!(r#"tidegate_batch_rows_sum{{{version}}}"#), 56.0),
        (format!(r#"tidegate_batch_rows_bucket{{{version},le="4"}}"#), 0.0),
        (format!(r#"tidegate_batch_rows_bucket{{{version},le="8"}}"#), 8.0),
        (format!(r#"tidegate_queue_rows{{{version}}}"#), 0.0),
        (format!(r#"tidegate_in_flight{{{version}}}"#), 0.0),
        (r#"tidegate_rejected_total{reason="INVALID_ARGUMENT"}"#.to_owned(), 3.0),
        (r#"tidegate_rejected_total{reason="NOT_FOUND"}"#.to_owned(), 1.0),
        (r#"tidegate_rejected_total{reason="METHOD_NOT_ALLOWED"}"#.to_owned(), 1.0),
        (r#"tidegate_rejected_total{reason="UNSUPPORTED_MEDIA_TYPE"}"#.to_owned(), 1.0),
        (r#"tidegate_rejected_total{reason="INTERNAL"}"#.to_owned(), 0.0),
        (r#"tidegate_model_swaps_total{result="ok"}"#.to_owned(), 0.0),
    ] {
        assert_eq!(grown(&series), count, "{series}");
    }
}

/// Whichever way each batch went, all are there, and those that waited have a time in the queue.
fn check_batches(grown: &dyn Fn(&str, &str) -> f64) {
    let model = r#"model="churn""#;
    assert_eq!(grown("tidegate_batches_total", model), 8.0);
    let inline = grown("tidegate_batches_total", r#"close_reason="inline""#);
    assert_eq!(grown("tidegate_queue_seconds_count", model), 8.0 - inline);
    for other in ["wine", "digits", "diabetes", "breast-cancer"] {
        assert_eq!(grown("tidegate_predictions_total", &format!(r#"model="{other}""#)), 0.0);
    }
    assert_eq!(grown("tidegate_requests_total", "model="), 12.0, "the unknown model has no series");
}

fn check_index(server: &Server) {
    let index = good("index", &server.admin().ask(&Request::get("/api/models")));
    let models = index["models"].as_array().expect("a list of models");
    let names: Vec<&str> = models.iter().map(|model| text(model, "/name")).collect();
    assert_eq!(names, ["breast-cancer", "churn", "diabetes", "digits", "wine"]);
    for model in models {
        for line in model["versions"].as_array().expect("a list of versions") {
            assert_eq!(line["state"], "ready", "{line}");
            let engine = if model["name"] == "digits" { "tract" } else { "tabular" };
            assert_eq!(line["engine"], engine, "{model}");
            assert!(line["load_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{line}");
            // Trees and networks are weighed; the few numbers of a linear model are not.
            let weighed = model["name"] != "wine";
            assert!(line["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0 || !weighed), "{line}");
        }
    }
    let churn = &models[1];
    assert_eq!(churn["aliases"], json!({"champion": "1", "challenger": "2"}));
    let versions: Vec<&Value> = churn["versions"].as_array().expect("a list").iter().map(|v| &v["version"]).collect();
    assert_eq!(versions, ["1", "2"]);
    assert_eq!(models[4]["aliases"], json!({}));
}

fn check_paths(server: &Server) {
    let mut admin = server.admin();
    let wine = good("one model", &admin.ask(&Request::get("/api/models/wine")));
    assert_eq!(wine["serving"]["inputs"], json!([{"name": "input", "datatype": "FP32", "shape": [-1, 13]}]));
    assert_eq!(wine["serving"]["features"][0], "alcohol");
    for path in ["/livez", "/readyz"] {
        good(path, &admin.ask(&Request::get(path)));
    }
    for (method, path, status) in [
        ("GET", "/api/models/nonesuch", 404),
        ("GET", "/predict", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/api/models/wine", 405),
    ] {
        let reply = admin.ask(&Request::new(method, path, ""));
        assert_eq!(reply.status, status, "{method} {path}");
        assert!(!text(&common::json(path, &reply), "/error").is_empty());
    }
}
