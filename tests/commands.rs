//! The commands' exit codes and words.

mod common;

use common::{Server, models};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

fn tidegate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments).output().expect("the binary runs")
}

fn words(output: &Output) -> String {
    [output.stdout.as_slice(), output.stderr.as_slice()].map(String::from_utf8_lossy).concat()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn check_passes_good_models_and_prints_their_signature() {
    let output = tidegate(&["check", path(&models())]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let text = words(&output);
    for part in ["ok churn version 2", "4 golden cases passed", "contract BYTES [-1,1]", "engine     tract"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn check_takes_one_version_too() {
    let output = tidegate(&["check", path(&models().join("churn/2"))]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(words(&output).contains("ok churn version 2"));
    assert!(!words(&output).contains("version 1"));
}

#[test]
fn check_fails_with_the_reason() {
    let dir = tempfile::tempdir().expect("a directory");
    let version = dir.path().join("wine/1");
    fs::create_dir_all(&version).expect("made");
    fs::copy(models().join("wine/1/model.onnx"), version.join("model.onnx")).expect("copied");
    let golden = fs::read_to_string(models().join("wine/1/golden.json")).expect("read");
    fs::write(version.join("golden.json"), golden.replace("class_1", "class_2")).expect("written");
    let output = tidegate(&["check", path(dir.path())]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("FAILED wine version 1: golden.json: case"), "{}", words(&output));
    fs::write(dir.path().join("wine/model.toml"), "[aliases]\nchampion = \"9\"").expect("written");
    let output = tidegate(&["check", path(dir.path())]);
    assert!(words(&output).contains("alias 'champion' names version 9"), "{}", words(&output));
    assert_eq!(tidegate(&["check", "/nowhere"]).status.code(), Some(1));
}

#[test]
fn bad_usage_and_configuration_exit_64_with_every_mistake() {
    assert_eq!(tidegate(&["serve", "--no-such-flag"]).status.code(), Some(64));
    assert_eq!(tidegate(&["frobnicate"]).status.code(), Some(64));
    let output = tidegate(&["serve", "--listen", "nowhere", "--grace", "soon"]);
    assert_eq!(output.status.code(), Some(64));
    for part in ["--listen: expected an address", "--grace: expected a duration"] {
        assert!(words(&output).contains(part), "{part}: {}", words(&output));
    }
    assert_eq!(tidegate(&["--version"]).status.code(), Some(0));
}

#[test]
fn a_taken_port_exits_1_and_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let output = tidegate(&["serve", path(&models()), "--listen", &address, "--admin-listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains(&format!("cannot listen on {address}")), "{}", words(&output));
}

#[test]
fn health_tells_ready_from_not() {
    let server = Server::start();
    let address = server.address().to_string();
    assert_eq!(tidegate(&["health", &address]).status.code(), Some(0));
    assert_eq!(tidegate(&["health", &format!("http://{address}/nowhere")]).status.code(), Some(1));
    server.stop();
    assert_eq!(tidegate(&["health", &address]).status.code(), Some(1));
    assert_eq!(tidegate(&["health", "https://x"]).status.code(), Some(64));
}

#[test]
fn profile_sums_up_data_and_says_what_it_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, out) = (dir.path().join("people.csv"), dir.path().join("reference.json"));
    fs::write(&data, "age,plan,churned\n31,basic,0\n,plus,1\n47,basic,0\n").expect("written");
    let output = tidegate(&["profile", path(&data), "--out", path(&out), "--label", "churned"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    for part in ["age     input  numeric      1        2         31 to 47", "plan    input  categorical", "3 rows of "]
    {
        assert!(words(&output).contains(part), "{part}: {}", words(&output));
    }
    let profile: serde_json::Value = serde_json::from_slice(&fs::read(&out).expect("read")).expect("JSON");
    assert_eq!(profile["schema"], "tidegate.reference/1");
    assert_eq!(profile["columns"].as_array().map(Vec::len), Some(2));
    assert!(!dir.path().join("reference.json.part").exists());
}

#[test]
fn profile_fails_with_the_file_and_the_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, out) = (dir.path().join("people.csv"), dir.path().join("nowhere/reference.json"));
    fs::write(&data, "age,plan\n31,basic\n32\n").expect("written");
    let output = tidegate(&["profile", path(&data)]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "people.csv: line 3: expected 2 fields, as in the header, got 1";
    assert!(words(&output).contains(expected), "{}", words(&output));
    fs::write(&data, "age,plan\n31,basic\n").expect("written");
    let output = tidegate(&["profile", path(&data), "--out", path(&out)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("nowhere/reference.json: cannot be written"), "{}", words(&output));
}

#[test]
fn report_adds_up_what_a_server_has_kept() {
    let server = Server::start();
    let features: Vec<Vec<f64>> = (0..500).map(|row| vec![f64::from(row % 7) / 10.0; 10]).collect();
    let body = serde_json::json!({"features": features}).to_string();
    let mut client = server.client();
    let answer = client.ask(&common::client::Request::post("/models/diabetes/predict", body));
    common::good("a prediction", &answer);
    let rows = server.view("diabetes", "1").window.rows;
    assert_eq!(rows, 500.0);
    let out = tempfile::tempdir().expect("a directory");
    let page = out.path().join("report.html");
    let arguments = ["report", path(server.state()), "--model", "diabetes", "--out", path(&page), "--reference"];
    let reference = models().join("diabetes/1/reference.csv");
    let output = tidegate(&[&arguments[..], &[path(&reference)]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    for part in ["diabetes version 1, ", ": 500 rows", "critical", "columns have drifted"] {
        assert!(words(&output).contains(part), "{part}: {}", words(&output));
    }
    assert!(fs::read_to_string(&page).expect("written").starts_with("<!DOCTYPE html>"));
    // The owner's rule judges, where it is given.
    let (rule, json) = (out.path().join("model.toml"), out.path().join("drift.json"));
    fs::write(&rule, "[monitor.rule]\nq = 0.02\n").expect("written");
    let judged =
        tidegate(&["report", path(server.state()), "--model", "diabetes", "--out", path(&json), "--rule", path(&rule)]);
    assert!(judged.status.success(), "{judged:?}");
    assert!(fs::read_to_string(&json).expect("a report").contains("\"q\":0.02"));
    fs::write(&rule, "[monitor.rule]\nq = 7\n").expect("written");
    let refused = tidegate(&["report", path(server.state()), "--model", "diabetes", "--rule", path(&rule)]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("monitor.rule.q: expected a share"), "{refused:?}");
    drop(client);
    server.stop();
}

#[test]
fn report_fails_with_the_file_and_wants_a_known_ending() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = tidegate(&["report", path(dir.path()), "--out", "report.pdf"]);
    assert_eq!(output.status.code(), Some(64), "{}", words(&output));
    let output = tidegate(&["report", path(dir.path())]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("expected a directory of panes"), "{}", words(&output));
}
