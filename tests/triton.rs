//! Triton's extensions over REST: configuration, statistics, the repository.

mod common;

use common::client::Request;
use common::garden::Garden;
use common::{Server, good, json, models, text};
use serde_json::{Value, json};
use std::fs;
use tidegate::registry::Control;

const WINE: &str = "[11.96,1.09,2.3,21.0,101.0,3.38,2.14,0.13,1.65,3.21,0.99,3.13,886.0]";

fn rows(count: usize) -> Request {
    let rows = vec![WINE; count].join(",");
    let input = format!("{{\"name\":\"input\",\"shape\":[{count},13],\"datatype\":\"FP32\",\"data\":[{rows}]}}");
    Request::post("/v2/models/wine/infer", format!("{{\"inputs\":[{input}]}}"))
}

#[test]
fn a_configuration_has_tritons_members() {
    let server = Server::start();
    let mut client = server.client();
    for path in ["/v2/models/wine/config", "/v2/models/wine/versions/1/config"] {
        let config = good(path, &client.ask(&Request::get(path)));
        assert_eq!((&config["name"], &config["max_batch_size"]), (&json!("wine"), &json!(256)));
        assert_eq!(config["input"], json!([{"name": "input", "data_type": "TYPE_FP32", "dims": [13]}]));
        assert_eq!(config["output"][0], json!({"name": "output_label", "data_type": "TYPE_STRING", "dims": []}));
        assert_eq!(config["version_policy"], json!({"latest": {"num_versions": 1}}));
        assert_eq!(config["dynamic_batching"]["max_queue_delay_microseconds"], 0);
        assert_eq!(config["instance_group"][0]["kind"], "KIND_CPU");
    }
    assert_eq!(client.ask(&Request::get("/v2/models/wien/config")).status, 404);
    drop(client);
    server.stop();
}

#[test]
fn statistics_add_up() {
    let server = Server::start();
    let mut client = server.client();
    for count in [1, 1, 3] {
        good("rows", &client.ask(&rows(count)));
    }
    assert_eq!(client.ask(&Request::post("/v2/models/wine/infer", "{}")).status, 400);
    for path in ["/v2/models/wine/stats", "/v2/models/wine/versions/1/stats", "/v2/models/stats"] {
        let all = good(path, &client.ask(&Request::get(path)));
        let wine =
            all["model_stats"].as_array().expect("a list").iter().find(|one| one["name"] == "wine").expect("wine");
        let count = |member: &str| wine["inference_stats"][member]["count"].as_u64().expect("a count");
        let ns = |member: &str| wine["inference_stats"][member]["ns"].as_u64().expect("nanoseconds");
        assert_eq!((&wine["inference_count"], &wine["execution_count"]), (&json!(5), &json!(3)), "{path}");
        assert_eq!((count("success"), count("fail"), count("queue"), count("compute_infer")), (3, 1, 3, 3));
        assert_eq!((count("cache_hit"), count("cache_miss")), (0, 0));
        let parts = ns("queue") + ns("compute_input") + ns("compute_infer") + ns("compute_output");
        assert_eq!(parts, ns("success"), "the parts are the whole");
        assert!(ns("compute_infer") > 0 && ns("compute_input") > 0 && ns("fail") > 0);
        let batches: Vec<_> = wine["batch_stats"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|batch| (batch["batch_size"].as_u64(), batch["compute_infer"]["count"].as_u64()))
            .collect();
        assert_eq!(batches, [(Some(1), Some(2)), (Some(3), Some(1))]);
        assert!(wine["last_inference"].as_u64() > Some(1_600_000_000_000));
        assert_eq!(wine["memory_usage"][0]["type"], "CPU");
    }
    assert_eq!(client.ask(&Request::get("/v2/models/wien/stats")).status, 404);
    drop(client);
    server.stop();
}

#[test]
fn metrics_go_by_tritons_names_where_that_is_wanted() {
    let server = Server::with(|config| config.front.triton_metrics = true);
    let mut client = server.client();
    good("rows", &client.ask(&rows(3)));
    assert_eq!(client.ask(&Request::post("/v2/models/wine/infer", "{}")).status, 400);
    let page = String::from_utf8(server.admin().ask(&Request::get("/metrics")).body).expect("text");
    for line in [
        "nv_inference_request_success{model=\"wine\",version=\"1\"} 1",
        "nv_inference_count{model=\"wine\",version=\"1\"} 3",
        "nv_inference_exec_count{model=\"wine\",version=\"1\"} 1",
        "nv_inference_request_failure{model=\"wine\",reason=\"OTHER\",version=\"1\"} 1",
        "nv_inference_request_failure{model=\"wine\",reason=\"REJECTED\",version=\"1\"} 0",
        "nv_inference_pending_request_count{model=\"wine\",version=\"1\"} 0",
        "# TYPE nv_inference_queue_duration_us counter",
    ] {
        assert!(page.lines().any(|other| other == line), "no {line}");
    }
    drop(client);
    server.stop();
    let server = Server::start();
    let page = String::from_utf8(server.admin().ask(&Request::get("/metrics")).body).expect("text");
    assert!(!page.contains("nv_"), "only where that is wanted");
    server.stop();
}

#[test]
fn the_index_lists_what_is_there() {
    let server = Server::start();
    let mut client = server.client();
    for body in ["", "{}", "{\"ready\": true}"] {
        let index = good("index", &client.ask(&Request::post("/v2/repository/index", body)));
        let lines = index.as_array().expect("a list");
        assert!(lines.contains(&json!({"name": "wine", "version": "1", "state": "READY"})), "{index}");
        assert_eq!(lines.len(), 6, "{index}");
    }
    for verb in ["load", "unload"] {
        let reply = client.ask(&Request::post(&format!("/v2/repository/models/wine/{verb}"), "{}"));
        assert_eq!(reply.status, 403);
        assert!(text(&json(verb, &reply), "/error").contains("--model-control explicit"));
    }
    drop(client);
    server.stop();
}

#[test]
fn models_come_and_go_by_request_and_bring_their_files() {
    let garden = Garden::new();
    garden.plant("wine/1", "wine/1");
    let server = Server::with(|config| {
        config.registry.paths = vec![garden.path("")];
        config.registry.control = Control::Explicit;
        config.front.control = true;
    });
    let mut client = server.client();
    let mut ask = |path: &str, body: &str| client.ask(&Request::post(path, body));
    let states = |index: &Value| -> Vec<(String, String)> {
        let lines = index.as_array().expect("a list").iter();
        lines.map(|line| (text(line, "/name").to_owned(), text(line, "/state").to_owned())).collect()
    };
    let wine = |state: &str| ("wine".to_owned(), state.to_owned());
    let index = "/v2/repository/index";
    assert_eq!(states(&good("index", &ask(index, ""))), [wine("UNAVAILABLE")]);
    assert_eq!(good("load", &ask("/v2/repository/models/wine/load", "{}")), json!({"name": "wine", "load": true}));
    assert_eq!(states(&good("index", &ask(index, ""))), [wine("READY")]);
    good("rows", &ask("/v2/models/wine/infer", &String::from_utf8(rows(2).body).expect("text")));
    let unload = json!({"parameters": {"unload_dependents": false}}).to_string();
    good("unload", &ask("/v2/repository/models/wine/unload", &unload));
    assert_eq!(states(&good("index", &ask(index, "{\"ready\": true}"))), []);
    assert_eq!(ask("/v2/repository/models/wien/load", "{}").status, 404);
    let file = fs::read(models().join("diabetes/1/model.onnx")).expect("a bundled model");
    let config = json!({"max_batch_size": 8}).to_string();
    let body = json!({"parameters": {"config": config, "file:1/model.onnx": base64(&file)}}).to_string();
    good("upload", &ask("/v2/repository/models/sugar/load", &body));
    assert_eq!(good("config", &client.ask(&Request::get("/v2/models/sugar/config")))["max_batch_size"], 8);
    assert!(garden.path("sugar/1/model.onnx").is_file() && garden.path("sugar/model.toml").is_file());
    for (path, words) in [("../1/model.onnx", "expected VERSION/FILE"), ("1/../../x", "expected VERSION/FILE")] {
        let body = json!({"parameters": {format!("file:{path}"): "AAEC"}}).to_string();
        let reply = client.ask(&Request::post("/v2/repository/models/sugar/load", body));
        assert_eq!(reply.status, 400, "{reply}");
        assert!(text(&json(path, &reply), "/error").contains(words), "{reply}");
    }
    drop(client);
    server.stop();
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
