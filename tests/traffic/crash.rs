//! A server that is killed at any moment finds the old plan or the new one, never something between.
//! A canary's ramp goes on from there.

use crate::common::client::{Client, Request};
use crate::common::process::Process;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

/// Writes one plan after the other until the server is gone; `written` counts what was acknowledged.
fn write(mut client: Client, first: u64, written: &AtomicU64) {
    for weight in first.. {
        let split = json!({"split": {"1": 10_000 - weight, "2": weight}});
        let request = Request::new("PUT", crate::TRAFFIC, split.to_string());
        let answer = client.send(&request.bytes()).and_then(|()| client.receive());
        match answer {
            Ok(reply) => assert_eq!(reply.status, 200, "{reply}"),
            Err(_) => return,
        }
        written.store(weight, Relaxed);
    }
}

#[test]
fn killed_at_any_point_the_plan_is_the_old_or_the_new_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = dir.path().join("state");
    let arguments = ["--state", state.to_str().expect("a path")];
    let written = AtomicU64::new(0);
    for round in 0..8_u64 {
        let process = Process::start(&arguments);
        let shown = Client::connect(process.admin).ask(&Request::get(crate::TRAFFIC));
        let shown: Value = serde_json::from_slice(&shown.body).expect("JSON");
        let weight = shown["split"]["2"].as_u64().unwrap_or(0);
        // Acknowledged writes are there; the one that was cut off may be.
        let before = written.load(Relaxed);
        assert!(weight == before || weight == before + 1, "round {round}: {weight} after {before}");
        written.store(weight, Relaxed);
        thread::scope(|scope| {
            let client = Client::connect(process.admin);
            scope.spawn(|| write(client, weight + 1, &written));
            // Somewhere in the next write.
            while written.load(Relaxed) < weight + round {
                std::hint::spin_loop();
            }
            process.signal(Signal::KILL);
        });
        process.wait();
    }
    assert!(written.load(Relaxed) > 0, "something was written");
}

/// Weights of a ramp with so many steps that no round sees its end: they rise by a hundredth each, so the
/// 22,000 requests of all rounds are enough for 80 of them at most, on however slow a machine.
const STEPS: u32 = 90;
/// What the canary answers in each step at least.
const REQUESTS: u64 = 100;

fn ramp() -> Value {
    let step = |at: u32| json!({"weight": 1000 + 100 * at, "min_time": "0s", "min_requests": REQUESTS});
    let steps: Vec<Value> = (0..STEPS).map(step).collect();
    let canary = json!({"version": "2", "steps": steps, "check_every": "10ms", "max_drift": 0, "alpha": 1e-9});
    json!({"canary": canary, "sticky": {"header": "x-user-id"}})
}

/// Which version each of a hundred users is answered by, for as long as the server is there. Nobody
/// may go back from the canary. `answered` counts the answers.
fn ask(data: SocketAddr, answered: &AtomicU64, seen: &mut BTreeMap<String, String>) {
    let mut client = Client::connect(data);
    for user in (0..100).cycle() {
        let user = format!("user-{user}");
        let request = Request::post(crate::PREDICT, crate::CUSTOMER).with("x-user-id", &user);
        let Ok(reply) = client.send(&request.bytes()).and_then(|()| client.receive()) else { return };
        assert_eq!(reply.status, 200, "{reply}");
        let version = reply.header("x-model-version").expect("a version").to_owned();
        let before = seen.insert(user.clone(), version.clone());
        assert!(before.as_deref() != Some("2") || version == "2", "{user} was taken out of the canary");
        answered.fetch_add(1, Relaxed);
    }
}

/// The step in the state file, with the tag of the plan; the file must be whole.
fn kept(state: &Path) -> (u64, u64) {
    let text = fs::read_to_string(state.join("traffic.json")).expect("a state file");
    let file: Value = serde_json::from_str(&text).expect("whole JSON");
    let model = &file["models"]["churn"];
    let carried = model["ramp"]["progress"]["carried"]["requests"][1].as_u64().expect("a count");
    assert!(carried < REQUESTS, "the step would be over: {model}");
    (model["ramp"]["progress"]["step"].as_u64().expect("a step"), model["tag"].as_u64().expect("a tag"))
}

#[test]
fn killed_at_random_points_of_a_ramp_it_goes_on_exactly_where_it_was() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = dir.path().join("state");
    let arguments = ["--state", state.to_str().expect("a path")];
    let mut seen = BTreeMap::new();
    let mut passed = Vec::new();
    for round in 0..10_u64 {
        let process = Process::start(&arguments);
        let mut admin = Client::connect(process.admin);
        if round == 0 {
            let put = admin.ask(&Request::new("PUT", crate::TRAFFIC, ramp().to_string()));
            assert_eq!(put.status, 200, "{put}");
        } else {
            // Nobody asks yet, so nothing can have moved since the start.
            let (step, tag) = kept(&state);
            let shown = admin.ask(&Request::get(crate::TRAFFIC));
            let shown: Value = serde_json::from_slice(&shown.body).expect("JSON");
            let canary = &shown["status"]["canary"];
            assert_eq!((&canary["step"], &shown["status"]["tag"]), (&json!(step + 1), &json!(tag)), "{shown}");
            assert_eq!(canary["weight"], 1000 + 100 * step, "{shown}");
            assert!(passed.last().is_none_or(|before| step >= *before), "{step} after {passed:?}");
            passed.push(step);
        }
        let answered = AtomicU64::new(0);
        thread::scope(|scope| {
            let asking = scope.spawn(|| ask(process.data, &answered, &mut seen));
            // Somewhere in a step, or in the writing of the next one: ten rounds, ten moments.
            while answered.load(Relaxed) < 500 + round * 377 && !asking.is_finished() {
                std::hint::spin_loop();
            }
            process.signal(Signal::KILL);
            asking.join().expect("no user goes back");
        });
        process.wait();
    }
    let (step, _) = kept(&state);
    assert!(step > 5 && passed.first() < passed.last(), "the ramp went on: {passed:?}, {step}");
}
