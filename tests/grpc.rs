//! gRPC on the data port: every method, both forms of contents, deadlines, packed messages, refusals.

mod common;

use bytes::Bytes;
use common::Server;
use common::client::Request;
use common::grpc::{Client, Ended, framed, prefixed};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use prost::Message;
use std::io::Write;
use tidegate::front::grpc::proto::health::{HealthCheckRequest, HealthCheckResponse};
use tidegate::front::grpc::proto::infer_parameter::ParameterChoice;
use tidegate::front::grpc::proto::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use tidegate::front::grpc::proto::*;
use tidegate::registry::Control;

const ROW: [f32; 13] = [11.96, 1.09, 2.3, 21.0, 101.0, 3.38, 2.14, 0.13, 1.65, 3.21, 0.99, 3.13, 886.0];
const INFER: &str = "inference.GRPCInferenceService/ModelInfer";
const STREAM: &str = "inference.GRPCInferenceService/ModelStreamInfer";
const HEALTH: &str = "grpc.health.v1.Health/Check";

fn bytes_of(row: &[f32]) -> Bytes {
    row.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
}

/// A request for one bottle of wine, its values typed or raw.
fn wine(raw: bool) -> ModelInferRequest {
    let contents = InferTensorContents { fp32_contents: ROW.to_vec(), ..InferTensorContents::default() };
    ModelInferRequest {
        model_name: "wine".to_owned(),
        inputs: vec![InferInputTensor {
            name: "input".to_owned(),
            datatype: "FP32".to_owned(),
            shape: vec![1, 13],
            contents: (!raw).then_some(contents),
            ..InferInputTensor::default()
        }],
        raw_input_contents: if raw { vec![bytes_of(&ROW)] } else { Vec::new() },
        ..ModelInferRequest::default()
    }
}

fn is_wine(response: &ModelInferResponse) {
    assert_eq!((response.model_name.as_str(), response.model_version.as_str()), ("wine", "1"));
    let label = response.outputs.iter().position(|output| output.name == "output_label").expect("a label");
    let typed = response.outputs[label].contents.as_ref().map(|contents| contents.bytes_contents[0].clone());
    let bytes = typed.unwrap_or_else(|| response.raw_output_contents[label].slice(4..));
    assert_eq!(&bytes[..], b"class_1");
}

fn refused(ended: &Ended, code: i32, words: &str) {
    assert_eq!(ended.code, code, "{ended:?}");
    assert!(ended.words.contains(words), "no '{words}' in {ended:?}");
    assert!(ended.messages.is_empty());
}

#[test]
fn the_server_and_its_models_describe_themselves() {
    let server = Server::start();
    let mut client = Client::connect(server.address());
    assert!(client.ask("ServerLive", &ServerLiveRequest {}).message::<ServerLiveResponse>().live);
    assert!(client.ask("ServerReady", &ServerReadyRequest {}).message::<ServerReadyResponse>().ready);
    let mut ready = |name: &str, version: &str| {
        let asked = ModelReadyRequest { name: name.into(), version: version.into() };
        client.ask("ModelReady", &asked).message::<ModelReadyResponse>().ready
    };
    assert!(ready("wine", "") && ready("churn", "2") && ready("churn", "champion"));
    assert!(!ready("nowhere", "") && !ready("wine", "7"));
    let facts: ServerMetadataResponse = client.ask("ServerMetadata", &ServerMetadataRequest {}).message();
    assert_eq!((facts.name.as_str(), facts.version.as_str()), ("tidegate", env!("CARGO_PKG_VERSION")));
    let asked = ModelMetadataRequest { name: "wine".into(), version: String::new() };
    let wine: ModelMetadataResponse = client.ask("ModelMetadata", &asked).message();
    let input = &wine.inputs[0];
    assert_eq!((input.name.as_str(), input.datatype.as_str(), &input.shape[..]), ("input", "FP32", &[-1, 13][..]));
    assert_eq!(wine.versions, ["1"]);
    let unknown = ModelMetadataRequest { name: "wien".into(), version: String::new() };
    refused(&client.ask("ModelMetadata", &unknown), 5, "Request for unknown model: 'wien' is not found");
    drop(client);
    server.stop();
}

#[test]
fn answers_mirror_the_form_of_their_requests() {
    let server = Server::start();
    let mut client = Client::connect(server.address());
    for raw in [false, true] {
        let mut request = wine(raw);
        request.id = "bottle 7".to_owned();
        let ended = client.ask("ModelInfer", &request);
        let response: ModelInferResponse = ended.message();
        is_wine(&response);
        assert_eq!(response.id, "bottle 7");
        assert_eq!(response.raw_output_contents.len(), if raw { 2 } else { 0 });
        assert_eq!(response.outputs.iter().all(|output| output.contents.is_some()), !raw);
        let id = ended.headers["x-prediction-id"].to_str().expect("text");
        let told = response.parameters["prediction_id"].parameter_choice.clone();
        assert_eq!(told, Some(ParameterChoice::StringParam(id.to_owned())));
        for name in ["x-request-id", "server-timing", "x-model-version"] {
            assert!(ended.headers.contains_key(name), "{name}");
        }
    }
    let mut request = wine(true);
    let mut scores = InferRequestedOutputTensor { name: "output_probability".into(), ..Default::default() };
    let two = InferParameter { parameter_choice: Some(ParameterChoice::Int64Param(2)) };
    scores.parameters.insert("classification".into(), two);
    request.outputs.push(scores);
    let response: ModelInferResponse = client.ask("ModelInfer", &request).message();
    assert_eq!(response.outputs.len(), 1);
    assert_eq!((response.outputs[0].datatype.as_str(), &response.outputs[0].shape[..]), ("BYTES", &[1, 2][..]));
    assert!(String::from_utf8_lossy(&response.raw_output_contents[0]).contains(":1:class_1"));
    assert!(!response.id.is_empty(), "an id is always answered");
    drop(client);
    server.stop();
    let server = Server::with(|config| config.front.grpc_always_raw = true);
    let mut client = Client::connect(server.address());
    let response: ModelInferResponse = client.ask("ModelInfer", &wine(false)).message();
    assert_eq!(response.raw_output_contents.len(), 2);
    is_wine(&response);
    drop(client);
    server.stop();
}

#[test]
fn wrong_requests_are_told_what_is_wrong() {
    let server = Server::with(|config| config.front.max_body = 1 << 20);
    let mut client = Client::connect(server.address());
    let mut change = |change: &dyn Fn(&mut ModelInferRequest), raw: bool, code: i32, words: &str| {
        let mut request = wine(raw);
        change(&mut request);
        refused(&client.ask("ModelInfer", &request), code, words);
    };
    change(&|request| request.model_name = "nowhere".into(), true, 5, "unknown model");
    change(&|request| request.model_version = "9".into(), true, 5, "unknown version");
    change(
        &|request| request.raw_input_contents.push(Bytes::new()),
        true,
        3,
        "expected 1 entries in raw_input_contents",
    );
    change(&|request| request.inputs.clear(), false, 3, "'input' is missing");
    change(&|request| request.inputs.push(request.inputs[0].clone()), false, 3, "given twice");
    change(&|request| request.inputs[0].shape = vec![1, 14], false, 3, "takes 14 elements, got 13");
    change(&|request| request.inputs[0].shape = vec![-1, 13], true, 3, "negative");
    change(&|request| request.inputs[0].shape = vec![1 << 40, 1 << 40], true, 3, "memory can address");
    change(&|request| request.inputs[0].shape = vec![1; 40], true, 3, "at most 32 axes");
    change(&|request| request.inputs[0].datatype = "FP64".into(), true, 3, "data-type is 'FP64'");
    change(&|request| request.inputs[0].datatype = "FLOAT".into(), true, 3, "unknown datatype");
    change(&|request| request.inputs[0].name = "inptu".into(), true, 3, "did you mean 'input'");
    change(
        &|request| request.inputs[0].contents = Some(InferTensorContents::default()),
        true,
        3,
        "contents field must not be specified when using raw_input_contents",
    );
    change(
        &|request| request.inputs[0].contents.as_mut().expect("typed").int_contents.push(1),
        false,
        3,
        "int_contents holds elements, which are not FP32",
    );
    change(&|request| request.raw_input_contents[0] = Bytes::from_static(&[0; 51]), true, 3, "byte size 51");
    let soon = InferParameter { parameter_choice: Some(ParameterChoice::StringParam("soon".into())) };
    change(&move |request| drop(request.parameters.insert("timeout".into(), soon.clone())), true, 3, "timeout");
    drop(client);
    server.stop();
}

#[test]
fn messages_that_are_none_disturb_nobody() {
    let server = Server::with(|config| config.front.max_body = 1 << 20);
    let mut client = Client::connect(server.address());
    let good = framed(&wine(true));
    let many: Vec<u8> = [0x2a, 0].repeat(70_000);
    for (bytes, code, words) in [
        (prefixed(0, &[0xff; 30]), 3, "malformed message"),
        (prefixed(0, &good[5..good.len() - 3]), 3, "malformed message"),
        (prefixed(0, &many), 3, "members"),
        (prefixed(0, &vec![0; (1 << 20) + 1]), 8, "max-body"),
        (prefixed(1, &[1, 2, 3]), 13, "grpc-encoding"),
        (prefixed(9, &[]), 13, "flag"),
        (Bytes::new(), 13, ""),
        (good.slice(..good.len() - 1), 13, ""),
        (good.slice(..3), 13, ""),
    ] {
        refused(&client.send(INFER, &[], bytes), code, words);
        is_wine(&client.ask("ModelInfer", &wine(true)).message());
    }
    refused(&client.send("inference.GRPCInferenceService/Nothing", &[], good.clone()), 12, "");
    refused(&client.send("no.Service/Nothing", &[], good.clone()), 12, "");
    refused(&client.send(INFER, &[("grpc-timeout", "soon")], good.clone()), 3, "grpc-timeout");
    refused(&client.send(INFER, &[("grpc-encoding", "br")], good), 12, "");
    drop(client);
    server.stop();
}

#[test]
fn deadlines_are_those_of_the_caller() {
    let server = Server::start();
    let mut client = Client::connect(server.address());
    let good = framed(&wine(true));
    refused(&client.send(INFER, &[("grpc-timeout", "1n")], good.clone()), 4, "deadline");
    is_wine(&client.send(INFER, &[("grpc-timeout", "30S")], good.clone()).message());
    refused(&client.send(INFER, &[("x-timeout-ms", "0")], good), 3, "x-timeout-ms");
    let mut request = wine(true);
    let micro = InferParameter { parameter_choice: Some(ParameterChoice::Uint64Param(1)) };
    request.parameters.insert("timeout".into(), micro);
    refused(&client.ask("ModelInfer", &request), 4, "deadline");
    drop(client);
    server.stop();
}

#[test]
fn packed_messages_are_read_and_answered_packed() {
    let server = Server::start();
    let mut client = Client::connect(server.address());
    let plain = wine(true).encode_to_vec();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&plain).expect("memory");
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(&plain).expect("memory");
    for (name, packed) in [("gzip", gzip.finish().expect("memory")), ("deflate", zlib.finish().expect("memory"))] {
        let headers = [("grpc-encoding", name)];
        // Its client did not say that it reads packed answers.
        is_wine(&client.send(INFER, &headers, prefixed(1, &packed)).message());
        let damaged = prefixed(1, &packed[..packed.len() / 2]);
        assert_ne!(client.send(INFER, &headers, damaged).code, 0);
    }
    let ended = client.send(INFER, &[("grpc-accept-encoding", "identity,deflate,gzip")], framed(&wine(true)));
    is_wine(&ended.message());
    drop(client);
    server.stop();
}

#[test]
fn a_stream_answers_in_order_and_survives_its_mistakes() {
    let server = Server::start();
    let mut client = Client::connect(server.address());
    let requests: Vec<Bytes> = (0..200)
        .map(|at| {
            let mut request = wine(at % 2 == 0);
            request.id = at.to_string();
            if at % 5 == 3 {
                request.model_name = "nowhere".to_owned();
            }
            framed(&request)
        })
        .collect();
    let ended = client.stream(STREAM, requests);
    assert_eq!((ended.code, ended.messages.len()), (0, 200), "{}", ended.words);
    for (at, message) in ended.messages.into_iter().enumerate() {
        let message = ModelStreamInferResponse::decode(message).expect("a message");
        let response = message.infer_response.expect("which request it was");
        assert_eq!(response.id, at.to_string());
        if at % 5 == 3 {
            assert!(message.error_message.contains("unknown model"), "{}", message.error_message);
        } else {
            assert_eq!(message.error_message, "");
            is_wine(&response);
        }
    }
    let broken = client.stream(STREAM, vec![framed(&wine(true)), prefixed(0, &[0xff; 9]), framed(&wine(true))]);
    assert_eq!((broken.code, broken.messages.len()), (3, 1), "what came before is answered");
    assert_eq!(client.stream(STREAM, Vec::new()).code, 0);
    drop(client);
    server.stop();
}

#[test]
fn health_speaks_of_services_that_are_there() {
    let server = Server::start();
    let mut client = Client::connect(server.address());
    for service in ["", "inference.GRPCInferenceService"] {
        let asked = framed(&HealthCheckRequest { service: service.into() });
        assert_eq!(client.send(HEALTH, &[], asked).message::<HealthCheckResponse>().status, 1, "{service}");
    }
    let unknown = framed(&HealthCheckRequest { service: "made.up".into() });
    refused(&client.send(HEALTH, &[], unknown), 5, "made.up");
    drop(client);
    server.stop();
}

#[test]
fn calls_are_counted_with_all_others() {
    let server = Server::start();
    let mut client = Client::connect(server.address());
    is_wine(&client.ask("ModelInfer", &wine(true)).message());
    is_wine(&client.ask("ModelInfer", &wine(false)).message());
    let mut wrong = wine(true);
    wrong.inputs.clear();
    wrong.raw_input_contents.clear();
    assert_eq!(client.ask("ModelInfer", &wrong).code, 3);
    let page = server.admin().ask(&Request::get("/metrics"));
    let page = String::from_utf8(page.body).expect("text");
    for line in [
        "tidegate_requests_total{model=\"wine\",version=\"1\",protocol=\"grpc\",code=\"200\"} 2",
        "tidegate_requests_total{model=\"wine\",version=\"1\",protocol=\"grpc\",code=\"400\"} 1",
        "tidegate_predictions_total{model=\"wine\",version=\"1\",variant=\"1\"} 2",
    ] {
        assert!(page.lines().any(|other| other == line), "no {line}");
    }
    let asked = ModelStatisticsRequest { name: "wine".into(), version: "1".into() };
    let stats: ModelStatisticsResponse = client.ask("ModelStatistics", &asked).message();
    let stats = &stats.model_stats[0];
    let inference = stats.inference_stats.expect("statistics");
    let count = |duration: Option<StatisticDuration>| duration.expect("a duration").count;
    assert_eq!((stats.inference_count, stats.execution_count), (2, 2));
    assert_eq!((count(inference.success), count(inference.fail), count(inference.queue)), (2, 1, 2));
    assert!(stats.last_inference > 1_600_000_000_000);
    drop(client);
    server.stop();
}

#[test]
fn the_repository_is_controlled_only_where_that_is_wanted() {
    let server = Server::start();
    let mut client = Client::connect(server.address());
    let index: RepositoryIndexResponse = client.ask("RepositoryIndex", &RepositoryIndexRequest::default()).message();
    assert!(index.models.iter().any(|line| line.name == "wine" && line.state == "READY"));
    let load = RepositoryModelLoadRequest { model_name: "wine".into(), ..Default::default() };
    refused(&client.ask("RepositoryModelLoad", &load), 7, "--model-control explicit");
    let config = ModelConfigRequest { name: "wine".into(), version: String::new() };
    let config = client.ask("ModelConfig", &config).message::<ModelConfigResponse>().config.expect("a configuration");
    assert_eq!((config.max_batch_size, &config.input[0].dims[..]), (256, &[13][..]));
    drop(client);
    server.stop();
    let server = Server::with(|config| {
        config.registry.control = Control::Explicit;
        config.front.control = true;
    });
    let mut client = Client::connect(server.address());
    // As KServe's clients name the model.
    let load = RepositoryModelLoadRequest { repository_name: "wine".into(), ..Default::default() };
    let loaded: RepositoryModelLoadResponse = client.ask("RepositoryModelLoad", &load).message();
    assert!(loaded.is_loaded);
    is_wine(&client.ask("ModelInfer", &wine(true)).message());
    let unload = RepositoryModelUnloadRequest { model_name: "wine".into(), ..Default::default() };
    client.ask("RepositoryModelUnload", &unload).message::<RepositoryModelUnloadResponse>();
    assert_ne!(client.ask("ModelInfer", &wine(true)).code, 0);
    drop(client);
    server.stop();
}
