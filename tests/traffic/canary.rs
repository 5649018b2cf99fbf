//! Canaries: they go on by themselves, come back by themselves, and go on after a restart.

use crate::common::client::Request;
use crate::common::garden::{Garden, until};
use crate::{CUSTOMER, TRAFFIC, answered, put, serve};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tidegate::registry::Control;
use tidegate::traffic::stat::log_ledger;

fn plan(steps: &[(u32, u64)]) -> Value {
    let steps =
        steps.iter().map(|(weight, requests)| json!({"weight": weight, "min_time": "0s", "min_requests": requests}));
    json!({"canary": {"version": "2", "steps": steps.collect::<Vec<_>>(), "check_every": "10ms", "max_drift": 0}})
}

fn canary(server: &crate::Server) -> Value {
    put(server, "GET", TRAFFIC, "")["status"]["canary"].clone()
}

#[test]
fn a_canary_that_does_no_harm_is_promoted() {
    let server = serve(None);
    put(&server, "PUT", TRAFFIC, plan(&[(1000, 5), (5000, 20), (10_000, 20)]));
    let mut client = server.client();
    until("the promotion", || {
        answered(&mut client, "ann");
        canary(&server).is_null().then_some(())
    });
    assert_eq!(answered(&mut client, "ann").0, "2");
    let shown = put(&server, "GET", TRAFFIC, "");
    assert!(
        shown["status"]["last_canary"].as_str().expect("words").starts_with("promoted: step 3 of 3 passed"),
        "{shown}"
    );
    assert_eq!((&shown["status"]["aliases"]["champion"], &shown["status"]["warm"]), (&json!("2"), &json!(["1", "2"])));
    let events = put(&server, "GET", "/api/events", "");
    let told = events["events"].as_array().expect("a list").iter().filter(|event| event["who"] == "canary");
    let told: Vec<(&str, bool)> =
        told.map(|event| (event["what"].as_str().expect("a word"), event["note"].is_string())).collect();
    assert_eq!(told, [("canary", true), ("canary", true), ("promote", true)]);
    // Going back leads to before the canary, not to its last step.
    put(&server, "POST", "/api/models/churn/rollback", "");
    assert_eq!(answered(&mut client, "ann").0, "1");
    assert!(canary(&server).is_null());
    drop(client);
    server.stop();
}

#[test]
fn a_canary_that_fails_is_rolled_back_within_a_second() {
    // Another model under the same name refuses the callers' rows.
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    garden.plant("wine/1", "churn/2");
    garden.write("churn/model.toml", b"versions = 'all'\n[aliases]\nchampion = '1'\n");
    let server = garden.serve();
    put(&server, "PUT", TRAFFIC, plan(&[(5000, 1_000_000)]));
    let mut client = server.client();
    let mut ask = || client.ask(&Request::post("/models/churn/predict", CUSTOMER)).status;
    // Half of the traffic is the canary's, and it refuses all of it: the guard trips when that many
    // refusals, and none of the champion's, are no chance any more.
    let limit = -(0.001_f64 * 0.5).ln();
    let (mut refused, mut tripped) = (0, None);
    until("the rollback", || {
        refused += u64::from(ask() != 200);
        if log_ledger(refused, refused, 0.5) >= limit {
            let tripped: &Instant = tripped.get_or_insert_with(Instant::now);
            assert!(tripped.elapsed() < Duration::from_secs(1), "not back a second after {refused} refusals");
        }
        canary(&server).is_null().then_some(())
    });
    assert!(tripped.is_some(), "{refused} refusals are no harm yet");
    assert!((0..50).all(|_| ask() == 200), "the champion answers all again");
    let shown = put(&server, "GET", TRAFFIC, "");
    assert!(shown["status"]["last_canary"].as_str().expect("words").starts_with("rolled back: errors"), "{shown}");
    drop(client);
    server.stop();
}

#[test]
fn a_canary_waits_for_its_gate_and_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut document = plan(&[(2000, 0), (5000, 10), (9000, 1_000_000)]);
    document["canary"]["steps"][1]["gate"] = "manual".into();
    document["sticky"] = json!({"header": "x-user-id"});
    let server = serve(Some(dir.path()));
    put(&server, "PUT", TRAFFIC, document);
    let users = |server: &crate::Server| crate::versions(server, 100);
    until("the gate", || {
        users(&server);
        canary(&server)["words"].as_str().is_some_and(|words| words.contains("approved")).then_some(())
    });
    let (before, at) = (users(&server), canary(&server));
    assert_eq!((&at["step"], &at["weight"]), (&json!(2), &json!(5000)));
    server.stop();
    let server = serve(Some(dir.path()));
    let again = canary(&server);
    assert_eq!((&again["step"], &again["weight"]), (&json!(2), &json!(5000)), "{again}");
    assert!(again["requests"]["canary"].as_u64() >= at["requests"]["canary"].as_u64(), "{at} {again}");
    assert_eq!(users(&server), before, "everybody is where they were");
    put(&server, "POST", "/api/models/churn/canary", json!({"action": "approve"}));
    until("the last step", || {
        users(&server);
        (canary(&server)["step"] == 3).then_some(())
    });
    put(&server, "POST", "/api/models/churn/rollback", "");
    assert!(canary(&server).is_null() && users(&server).iter().all(|version| version == "1"));
    server.stop();
}

#[test]
fn a_canary_in_the_manifest_is_begun_once_and_a_new_one_after_it() {
    let (garden, state) = (Garden::new(), tempfile::tempdir().expect("a directory"));
    (1..=2).for_each(|version| garden.plant("churn/1", &format!("churn/{version}")));
    let manifest = |version: u32, more: &str| {
        let steps = "steps = [{ weight = 5000, min_time = '0s', min_requests = 5 }]";
        let canary = format!("[traffic.canary]\nversion = {version}\ncheck_every = '10ms'\nmax_drift = 0\n{steps}\n");
        format!("[aliases]\nchampion = '1'\n[traffic]\nsticky = {{ header = 'x-user-id' }}\n{canary}{more}")
    };
    garden.write("churn/model.toml", manifest(3, "").as_bytes());
    let serve = || {
        crate::Server::with(|config| {
            config.registry.paths = vec![garden.path("")];
            config.registry.control = Control::Poll;
            config.traffic.state = Some(state.path().to_owned());
        })
    };
    let server = serve();
    let status = |server: &crate::Server| put(server, "GET", TRAFFIC, "")["status"].clone();
    let problem = until("the reason", || status(&server)["problem"].as_str().map(str::to_owned));
    assert!(problem.contains("traffic.canary.version: '3' is no version"), "{problem}");
    assert_eq!(crate::versions(&server, 20), vec!["1"; 20], "until then the champion answers");
    garden.plant("churn/2", "churn/3");
    until("the promotion", || {
        crate::versions(&server, 20);
        (status(&server)["aliases"]["champion"] == "3").then_some(())
    });
    assert!(status(&server)["problem"].is_null() && canary(&server).is_null());
    let events = put(&server, "GET", "/api/events", "");
    let begun = events["events"].as_array().expect("a list").iter();
    let begun = begun.filter(|event| event["what"] == "traffic" && event["who"] == "watcher").count();
    assert_eq!(begun, 1, "{events}");
    server.stop();
    // It has ended: a restart does not begin it again, and a change of it does.
    let server = serve();
    assert_eq!(crate::versions(&server, 20), vec!["3"; 20]);
    assert!(canary(&server).is_null());
    garden.write("churn/model.toml", manifest(2, "max_hold = '1h'\n").as_bytes());
    until("the next one", || {
        crate::versions(&server, 20);
        (status(&server)["aliases"]["champion"] == "2").then_some(())
    });
    server.stop();
}
