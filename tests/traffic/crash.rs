//! A server that is killed at any moment finds the old plan or the new one, never something between.

use crate::common::client::{Client, Request};
use crate::common::process::Process;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
        std::thread::scope(|scope| {
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
