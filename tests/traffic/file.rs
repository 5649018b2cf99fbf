//! Plans from a file: it wins, it is followed, and the API is closed for changes.

use crate::common::garden::until;
use crate::common::{Server, models};
use crate::{TRAFFIC, ask, put, versions};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tidegate::registry::Control;

fn serve(file: &Path) -> Server {
    Server::with(|config| {
        config.registry.control = Control::Poll;
        config.registry.paths = vec![models()];
        config.traffic.file = Some(file.to_owned());
    })
}

/// Replaced as a mounted ConfigMap is: at once.
fn write(file: &Path, plans: &Value) {
    let aside = file.with_extension("new");
    fs::write(&aside, plans.to_string()).expect("written");
    fs::rename(aside, file).expect("renamed");
}

fn plan(weight: u32) -> Value {
    let split = json!({"1": 10_000 - weight, "2": weight});
    json!({"models": {"churn": {"traffic": {"split": split, "sticky": {"header": "x-user-id"}}}}})
}

#[test]
fn replicas_that_read_one_file_agree_on_every_user() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("plans.json");
    write(&file, &plan(4000));
    let replicas = [serve(&file), serve(&file), serve(&file)];
    let [one, two, three] = replicas.each_ref().map(|server| versions(server, 200));
    assert!(one == two && two == three);
    assert!(one.contains(&"1".into()) && one.contains(&"2".into()));
    write(&file, &plan(10_000));
    for server in &replicas {
        until("the new plan", || (put(server, "GET", TRAFFIC, "")["split"]["2"] == 10_000).then_some(()));
        assert!(versions(server, 20).iter().all(|version| version == "2"));
    }
    for (method, path, body) in [
        ("PUT", TRAFFIC, json!({})),
        ("POST", "/api/models/churn/promote", json!({"version": "1"})),
        ("POST", "/api/models/churn/rollback", json!({})),
        ("PUT", "/api/models/churn/aliases/champion", json!({"version": "2"})),
    ] {
        let (status, answer) = ask(&replicas[0], method, path, body);
        assert_eq!(status, 409, "{path}: {answer}");
        assert!(answer["error"].as_str().expect("words").contains("plans.json"), "{answer}");
    }
    // A file that makes no sense changes nothing, and is told of.
    fs::write(&file, "{").expect("written");
    let shown = until("the problem", || {
        Some(put(&replicas[0], "GET", TRAFFIC, "")).filter(|shown| shown["status"]["problem"].is_string())
    });
    assert_eq!((&shown["split"]["2"], &shown["status"]["source"]), (&json!(10_000), &json!("file")));
    write(&file, &json!({"models": {}}));
    until("no plan", || (put(&replicas[0], "GET", TRAFFIC, "")["status"]["source"] == "none").then_some(()));
    replicas.into_iter().for_each(Server::stop);
}
