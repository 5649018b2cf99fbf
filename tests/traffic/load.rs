//! Versions that a plan names are loaded for it, kept while it does, and going back needs no load.

use crate::common::client::Request;
use crate::common::garden::{Garden, lines};
use crate::{CUSTOMER, PREDICT, TRAFFIC, answered, ask, put, serve};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

#[test]
fn a_plan_loads_what_it_names_and_keeps_it() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    garden.plant("churn/1", "churn/2");
    garden.write("churn/3/model.onnx", b"no model");
    let server = garden.serve();
    assert_eq!(lines(&server, "churn", "1")[0]["state"], "unloaded");
    let split = json!({"split": {"1": 5000, "2": 5000}, "sticky": {"header": "x-user-id"}});
    put(&server, "PUT", TRAFFIC, &split);
    assert_eq!(lines(&server, "churn", "1")[0]["state"], "ready");
    let (status, answer) = ask(&server, "PUT", TRAFFIC, json!({"split": {"3": 5000, "2": 5000}}));
    assert_eq!(status, 409, "{answer}");
    assert!(answer["error"].as_str().expect("words").contains("failed: "), "{answer}");
    assert_eq!(put(&server, "GET", TRAFFIC, "")["split"], split["split"], "the plan stays");
    // The version that was promoted over stays, so that going back is at once.
    put(&server, "POST", "/api/models/churn/promote", json!({"version": "1"}));
    assert_eq!(lines(&server, "churn", "2")[0]["state"], "ready");
    put(&server, "POST", "/api/models/churn/rollback", "");
    assert_eq!(put(&server, "GET", TRAFFIC, "")["split"], split["split"]);
    server.stop();
}

#[test]
fn no_request_fails_while_the_champion_is_promoted_and_taken_back_a_thousand_times() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = serve(Some(dir.path()));
    let (over, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = server.client();
                while !over.load(Relaxed) {
                    let reply = client.ask(&Request::post(PREDICT, CUSTOMER));
                    assert_eq!(reply.status, 200, "{reply}");
                    asked.fetch_add(1, Relaxed);
                }
            });
        }
        let mut admin = server.admin();
        let mut client = server.client();
        for flip in 0..1000 {
            let promoted = admin.ask(&Request::post("/api/models/churn/promote", "{\"version\": \"2\"}"));
            assert_eq!(promoted.status, 200, "{flip}: {promoted}");
            assert_eq!(answered(&mut client, "ann").0, "2", "{flip}");
            let back = admin.ask(&Request::post("/api/models/churn/rollback", ""));
            assert_eq!(back.status, 200, "{flip}: {back}");
            assert_eq!(answered(&mut client, "ann").0, "1", "{flip}");
        }
        over.store(true, Relaxed);
    });
    assert!(asked.load(Relaxed) > 1000, "there was a load: {asked:?}");
    server.stop();
}
