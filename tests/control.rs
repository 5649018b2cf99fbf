//! Loading and unloading by request: over the admin port, and with the commands that use it.

mod common;

use common::client::Request;
use common::{Server, good, json, models, text};
use serde_json::Value;
use std::process::{Command, Output};
use tidegate::registry::Control;

const ROW: &str = "[[\"7\"]]";

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
