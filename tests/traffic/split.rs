//! Splits: everybody has an arm, keeps it, and is told which.

use crate::common::client::Request;
use crate::common::garden::{Garden, until};
use crate::{CUSTOMER, PREDICT, TRAFFIC, answered, ask, put, serve, versions};
use serde_json::{Value, json};

fn plan(weight: u32) -> Value {
    json!({"split": {"champion": 10_000 - weight, "challenger": weight}, "sticky": {"header": "x-user-id"}})
}

#[test]
fn a_ramp_moves_users_one_way_only_and_survives_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = serve(Some(dir.path()));
    let mut before = versions(&server, 300);
    assert!(before.iter().all(|version| version == "1"));
    for weight in [1000, 3000, 10_000] {
        put(&server, "PUT", TRAFFIC, plan(weight));
        let now = versions(&server, 300);
        for (user, (was, is)) in before.iter().zip(&now).enumerate() {
            assert!(was == is || (was == "1" && is == "2"), "user {user} at {weight}: {was} to {is}");
        }
        let moved = now.iter().filter(|version| *version == "2").count();
        let expected = weight as usize * 300 / 10_000;
        assert!(moved.abs_diff(expected) < 35, "{moved} of 300 at {weight}");
        before = now;
    }
    put(&server, "PUT", TRAFFIC, plan(3000));
    let before = versions(&server, 300);
    server.stop();
    let server = serve(Some(dir.path()));
    assert_eq!(versions(&server, 300), before, "after a restart");
    // A promotion gives all to one, and going back brings everybody back to where they were.
    put(&server, "POST", "/api/models/churn/promote", json!({"version": "2"}));
    assert!(versions(&server, 50).iter().all(|version| version == "2"));
    put(&server, "POST", "/api/models/churn/rollback", "{}");
    assert_eq!(versions(&server, 300), before, "after a rollback");
    server.stop();
}

#[test]
fn the_unit_may_stand_in_a_header_the_body_or_a_parameter() {
    let server = serve(None);
    let forced = json!({"ann": "2"});
    let split = json!({"1": 10_000, "2": 0});
    let put_sticky = |sticky: Value| {
        put(&server, "PUT", TRAFFIC, json!({"split": split, "sticky": sticky, "forced": forced}));
    };
    let mut client = server.client();
    put_sticky(json!({"header": "X-User-Id"}));
    assert_eq!(answered(&mut client, "ann"), ("2".into(), Some("2".into())));
    assert_eq!(answered(&mut client, "bob"), ("1".into(), Some("1".into())));
    put_sticky(json!({"pointer": "/user/id"}));
    let body = format!(r#"{{"features": {CUSTOMER}, "user": {{"id": "ann"}}}}"#);
    let reply = client.ask(&Request::post(PREDICT, body));
    assert_eq!((reply.status, reply.header("x-model-version")), (200, Some("2")), "{reply}");
    put_sticky(json!({"parameter": "user"}));
    let mut request: Value = json!({"parameters": {"user": "ann"}, "inputs": []});
    let case = crate::common::golden::version("churn", "1").cases[0].infer_inputs(false);
    request["inputs"] = case;
    let reply = client.ask(&Request::post("/v2/models/churn/infer", request.to_string()));
    assert_eq!((reply.status, reply.header("x-model-version")), (200, Some("2")), "{reply}");
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(body["parameters"]["variant"], "2", "{body}");
    // A broken body is refused as ever.
    let reply = client.ask(&Request::post(PREDICT, "{\"parameters\": {"));
    assert_eq!(reply.status, 400, "{reply}");
    drop(client);
    server.stop();
}

#[test]
fn who_has_no_unit_gets_the_control_and_is_counted() {
    let server = serve(None);
    put(&server, "PUT", TRAFFIC, plan(10_000));
    let mut client = server.client();
    let reply = client.ask(&Request::post(PREDICT, CUSTOMER));
    assert_eq!(reply.header("x-model-version"), Some("1"), "{reply}");
    for user in 0..20 {
        assert_eq!(answered(&mut client, &user.to_string()).1.as_deref(), Some("challenger"));
    }
    // Who names a version gets it, and is in no comparison.
    let named = client.ask(&Request::post("/models/churn/versions/1/predict", CUSTOMER).with("x-user-id", "1"));
    assert_eq!(named.header("x-model-version"), Some("1"));
    let text = String::from_utf8(server.admin().ask(&Request::get("/metrics")).body).expect("text");
    for line in [
        r#"tidegate_requests_not_compared_total{model="churn",reason="missing_unit"} 1"#,
        r#"tidegate_variant_requests_total{model="churn",version="2",variant="challenger",result="ok"} 20"#,
        r#"tidegate_predictions_total{model="churn",version="2",variant="challenger"} 20"#,
        r#"tidegate_predictions_total{model="churn",version="1",variant="champion"} 1"#,
        r#"tidegate_predictions_total{model="churn",version="1",variant="1"} 1"#,
        r#"tidegate_variant_weight{model="churn",variant="challenger"} 1"#,
    ] {
        assert!(text.lines().any(|got| got == line), "{line} in\n{text}");
    }
    let report = put(&server, "GET", "/api/models/churn/experiment", "");
    assert_eq!(report["variants"][1]["units"], 20, "{report}");
    assert_eq!(report["requests_not_compared"]["missing_unit"], 1, "{report}");
    drop(client);
    server.stop();
}

#[test]
fn without_a_sticky_unit_every_request_is_dealt_by_its_id() {
    let server = serve(None);
    put(&server, "PUT", TRAFFIC, json!({"split": {"1": 5000, "2": 5000}}));
    let mut client = server.client();
    let mut counts = [0_u32; 2];
    for _ in 0..400 {
        counts[usize::from(answered(&mut client, "ann").0 == "2")] += 1;
    }
    // Half each; five standard deviations are 50.
    assert!(counts[0].abs_diff(200) < 50, "{counts:?}");
    let by_id = |id: &str, client: &mut crate::Client| {
        let reply = client.ask(&Request::post(PREDICT, CUSTOMER).with("x-prediction-id", id));
        reply.header("x-model-version").expect("a version").to_owned()
    };
    for id in 0..20 {
        let id = format!("retry-{id}");
        assert_eq!(by_id(&id, &mut client), by_id(&id, &mut client), "a retry has the same arm");
    }
    drop(client);
    server.stop();
}

#[test]
fn a_stale_or_senseless_write_changes_nothing() {
    let server = serve(None);
    let shown = server.admin().ask(&Request::get(TRAFFIC));
    let tag = shown.header("etag").expect("a tag").to_owned();
    let write = |tag: &str, query: &str, body: Value| {
        let request = Request::new("PUT", &format!("{TRAFFIC}{query}"), body.to_string()).with("if-match", tag);
        server.admin().ask(&request)
    };
    let dry = write(&tag, "?dry_run=true", plan(500));
    assert_eq!((dry.status, dry.header("etag")), (200, Some(tag.as_str())), "{dry}");
    assert!(String::from_utf8_lossy(&dry.body).contains("split: null -> "), "{dry}");
    assert_eq!(put(&server, "GET", TRAFFIC, "")["split"], Value::Null, "nothing was written");
    assert_eq!(write(&tag, "", plan(500)).status, 200);
    let stale = write(&tag, "", plan(600));
    assert_eq!(stale.status, 412, "{stale}");
    assert!(String::from_utf8_lossy(&stale.body).contains("read it again"), "{stale}");
    let shown = put(&server, "GET", TRAFFIC, "");
    assert_eq!((&shown["split"]["challenger"], &shown["status"]["source"]), (&json!(500), &json!("api")));
    for (body, field) in [
        (json!({"split": {"1": 5000, "9": 5000}}), "split.9"),
        (json!({"split": {"1": 5000}}), "split"),
        (json!({"shadow": [{"version": "nonesuch"}]}), "shadow[0].version"),
        (json!({"canary": {"version": "1"}}), "canary.version"),
    ] {
        let (status, answer) = ask(&server, "PUT", TRAFFIC, &body);
        assert_eq!((status, &answer["field"]), (400, &json!(field)), "{body}: {answer}");
    }
    // What was read can be written back.
    put(&server, "PUT", TRAFFIC, &shown);
    assert_eq!(put(&server, "GET", TRAFFIC, "")["split"]["challenger"], 500);
    let overlap = |model: &str| {
        let layer =
            json!({"split": {"1": 10_000}, "sticky": {"header": "u"}, "layer": {"name": "l", "slots": [0, 500]}});
        ask(&server, "PUT", &format!("/api/models/{model}/traffic"), layer)
    };
    assert_eq!(overlap("churn").0, 200);
    let (status, answer) = overlap("wine");
    assert_eq!((status, &answer["field"]), (400, &json!("layer.slots")), "{answer}");
    server.stop();
}

#[test]
fn a_plan_may_stand_in_the_manifest_until_somebody_writes_another() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    garden.plant("churn/2", "churn/2");
    let manifest = |weight: u32| {
        let rest = 10_000 - weight;
        format!("[traffic]\nsticky = {{ header = 'x-user-id' }}\n[traffic.split]\n1 = {rest}\n2 = {weight}\n")
    };
    garden.write("churn/model.toml", manifest(5000).as_bytes());
    let server = garden.serve();
    let seen = versions(&server, 60);
    assert!(seen.contains(&"1".into()) && seen.contains(&"2".into()), "{seen:?}");
    assert_eq!(put(&server, "GET", TRAFFIC, "")["status"]["source"], "model.toml");
    garden.write("churn/model.toml", manifest(10_000).as_bytes());
    until("the new manifest", || (put(&server, "GET", TRAFFIC, "")["split"]["2"] == 10_000).then_some(()));
    let now = versions(&server, 60);
    assert!(now.iter().all(|version| version == "2"), "{now:?}");
    put(&server, "PUT", TRAFFIC, plan_of_numbers(0));
    assert!(versions(&server, 20).iter().all(|version| version == "1"), "what was written wins");
    put(&server, "POST", "/api/models/churn/rollback", "");
    assert!(versions(&server, 20).iter().all(|version| version == "2"), "and is taken back");
    garden.write("churn/model.toml", b"[traffic.split]\n1 = 5\n");
    let problem =
        until("the problem", || put(&server, "GET", "/api/models/churn", "")["problem"].as_str().map(str::to_owned));
    assert!(problem.contains("traffic.split: the weights are 5 in all"), "{problem}");
    assert!(versions(&server, 20).iter().all(|version| version == "2"), "the plan in force stays");
    server.stop();
}

fn plan_of_numbers(weight: u32) -> Value {
    json!({"split": {"1": 10_000 - weight, "2": weight}, "sticky": {"header": "x-user-id"}})
}
