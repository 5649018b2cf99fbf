//! The commands, and what several replicas say together.

use crate::common::Server;
use crate::{TRAFFIC, predict, put, serve, versions};
use serde_json::{Value, json};
use std::process::{Command, Output};

fn tidegate(server: &Server, arguments: &[&str]) -> Output {
    let url = format!("http://{}", server.admin_address());
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(arguments).args(["--admin", &url]).output().expect("the binary runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn plans_are_written_shown_promoted_and_taken_back_from_a_shell() {
    let server = serve(None);
    let set = ["traffic", "churn", "--set", "1=5000,2=5000", "--sticky", "header:x-user-id"];
    let dry = tidegate(&server, &[&set[..], &["--dry-run"]].concat());
    assert!(said(&dry).starts_with("would change churn (tag 0)\n"), "{}", said(&dry));
    assert_eq!(put(&server, "GET", TRAFFIC, "")["split"], Value::Null);
    let done = tidegate(&server, &set);
    assert!(said(&done).starts_with("changed churn (tag 1)\n"), "{}", said(&done));
    let shown: Value = serde_json::from_str(&said(&tidegate(&server, &["traffic", "churn"]))).expect("JSON");
    assert_eq!((&shown["split"]["2"], &shown["sticky"]["header"]), (&json!(5000), &json!("x-user-id")));
    let stale = tidegate(&server, &["promote", "churn", "2", "--if-match", "0"]);
    assert_eq!(stale.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&stale.stderr).contains("read it again"), "{stale:?}");
    assert_eq!(tidegate(&server, &["promote", "churn", "2", "--if-match", "1"]).status.code(), Some(0));
    assert!(versions(&server, 20).iter().all(|version| version == "2"));
    assert_eq!(tidegate(&server, &["rollback", "churn"]).status.code(), Some(0));
    assert_eq!(put(&server, "GET", TRAFFIC, "")["split"]["2"], 5000);
    assert!(said(&tidegate(&server, &["canary", "churn"])).starts_with("no canary now"));
    let steps = json!([{"weight": 100, "min_time": "0s", "min_requests": 1_000_000}]);
    put(&server, "PUT", TRAFFIC, json!({"canary": {"version": "2", "steps": steps}}));
    assert_eq!(tidegate(&server, &["canary", "churn", "pause"]).status.code(), Some(0));
    let shown: Value = serde_json::from_str(&said(&tidegate(&server, &["canary", "churn"]))).expect("JSON");
    assert_eq!((&shown["paused"], &shown["weight"]), (&json!(true), &json!(100)));
    for (arguments, code) in [
        (&["traffic", "churn", "--set", "1"][..], 64),
        (&["canary", "churn", "stop"], 64),
        (&["traffic", "nonesuch"], 1),
        (&["promote", "churn", "9"], 1),
    ] {
        assert_eq!(tidegate(&server, arguments).status.code(), Some(code), "{arguments:?}");
    }
    server.stop();
}

#[test]
fn replicas_report_as_one() {
    let plan = json!({"split": {"1": 5000, "2": 5000}, "sticky": {"header": "x-user-id"}});
    let servers = [serve(None), serve(None), serve(None), serve(None)];
    servers.iter().for_each(|server| drop(put(server, "PUT", TRAFFIC, &plan)));
    let [whole, replicas @ ..] = &servers;
    let mut clients: Vec<_> = replicas.iter().map(Server::client).collect();
    let mut all = whole.client();
    for request in 0..300 {
        let user = format!("user-{}", request * 7 % 90);
        assert_eq!(predict(&mut all, &user).status, 200);
        assert_eq!(predict(&mut clients[request % 3], &user).status, 200);
    }
    let others: Vec<String> = replicas[1..].iter().map(|server| format!("http://{}", server.admin_address())).collect();
    let merged = tidegate(&replicas[0], &["experiment", "churn", "--with", &others[0], "--with", &others[1]]);
    let mut merged: Value = serde_json::from_str(&said(&merged)).unwrap_or_else(|error| panic!("{error}: {merged:?}"));
    let mut whole = put(whole, "GET", "/api/models/churn/experiment", "");
    // Each server has its own clock and its own shadows.
    for report in [&mut merged, &mut whole] {
        let members = report.as_object_mut().expect("an object");
        ["since", "shadows"].iter().for_each(|name| drop(members.remove(*name)));
        let variants = members["variants"].as_array_mut().expect("a list");
        variants.iter_mut().for_each(|one| drop(one.as_object_mut().expect("one").remove("latency_seconds")));
    }
    assert_eq!(merged, whole);
    assert_eq!(
        merged["variants"][0]["requests"].as_u64().zip(merged["variants"][1]["requests"].as_u64()).map(|(a, b)| a + b),
        Some(300)
    );
    drop((all, clients));
    servers.into_iter().for_each(Server::stop);
}
