//! Users stay where they are: when contents are swapped, when a canary goes up, when the server
//! starts again, whichever protocol they speak.

use crate::common::client::Request;
use crate::common::garden::{Garden, until};
use crate::common::grpc::{self, framed};
use crate::common::{Server, golden, models};
use crate::{TRAFFIC, put, versions};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use tidegate::front::grpc::proto::infer_parameter::ParameterChoice;
use tidegate::front::grpc::proto::model_infer_request::InferInputTensor;
use tidegate::front::grpc::proto::{InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse};
use tidegate::registry::Control;

const INFER: &str = "inference.GRPCInferenceService/ModelInfer";

#[test]
fn users_stay_put_through_swaps_a_ramp_and_a_restart() {
    let (garden, state) = (Garden::new(), tempfile::tempdir().expect("a directory"));
    garden.plant("churn/1", "churn/1");
    garden.plant("churn/2", "churn/2");
    garden.write("churn/model.toml", b"versions = 'all'\n[aliases]\nchampion = '1'\n");
    let serve = || {
        Server::with(|config| {
            config.registry.paths = vec![garden.path("")];
            config.registry.control = Control::Poll;
            config.traffic.state = Some(state.path().to_owned());
        })
    };
    let server = serve();
    let steps: Vec<Value> = [1500, 4000, 7000].map(step).to_vec();
    let canary = json!({"version": "2", "steps": steps, "check_every": "10ms", "max_drift": 0});
    put(&server, "PUT", TRAFFIC, json!({"canary": canary, "sticky": {"header": "x-user-id"}}));
    let mut before = versions(&server, 200);
    for weight in [1500, 4000, 7000] {
        let at = || put(&server, "GET", TRAFFIC, "")["status"]["canary"]["weight"].clone();
        until("the next step", || (at() == weight).then_some(()));
        let now = versions(&server, 200);
        let stayed = |(was, is): (&String, &String)| was == is || (was == "1" && is == "2");
        assert!(before.iter().zip(&now).all(stayed), "somebody was moved back at {weight}");
        let canary = now.iter().filter(|version| *version == "2").count();
        // Five standard deviations of 200 users are less than 36.
        assert!(canary.abs_diff(weight * 200 / 10_000) < 36, "{canary} of 200 at {weight}");
        swap(&garden, &server);
        assert_eq!(versions(&server, 200), now, "after a swap at {weight}");
        before = now;
        if weight < 7000 {
            put(&server, "POST", "/api/models/churn/canary", json!({"action": "approve"}));
        }
    }
    server.stop();
    let server = serve();
    assert_eq!(versions(&server, 200), before, "after a restart");
    server.stop();
}

/// A step that is left when somebody says so.
fn step(weight: usize) -> Value {
    json!({"weight": weight, "min_time": "0s", "min_requests": 1, "gate": "manual"})
}

/// Puts other content in place under number 2, and waits until it answers.
fn swap(garden: &Garden, server: &Server) {
    let generation = || {
        let shown = put(server, "GET", "/api/models/churn", "");
        let lines = shown["versions"].as_array().expect("versions").clone();
        let ready = lines.into_iter().find(|line| line["version"] == "2" && line["state"] == "ready");
        ready.and_then(|line| line["generation"].as_u64())
    };
    let before = until("version 2", generation);
    // The same model as other bytes: a field that no reader knows stands at its end.
    let path = garden.path("churn/2/model.onnx");
    let mut bytes = fs::read(&path).expect("a model");
    bytes.extend([0xfa, 0x7f, 0x01, b'x']);
    let aside = garden.path("churn/2/model.onnx.tmp");
    fs::write(&aside, bytes).expect("written");
    fs::rename(aside, path).expect("renamed");
    until("the new content", || generation().filter(|now| *now > before));
}

/// A golden case of the churn model as a message.
fn customer(version: &str) -> ModelInferRequest {
    let case = golden::version("churn", "1").cases[0].infer_inputs(false);
    let tensor = |input: &Value| {
        let data = input["data"].as_array().expect("a list");
        let mut contents = InferTensorContents::default();
        match input["datatype"].as_str() {
            Some("FP32") => {
                let number = |value: &Value| value.as_f64().map_or(f32::NAN, |number| number as f32);
                contents.fp32_contents = data.iter().map(number).collect();
            }
            Some("BYTES") => {
                let text = |value: &Value| value.as_str().expect("text").to_owned().into();
                contents.bytes_contents = data.iter().map(text).collect();
            }
            other => panic!("say here how {other:?} is sent"),
        }
        InferInputTensor {
            name: input["name"].as_str().expect("a name").to_owned(),
            datatype: input["datatype"].as_str().expect("a type").to_owned(),
            shape: input["shape"].as_array().expect("a shape").iter().filter_map(Value::as_i64).collect(),
            contents: Some(contents),
            ..InferInputTensor::default()
        }
    };
    ModelInferRequest {
        model_name: "churn".to_owned(),
        model_version: version.to_owned(),
        inputs: case.as_array().expect("inputs").iter().map(tensor).collect(),
        ..ModelInferRequest::default()
    }
}

#[test]
fn every_protocol_names_the_variant() {
    let server = Server::with(|config| {
        config.registry.control = Control::Poll;
        config.registry.paths = vec![models()];
        config.front.default_model = Some("churn".to_owned());
    });
    let case = golden::version("churn", "1").cases[0].row(0);
    let rows = case.features();
    let bodies = [
        ("/models/churn/predict", json!({"features": rows})),
        ("/v2/models/churn/infer", json!({"inputs": case.infer_inputs(false)})),
        ("/v1/models/churn:predict", json!({"instances": rows})),
        ("/invocations", json!({"dataframe_records": rows})),
    ];
    let ask = |path: &str, body: &Value| {
        let request = Request::post(path, body.to_string()).with("content-type", "application/json");
        let reply = server.client().ask(&request.with("x-user-id", "ann"));
        assert_eq!(reply.status, 200, "{path}: {reply}");
        reply.header("x-variant").map(str::to_owned)
    };
    bodies.iter().for_each(|(path, body)| assert_eq!(ask(path, body), None, "{path}: there is no plan"));
    let split = json!({"champion": 5000, "challenger": 5000});
    put(
        &server,
        "PUT",
        TRAFFIC,
        json!({"split": split, "sticky": {"header": "x-user-id"}, "forced": {"ann": "challenger"}}),
    );
    bodies.iter().for_each(|(path, body)| assert_eq!(ask(path, body).as_deref(), Some("challenger"), "{path}"));
    server.stop();
}

#[test]
fn a_grpc_caller_has_the_variant_of_its_unit_and_is_told_which() {
    let server = Server::with(|config| {
        config.registry.control = Control::Poll;
        config.registry.paths = vec![models()];
    });
    let mut client = grpc::Client::connect(server.address());
    let mut variant = |version: &str, user: Option<ParameterChoice>, headers: &[(&str, &str)]| {
        let mut request = customer(version);
        let user = user.map(|choice| ("user".to_owned(), InferParameter { parameter_choice: Some(choice) }));
        request.parameters.extend(user);
        let ended = client.send(INFER, headers, framed(&request));
        let answer: ModelInferResponse = ended.message();
        let told = answer.parameters.get("variant").and_then(|told| told.parameter_choice.clone());
        let Some(ParameterChoice::StringParam(told)) = told else { return (answer.model_version, None) };
        (answer.model_version, Some(told))
    };
    let text = |user: &str| Some(ParameterChoice::StringParam(user.to_owned()));
    assert_eq!(variant("", text("ann"), &[]), ("1".into(), None), "there is no plan");
    let split = json!({"champion": 5000, "challenger": 5000});
    let plan =
        |sticky: Value| json!({"split": split, "sticky": sticky, "forced": {"ann": "challenger", "7": "champion"}});
    put(&server, "PUT", TRAFFIC, plan(json!({"parameter": "user"})));
    let both = |variant: &str, version: &str| (version.to_owned(), Some(variant.to_owned()));
    assert_eq!(variant("", text("ann"), &[]), both("challenger", "2"), "forced");
    assert_eq!(variant("", Some(ParameterChoice::Int64Param(7)), &[]), both("champion", "1"), "forced");
    assert_eq!(variant("", None, &[]), both("champion", "1"), "who has no unit gets the control");
    assert_eq!(variant("2", text("7"), &[]), ("2".into(), None), "who names a version gets it");
    // By a header, so that both protocols have the same unit.
    put(&server, "PUT", TRAFFIC, plan(json!({"header": "x-user-id"})));
    let over_rest = versions(&server, 60);
    let over_grpc: Vec<String> = (0..60)
        .map(|user| variant("", None, &[("x-user-id", &format!("user-{user}"))]))
        .map(|(version, told)| {
            assert_eq!(told.as_deref(), Some(if version == "2" { "challenger" } else { "champion" }));
            version
        })
        .collect();
    assert_eq!(over_grpc, over_rest);
    let counts: BTreeMap<&String, usize> = over_grpc.iter().fold(BTreeMap::new(), |mut counts, version| {
        *counts.entry(version).or_default() += 1;
        counts
    });
    assert!(counts.len() == 2 && counts.values().all(|count| *count > 10), "{counts:?}");
    let report = put(&server, "GET", "/api/models/churn/experiment", "");
    let seen: u64 = (0..2).filter_map(|at| report["variants"][at]["requests"].as_u64()).sum();
    assert_eq!(seen, 120, "both protocols are counted, what was forced is not: {report}");
    drop(client);
    server.stop();
}
