//! Loading and unloading by request: over the admin port, and with the commands that use it.

mod common;

use common::client::Request;
use common::garden::{Garden, bundled, lines, until, until_state};
use common::{Server, good, json, models, text};
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Output};
use tidegate::registry::Control;

const ROW: &str = "[[\"7\"]]";
const CUSTOMER: &str = r#"{"tenure_months": 3, "monthly_charges": 89.5, "support_calls": 4, "data_usage_gb": null,
    "contract": "month-to-month", "payment_method": "card", "region": "north"}"#;

fn serve(control: Control) -> Server {
    Server::with(|config| config.registry.control = control)
}

fn ask(server: &Server, path: &str, body: &str) -> (u16, Value) {
    let reply = server.admin().ask(&Request::post(path, body));
    (reply.status, json(path, &reply))
}

/// The status of an answer that may well be a refusal of the row: the model is what matters.
fn reaches(server: &Server, path: &str) -> bool {
    matches!(server.client().ask(&Request::post(path, ROW)).status, 200 | 400)
}

fn tidegate(server: &Server, arguments: &[&str]) -> Output {
    let url = format!("http://{}", server.admin_address());
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(arguments).args(["--admin", &url]).output().expect("the binary runs")
}

/// Which version answers a request that names none.
fn answered_by(server: &Server) -> String {
    let reply = server.client().ask(&Request::post("/models/churn/predict", CUSTOMER));
    text(&good("churn", &reply), "/version").to_owned()
}

/// The states of a model's versions, in order: `["1 ready", "2 unloaded"]`.
fn states(server: &Server) -> Vec<String> {
    let index = good("index", &server.admin().ask(&Request::get("/api/models/churn")));
    let versions = index["versions"].as_array().expect("versions");
    versions.iter().map(|line| format!("{} {}", text(line, "/version"), text(line, "/state"))).collect()
}

fn until_states(server: &Server, wanted: &[&str]) {
    until(&format!("{wanted:?}"), || (states(server) == wanted).then_some(()));
}

/// What happened, without times: `who what before after`, each version with its generation.
fn events(server: &Server) -> Vec<String> {
    let moment = |event: &Value, name: &str| match &event[name] {
        Value::Null => "-".to_owned(),
        moment => format!("{}.{}", text(moment, "/version"), moment["generation"]),
    };
    let page = good("events", &server.admin().ask(&Request::get("/api/events")));
    let line = |event: &Value| {
        let (before, after) = (moment(event, "before"), moment(event, "after"));
        format!("{} {} {before} {after}", text(event, "/who"), text(event, "/what"))
    };
    page["events"].as_array().expect("a list").iter().map(line).collect()
}

#[test]
fn in_explicit_mode_only_what_is_asked_for_serves() {
    let server = serve(Control::Explicit);
    assert!(!reaches(&server, "/models/wine/predict"));
    let (status, answer) = ask(&server, "/api/models/wine/load", "");
    assert_eq!((status, &answer["done"]), (200, &Value::Bool(true)), "{answer}");
    assert!(reaches(&server, "/models/wine/predict"));
    let (status, _) = ask(&server, "/api/models/churn/load", "{\"version\": \"2\"}");
    assert_eq!(status, 200);
    assert!(reaches(&server, "/models/churn/versions/2/predict"));
    assert!(!reaches(&server, "/models/churn/versions/1/predict"), "it was not asked for");
    let (status, _) = ask(&server, "/api/models/wine/unload", "{}");
    assert_eq!(status, 200);
    assert!(!reaches(&server, "/models/wine/predict"));
    let events = good("events", &server.admin().ask(&Request::get("/api/events")));
    let seen: Vec<(&str, &str)> = events["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| (text(event, "/what"), text(event, "/model")))
        .collect();
    for wanted in [("load", "wine"), ("load", "churn"), ("unload", "wine")] {
        assert!(seen.contains(&wanted), "{wanted:?} in {seen:?}");
    }
    server.stop();
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason() {
    let server = serve(Control::Poll);
    for (path, body, status, word) in [
        ("/api/models/nonesuch/load", "", 404, "no model"),
        ("/api/models/wine/load", "{\"version\": \"9\"}", 404, "no version"),
        ("/api/models/wine/load", "{\"versoin\": \"1\"}", 400, "unknown member"),
        ("/api/models/wine/load", "[", 400, "malformed"),
    ] {
        let (got, answer) = ask(&server, path, body);
        assert_eq!(got, status, "{answer}");
        assert!(text(&answer, "/error").contains(word), "{answer}");
    }
    server.stop();
    let server = serve(Control::None);
    let (status, answer) = ask(&server, "/api/models/wine/unload", "");
    assert_eq!(status, 409, "{answer}");
    assert!(text(&answer, "/error").contains("--model-control"), "{answer}");
    assert!(reaches(&server, "/models/wine/predict"), "nothing has changed");
    server.stop();
}

#[test]
fn the_commands_do_the_same_from_a_shell() {
    let server = serve(Control::Poll);
    let out = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let listed = tidegate(&server, &["models"]);
    assert_eq!(listed.status.code(), Some(0));
    assert!(out(&listed).contains("breast-cancer") && out(&listed).contains("tabular"), "{}", out(&listed));
    assert_eq!(tidegate(&server, &["unload", "wine"]).status.code(), Some(0));
    assert!(!reaches(&server, "/models/wine/predict"));
    assert_eq!(tidegate(&server, &["load", "wine", "1"]).status.code(), Some(0));
    assert!(reaches(&server, "/models/wine/predict"));
    assert_eq!(tidegate(&server, &["load", "nonesuch"]).status.code(), Some(1));
    server.stop();
}

#[test]
fn inspect_tells_operators_engine_and_cost() {
    let path = models().join("churn/1");
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).arg("inspect").arg(path).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in ["OneHotEncoder", "tabular", "contract", "128"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn an_unloaded_version_stays_out_until_its_files_change() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    garden.plant("churn/2", "churn/2");
    let server = garden.serve();
    assert_eq!((answered_by(&server).as_str(), states(&server)), ("2", vec!["1 unloaded".into(), "2 ready".into()]));
    let (status, answer) = ask(&server, "/api/models/churn/unload", "{\"version\": \"2\"}");
    assert_eq!((status, &answer["done"]), (200, &Value::Bool(true)), "{answer}");
    // The next lower one has taken its place before it went.
    assert_eq!((answered_by(&server).as_str(), states(&server)), ("1", vec!["1 ready".into(), "2 unloaded".into()]));
    assert_eq!(lines(&server, "churn", "2")[0]["reason"], "unloaded by request");
    let reply = server.client().ask(&Request::post("/models/churn/versions/2/predict", CUSTOMER));
    assert_eq!(reply.status, 404, "on disk, but not loaded: {reply}");
    // The same bytes, written anew.
    garden.write_again("churn/2/model.onnx");
    until_states(&server, &["1 unloaded", "2 ready"]);
    assert_eq!(answered_by(&server), "2");
    let seen = events(&server);
    let asked = ["api load - 1.1", "api swap 2.1 1.1", "api unload 2.1 -"];
    let changed = ["watcher load - 2.2", "watcher swap 1.1 2.2", "watcher unload 1.1 -"];
    assert_eq!(seen, [["watcher load - 2.1"].as_slice(), &asked, &changed].concat());
    server.stop();
}

#[test]
fn a_version_loaded_by_name_stays_beside_those_of_the_manifest() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    garden.plant("churn/2", "churn/2");
    let server = garden.serve();
    // A number as a number is understood too.
    let (status, answer) = ask(&server, "/api/models/churn/load", "{\"version\": 1}");
    assert_eq!((status, text(&answer, "/versions/0/version")), (200, "1"), "{answer}");
    assert_eq!((answered_by(&server).as_str(), states(&server)), ("2", vec!["1 ready".into(), "2 ready".into()]));
    garden.plant("churn/1", "churn/3");
    until_states(&server, &["1 ready", "2 unloaded", "3 ready"]);
    assert_eq!(ask(&server, "/api/models/churn/unload", "{\"version\": \"1\"}").0, 200);
    assert_eq!(states(&server), ["1 unloaded", "2 unloaded", "3 ready"]);
    // One whose directory is taken away is not wanted any more, and is not when it comes back.
    assert_eq!(ask(&server, "/api/models/churn/load", "{\"version\": \"1\"}").0, 200);
    garden.remove("churn/1");
    until_states(&server, &["2 unloaded", "3 ready"]);
    garden.plant("churn/1", "churn/1");
    // When what came later is there, this would be too.
    garden.plant("wine/1", "wine/1");
    until_state(&server, "wine", "1", "ready");
    assert_eq!(states(&server), ["1 unloaded", "2 unloaded", "3 ready"]);
    // What was asked for ends with the process.
    assert_eq!(ask(&server, "/api/models/churn/load", "{\"version\": \"2\"}").0, 200);
    assert_eq!(states(&server), ["1 unloaded", "2 ready", "3 ready"]);
    server.stop();
    let server = garden.serve();
    assert_eq!(states(&server), ["1 unloaded", "2 unloaded", "3 ready"]);
    server.stop();
}

#[test]
fn a_version_that_cannot_be_loaded_leaves_what_serves() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    garden.write("churn/2/model.onnx", b"no model");
    let server = garden.serve_with(Control::Explicit);
    assert_eq!(ask(&server, "/api/models/churn/load", "{\"version\": \"1\"}").0, 200);
    let (status, answer) = ask(&server, "/api/models/churn/load", "{\"version\": \"2\"}");
    assert_eq!((status, text(&answer, "/code")), (422, "LOAD_FAILED"), "{answer}");
    assert!(text(&answer, "/error").contains("ONNX"), "{answer}");
    assert_eq!((answered_by(&server).as_str(), states(&server)), ("1", vec!["1 ready".into(), "2 failed".into()]));
    assert!(events(&server).contains(&"api failure - 2.1".to_owned()), "{:?}", events(&server));
    // It was asked for, so it follows its files: mended, it comes by itself.
    garden.write("churn/2/model.onnx", &bundled("churn/2/model.onnx"));
    until_state(&server, "churn", "2", "ready");
    assert_eq!(lines(&server, "churn", "1")[0]["generation"], 1, "the other was left alone");
    server.stop();
}

#[test]
fn in_explicit_mode_what_was_asked_for_follows_its_files_and_nothing_else_comes() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    garden.plant("wine/1", "wine/1");
    garden.write("churn/model.toml", b"[aliases]\nsteady = \"1\"\n");
    let server = garden.serve_with(Control::Explicit);
    // model.toml has only just been written, and is read when it has been quiet.
    let load = || ask(&server, "/api/models/churn/load", "{\"version\": \"steady\"}");
    let answer = until("the alias", || Some(load()).filter(|(status, _)| *status == 200)).1;
    assert_eq!(text(&answer, "/versions/0/version"), "1", "{answer}");
    garden.write("churn/1/model.onnx", &bundled("churn/2/model.onnx"));
    fs::remove_file(garden.path("churn/1/golden.json")).expect("removed");
    until("the new content", || lines(&server, "churn", "1").into_iter().find(|line| line["generation"] == 2));
    // By now the server has looked at everything else several times over.
    assert!(events(&server).iter().all(|event| !event.contains("wine")));
    assert_eq!(lines(&server, "wine", "1")[0]["state"], "unloaded");
    server.stop();
}

#[test]
fn without_a_version_all_go_and_the_manifests_come_back() {
    let server = serve(Control::Poll);
    let (status, answer) = ask(&server, "/api/models/churn/unload", "");
    assert_eq!((status, answer["versions"].as_array().map(Vec::len)), (200, Some(2)), "{answer}");
    assert_eq!(states(&server), ["1 unloaded", "2 unloaded"]);
    // Known, but nothing of it serves.
    assert_eq!(server.client().ask(&Request::post("/models/churn/predict", CUSTOMER)).status, 503);
    assert!(reaches(&server, "/models/wine/predict"), "the others are left alone");
    assert_eq!(ask(&server, "/api/models/churn/load", "{}").0, 200);
    assert_eq!((answered_by(&server).as_str(), states(&server)), ("1", vec!["1 ready".into(), "2 ready".into()]));
    server.stop();
}

#[test]
fn with_none_the_files_are_not_looked_at_any_more() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    let still = garden.serve_with(Control::None);
    // A server that does look tells when the other would have seen the new version.
    let watching = garden.serve();
    for version in ["2", "3", "4"] {
        garden.plant("churn/2", &format!("churn/{version}"));
        until_state(&watching, "churn", version, "ready");
        assert_eq!((answered_by(&still).as_str(), states(&still)), ("1", vec!["1 ready".into()]));
    }
    for verb in ["load", "unload"] {
        let (status, answer) = ask(&still, &format!("/api/models/churn/{verb}"), "{\"version\": \"1\"}");
        assert_eq!((status, text(&answer, "/code")), (409, "FAILED_PRECONDITION"), "{answer}");
    }
    assert_eq!(answered_by(&still), "1");
    still.stop();
    watching.stop();
}

#[test]
fn with_a_token_api_is_closed_to_others_and_the_token_follows_its_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("token");
    fs::write(&file, "first\n").expect("written");
    let server = Server::with(|config| {
        config.registry.control = Control::Poll;
        config.admin_token_file = Some(file.clone());
    });
    let unload = |token: Option<&str>| {
        let request = Request::post("/api/models/wine/unload", "");
        let bearer = token.map(|token| format!("Bearer {token}"));
        let request = bearer.iter().fold(request, |request, bearer| request.with("authorization", bearer));
        server.admin().ask(&request)
    };
    for token in [None, Some("second")] {
        let reply = unload(token);
        assert_eq!(reply.status, 401, "{reply}");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{reply}");
    }
    for path in ["/api/models", "/api/events", "/api/process", "/api/nonesuch"] {
        assert_eq!(server.admin().ask(&Request::get(path)).status, 401, "{path}");
    }
    for path in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(server.admin().ask(&Request::get(path)).status, 200, "{path}");
    }
    assert!(reaches(&server, "/models/wine/predict"), "nobody had the token");
    fs::write(&file, "second\n").expect("written");
    assert_eq!(unload(Some("first")).status, 401);
    assert_eq!(unload(Some("second")).status, 200);
    assert!(!reaches(&server, "/models/wine/predict"));
    server.stop();
}

#[test]
fn a_request_far_longer_than_a_version_is_refused() {
    let server = serve(Control::Poll);
    let long = json!({"version": "1", "padding": "x".repeat(64 << 10)}).to_string();
    let (status, answer) = ask(&server, "/api/models/wine/unload", &long);
    assert_eq!((status, text(&answer, "/code")), (413, "TOO_LARGE"), "{answer}");
    assert!(reaches(&server, "/models/wine/predict"));
    server.stop();
}
