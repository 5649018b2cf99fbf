//! What the data port promises beside the numbers: ids, headers, facts, and every way to send.

mod common;

use bytes::Bytes;
use common::client::{Reply, Request};
use common::{Server, good, json, text};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};

const WINE: &str = "[11.96,1.09,2.3,21.0,101.0,3.38,2.14,0.13,1.65,3.21,0.99,3.13,886.0]";
const PREDICT: &str = "/models/wine/predict";
const INFER: &str = "/v2/models/wine/infer";

/// An inference request for [`WINE`] with other members beside its inputs.
fn infer(members: &Value) -> Request {
    let data: Value = serde_json::from_str(WINE).expect("a list");
    let mut body = members.clone();
    body["inputs"] = json!([{"name": "input", "shape": [1, 13], "datatype": "FP32", "data": data}]);
    Request::post(INFER, body.to_string())
}

fn is_wine(what: &str, reply: &Reply) -> Value {
    let answer = good(what, reply);
    assert_eq!(answer["prediction"], "class_1", "{what}");
    answer
}

/// The milliseconds of each part of a server-timing header.
fn timings(header: &str) -> Vec<(String, f64)> {
    let part = |part: &str| {
        let (name, time) = part.split_once(";dur=").expect("name;dur=time");
        (name.to_owned(), time.parse().expect("milliseconds"))
    };
    header.split(", ").map(part).collect()
}

#[test]
fn predictions_carry_ids_version_and_times() {
    let server = Server::start();
    let mut client = server.client();
    let mut seen = Vec::new();
    for request in [Request::post(PREDICT, WINE), infer(&json!({})), Request::post(PREDICT, WINE)] {
        let reply = client.ask(&request);
        let answer = good("a prediction", &reply);
        let id = reply.header("x-prediction-id").expect("an id").to_owned();
        assert_eq!(reply.header("x-request-id"), Some(id.as_str()), "one id for both where the caller gives none");
        let told = answer.get("prediction_id").unwrap_or(&answer["parameters"]["prediction_id"]);
        assert_eq!(told, &id);
        assert_eq!(reply.header("x-model-version"), Some("1"));
        let times = timings(reply.header("server-timing").expect("times"));
        let names: Vec<&str> = times.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["queue", "compute", "total"]);
        assert!(times[0].1 + times[1].1 <= times[2].1 + 0.01, "{times:?}");
        assert!(!seen.contains(&id), "{id} came twice");
        seen.push(id);
    }
    drop(client);
    server.stop();
}

#[test]
fn the_callers_ids_come_back_where_usable() {
    let server = Server::start();
    let mut client = server.client();
    let reply =
        client.ask(&Request::post(PREDICT, WINE).with("x-request-id", "caller-7").with("x-prediction-id", "bottle/9"));
    assert_eq!(text(&is_wine("with ids", &reply), "/prediction_id"), "bottle/9");
    assert_eq!(reply.header("x-request-id"), Some("caller-7"));
    assert_eq!(reply.header("x-prediction-id"), Some("bottle/9"));
    for unusable in ["two words", "", &"long".repeat(100)] {
        let reply = client.ask(&Request::post(PREDICT, WINE).with("x-request-id", unusable));
        assert_eq!(reply.header("x-request-id").map(str::len), Some(36), "{unusable}");
    }
    let refused = client.ask(&Request::post(PREDICT, "[1]").with("x-request-id", "caller-8"));
    assert_eq!(refused.status, 400);
    assert_eq!(refused.header("x-request-id"), Some("caller-8"));
    assert_eq!(text(&json("refused", &refused), "/request_id"), "caller-8");
    drop(client);
    server.stop();
}

#[test]
fn inference_echoes_its_id_and_gives_the_outputs_asked_for() {
    let server = Server::start();
    let mut client = server.client();
    let (label, scores) = ("output_label", "output_probability");
    for (wanted, expected) in [
        (json!([]), vec![label, scores]),
        (json!([{"name": scores}]), vec![scores]),
        (json!([{"name": scores}, {"name": label}]), vec![scores, label]),
        (json!([{"name": label, "parameters": {"binary_data": false}}]), vec![label]),
    ] {
        let reply = client.ask(&infer(&json!({"id": "order \"66\"", "outputs": wanted})));
        let answer = good("outputs", &reply);
        let names: Vec<&str> = answer["outputs"].as_array().expect("a list").iter().map(|o| text(o, "/name")).collect();
        assert_eq!(names, expected);
        assert_eq!(answer["id"], "order \"66\"");
        assert_eq!(text(&answer, "/model_name"), "wine");
    }
    let reply = client.ask(&infer(&json!({"parameters": {"timeout": 30_000_000, "other": [1]}, "unknown": {}})));
    let id = good("without an id", &reply)["id"].clone();
    assert_eq!(Some(id.as_str().expect("text")), reply.header("x-request-id"));
    drop(client);
    server.stop();
}

#[test]
fn the_server_and_its_models_describe_themselves() {
    let server = Server::start();
    let mut client = server.client();
    let mut get = |path: &str| good(path, &client.ask(&Request::get(path)));
    for path in ["/v2", "/v2/"] {
        let facts = get(path);
        assert_eq!(facts["name"], "tidegate");
        let extensions = facts["extensions"].as_array().expect("a list");
        assert!(extensions.contains(&json!("binary_tensor_data")) && !extensions.contains(&json!("sequence")));
        assert_eq!(facts["version"], env!("CARGO_PKG_VERSION"));
    }
    assert_eq!(get("/v2/models"), json!({"models": ["breast-cancer", "churn", "diabetes", "digits", "wine"]}));
    let wine = get("/v2/models/wine");
    assert_eq!(wine["inputs"], json!([{"name": "input", "datatype": "FP32", "shape": [-1, 13]}]));
    assert_eq!(wine["outputs"][0], json!({"name": "output_label", "datatype": "BYTES", "shape": [-1]}));
    assert_eq!(wine["outputs"][1]["datatype"], "FP32");
    assert!(text(&wine, "/platform").starts_with("onnx_"), "{wine}");
    assert_eq!(get("/v2/models/churn")["versions"], json!(["1", "2"]));
    assert_eq!(get("/v2/models/churn/versions/challenger")["name"], "churn");
    for path in
        ["/v2/models/churn/ready", "/v2/models/churn/versions/2/ready", "/v2/models/churn/versions/champion/ready"]
    {
        assert_eq!(get(path), json!({"name": "churn", "ready": true}));
    }
    for path in ["/livez", "/v2/health/live"] {
        assert_eq!(get(path), json!({"live": true}));
    }
    for path in ["/readyz", "/health", "/v2/health/ready"] {
        let ready = json!({"live": true, "ready": true, "degraded": false, "reason": null});
        assert_eq!(get(path), ready);
    }
    drop(client);
    server.stop();
}

#[test]
fn head_answers_as_get_does_without_the_body() {
    let server = Server::start();
    let (mut client, mut admin) = (server.client(), server.admin());
    for path in ["/v2", "/v2/models", "/v2/models/wine", "/v2/models/wine/ready", "/livez", "/readyz", "/health"] {
        let (head, get) = (client.ask(&Request::new("HEAD", path, "")), client.ask(&Request::get(path)));
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        assert_eq!(head.header("content-type"), Some("application/json"), "{path}");
    }
    for path in ["/metrics", "/api/models", "/livez", "/readyz"] {
        assert_eq!(admin.ask(&Request::new("HEAD", path, "")).status, 200, "{path}");
    }
    drop((client, admin));
    server.stop();
}

#[test]
fn one_connection_carries_many_requests_also_ahead_of_their_answers() {
    let server = Server::start();
    let mut client = server.client();
    for _ in 0..50 {
        assert!(!client.ask(&Request::post(PREDICT, WINE)).closes());
    }
    let requests: Vec<Request> = (0..40)
        .map(|at| {
            let request = match at % 4 {
                0 => Request::post(PREDICT, WINE),
                1 => infer(&json!({})),
                2 => Request::post(PREDICT, "[1,2]"),
                _ => Request::get("/v2"),
            };
            request.with("x-request-id", &format!("place-{at}"))
        })
        .collect();
    let all: Vec<u8> = requests.iter().flat_map(Request::bytes).collect();
    client.send(&all).expect("an open connection");
    for at in 0..requests.len() {
        let reply = client.receive().expect("an answer to each");
        assert_eq!(reply.header("x-request-id"), Some(format!("place-{at}").as_str()));
        assert_eq!(reply.status, if at % 4 == 2 { 400 } else { 200 }, "{reply}");
    }
    drop(client);
    server.stop();
}

#[test]
fn bodies_come_whole_in_chunks_in_packets_or_after_a_question() {
    let server = Server::start();
    let mut client = server.client();
    for size in [1, 7, 4096] {
        is_wine("in chunks", &client.ask(&Request::post(PREDICT, WINE).chunked(size)));
    }
    for request in [Request::post(PREDICT, WINE), Request::post(PREDICT, WINE).chunked(5)] {
        request.bytes().chunks(1).for_each(|byte| client.send(byte).expect("an open connection"));
        is_wine("byte by byte", &client.receive().expect("an answer"));
    }
    let asking = Request::post(PREDICT, WINE).with("expect", "100-continue");
    let (head, body) = (asking.bytes(), WINE.as_bytes());
    client.send(&head[..head.len() - body.len()]).expect("an open connection");
    assert_eq!(client.receive_head().expect("an interim answer").status, 100);
    client.send(body).expect("an open connection");
    is_wine("after a question", &client.receive().expect("an answer"));
    drop(client);
    server.stop();
}

#[test]
fn content_types_that_mean_json_are_read() {
    let server = Server::start();
    let mut client = server.client();
    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.wine+json", "text/json"] {
        is_wine(kind, &client.ask(&Request::post(PREDICT, WINE).with("content-type", kind)));
    }
    let curl = Request::post(PREDICT, WINE).with("content-type", "application/x-www-form-urlencoded");
    is_wine("curl -d", &client.ask(&curl));
    is_wine("identity", &client.ask(&Request::post(PREDICT, WINE).with("content-encoding", "identity")));
    is_wine("a limit", &client.ask(&Request::post(PREDICT, WINE).with("x-timeout-ms", "30000")));
    is_wine("an escape", &client.ask(&Request::post("/models/w%69ne/versions/%31/predict?x=1", WINE)));
    drop(client);
    server.stop();
}

#[test]
fn a_default_model_answers_requests_that_name_none() {
    let server = Server::with(|config| config.front.default_model = Some("wine".to_owned()));
    is_wine("named in the settings", &server.client().ask(&Request::post("/predict", WINE)));
    server.stop();
    let server = Server::with(|config| config.registry.paths = vec![common::models().join("wine")]);
    is_wine("the only one", &server.client().ask(&Request::post("/predict", WINE)));
    server.stop();
}

#[test]
fn http2_carries_many_requests_at_once_on_one_connection() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server.address()).await.expect("a listening server");
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2 without negotiation");
        let connection = tokio::spawn(connection);
        let one = |at: usize| {
            let mut sender = sender.clone();
            let body = if at % 3 == 2 { "[1]" } else { WINE };
            async move {
                let uri = format!("http://localhost{PREDICT}");
                let request = hyper::Request::post(uri).header("x-request-id", format!("stream-{at}"));
                let request = request.body(Full::new(Bytes::from_static(body.as_bytes()))).expect("a request");
                sender.send_request(request).await.expect("an answer")
            }
        };
        let answers: Vec<_> = (0..30).map(|at| tokio::spawn(one(at))).collect();
        for (at, answer) in answers.into_iter().enumerate() {
            let reply = answer.await.expect("an answer");
            assert_eq!(reply.headers()["x-request-id"], format!("stream-{at}"));
            assert_eq!(reply.headers()["content-type"], "application/json");
            assert_eq!(reply.status(), if at % 3 == 2 { 400 } else { 200 });
            let body = reply.into_body().collect().await.expect("a body").to_bytes();
            let answer: Value = serde_json::from_slice(&body).expect("JSON");
            let right = if at % 3 == 2 { answer["field"] == "features" } else { answer["prediction"] == "class_1" };
            assert!(right, "{answer}");
        }
        drop(sender);
        connection.await.expect("no panic").expect("a clean end");
    });
    drop(runtime);
    server.stop();
}
