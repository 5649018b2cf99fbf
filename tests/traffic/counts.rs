//! What was counted is still there after a restart: experiments and shadows, wherever the plan is
//! written.

use crate::common::Server;
use crate::common::garden::{Garden, until};
use crate::{TRAFFIC, put, serve, versions};
use serde_json::{Value, json};
use std::fs;
use tidegate::registry::Control;

const EXPERIMENT: &str = "/api/models/churn/experiment";

fn plan() -> Value {
    json!({
        "split": {"champion": 6000, "challenger": 4000},
        "sticky": {"header": "x-user-id"},
        "forced": {"user-3": "challenger"},
        "shadow": [{"version": "2"}],
    })
}

/// The report when the shadow has dealt with all that it was given.
fn settled(server: &Server, requests: u64) -> Value {
    until("the shadow", || {
        let report = put(server, "GET", EXPERIMENT, "");
        let shadow = |name: &str| report["shadows"][0][name].as_u64().unwrap_or(0);
        (shadow("requests") + shadow("dropped") == requests).then_some(report)
    })
}

#[test]
fn an_experiment_goes_on_counting_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = serve(Some(dir.path()));
    put(&server, "PUT", TRAFFIC, plan());
    let users = versions(&server, 80);
    let before = settled(&server, 80);
    assert_eq!(before["requests_not_compared"]["forced"], 1);
    server.stop();
    let server = serve(Some(dir.path()));
    let after = put(&server, "GET", EXPERIMENT, "");
    assert_eq!(after, before, "nothing is lost or counted twice");
    // The same users again: more requests, no more units.
    assert_eq!(versions(&server, 80), users);
    let after = settled(&server, 160);
    for at in 0..2 {
        let [was, is] = [&before["variants"][at], &after["variants"][at]];
        assert_eq!(is["requests"].as_u64(), was["requests"].as_u64().map(|requests| 2 * requests));
        assert_eq!((&is["units"], &is["score"]["n"]), (&was["units"], &was["score"]["n"]));
    }
    // Another phase is another experiment.
    let mut next = plan();
    next["phase"] = 2.into();
    put(&server, "PUT", TRAFFIC, next);
    server.stop();
    let server = serve(Some(dir.path()));
    assert_eq!(put(&server, "GET", EXPERIMENT, "")["variants"][0]["requests"], 0);
    server.stop();
}

#[test]
fn counts_of_a_plan_in_the_manifest_go_on_and_damaged_ones_are_set_aside() {
    let (garden, state) = (Garden::new(), tempfile::tempdir().expect("a directory"));
    garden.plant("churn/1", "churn/1");
    garden.plant("churn/2", "churn/2");
    let manifest = "[traffic]\nsticky = { header = 'x-user-id' }\n[traffic.split]\n1 = 5000\n2 = 5000\n";
    garden.write("churn/model.toml", manifest.as_bytes());
    let serve = || {
        Server::with(|config| {
            config.registry.paths = vec![garden.path("")];
            config.registry.control = Control::Poll;
            config.traffic.state = Some(state.path().to_owned());
        })
    };
    let server = serve();
    versions(&server, 50);
    let before = put(&server, "GET", EXPERIMENT, "");
    server.stop();
    let server = serve();
    until("what was counted before", || (put(&server, "GET", EXPERIMENT, "") == before).then_some(()));
    server.stop();
    let file = state.path().join("experiments.json");
    fs::write(&file, "{\"format\": ").expect("written");
    let server = serve();
    assert_eq!(put(&server, "GET", EXPERIMENT, "")["variants"][0]["requests"], 0, "it starts, and counts anew");
    let aside = fs::read_to_string(state.path().join("experiments.json.set-aside-0"));
    assert_eq!(aside.expect("kept under another name"), "{\"format\": ");
    versions(&server, 5);
    server.stop();
    let text = fs::read_to_string(file).expect("written anew");
    assert!(serde_json::from_str::<Value>(&text).is_ok_and(|file| file["models"]["churn"].is_object()), "{text}");
}
