//! Aliases: moved at once, written down, refused with a reason.

use crate::common::client::Request;
use crate::common::garden::{Garden, until_state};
use crate::{CUSTOMER, answered, ask, put, serve};
use serde_json::json;

const CHAMPION: &str = "/api/models/churn/aliases/champion";

#[test]
fn an_alias_moves_at_once_and_is_usable_wherever_a_version_is() {
    let server = serve(None);
    let mut client = server.client();
    assert_eq!(answered(&mut client, "ann").0, "1");
    let told = put(&server, "PUT", CHAMPION, json!({"version": "challenger"}));
    assert_eq!(told["changes"], json!(["alias champion: version 2"]));
    assert_eq!(answered(&mut client, "ann").0, "2");
    put(&server, "PUT", "/api/models/churn/aliases/Staging", json!({"version": 1}));
    for path in ["/models/churn/versions/Staging/predict", "/models/churn/versions/1/predict"] {
        let reply = client.ask(&Request::post(path, CUSTOMER));
        assert_eq!((reply.status, reply.header("x-model-version")), (200, Some("1")), "{path}");
    }
    let ready = client.ask(&Request::get("/v2/models/churn/versions/Staging/ready"));
    assert_eq!(ready.status, 200, "{ready}");
    put(&server, "DELETE", "/api/models/churn/aliases/Staging", "");
    assert_eq!(client.ask(&Request::get("/v2/models/churn/versions/Staging/ready")).status, 404);
    // One that model.toml gives can be taken away too, and comes back by a rollback.
    put(&server, "DELETE", CHAMPION, "");
    assert_eq!(client.ask(&Request::get("/v2/models/churn/versions/champion/ready")).status, 404);
    put(&server, "POST", "/api/models/churn/rollback", "");
    assert_eq!(client.ask(&Request::get("/v2/models/churn/versions/champion/ready")).status, 200);
    let events = put(&server, "GET", "/api/events", "");
    let moved = events["events"].as_array().expect("a list").iter().filter(|event| event["what"] == "alias");
    assert_eq!(moved.count(), 4);
    drop(client);
    server.stop();
}

#[test]
fn an_alias_that_cannot_be_is_refused_with_the_reason() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    garden.plant("churn/1", "churn/2");
    garden.write("churn/3/model.onnx", b"no model");
    let server = garden.serve();
    until_state(&server, "churn", "3", "failed");
    let before = put(&server, "GET", "/api/models/churn", "");
    for (path, body, status, field, words) in [
        (CHAMPION, json!({"version": "9"}), 400, "version", "it has 1, 2, 3"),
        (CHAMPION, json!({"version": "1"}), 409, "version", "unloaded; load it first"),
        (CHAMPION, json!({"version": "3"}), 409, "version", "failed: "),
        (CHAMPION, json!({"version": "champion"}), 400, "version", "cannot mean itself"),
        (CHAMPION, json!({"versoin": "1"}), 400, "version", "nothing else"),
        ("/api/models/churn/aliases/7", json!({"version": "2"}), 400, "alias", "not a number"),
        ("/api/models/nonesuch/aliases/a", json!({"version": "2"}), 404, "model", "the models are churn"),
    ] {
        let (got, answer) = ask(&server, "PUT", path, &body);
        assert_eq!((got, &answer["field"]), (status, &json!(field)), "{body}: {answer}");
        assert!(answer["error"].as_str().expect("words").contains(words), "{body}: {answer}");
    }
    let (status, answer) = ask(&server, "DELETE", CHAMPION, "");
    assert_eq!((status, &answer["field"]), (400, &json!("alias")), "{answer}");
    assert_eq!(put(&server, "GET", "/api/models/churn", "")["aliases"], before["aliases"], "nothing has changed");
    server.stop();
}
