//! What the protocols cost on the wire: whole requests over loopback, one connection, one after the other.
//!
//! `cargo bench --bench wire`
//!
//! A tensor of 600 KB goes to a model that looks at one of its numbers, so that nearly all of the time is the
//! protocol's; beside it a bare hyper server that reads the same body and gives a fixed answer. Then the same rows
//! to a real model over HTTP and gRPC. All take turns, so that what else the machine does hits all of them.

#[path = "../tests/common/mod.rs"]
mod common;

use bytes::Bytes;
use common::client::{Client, Request};
use common::{Server, grpc};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Response, body::Incoming};
use hyper_util::rt::TokioIo;
use prost::Message;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tidegate::engine::onnx::pb;
use tidegate::front::grpc::proto::model_infer_request::InferInputTensor;
use tidegate::front::grpc::proto::{InferTensorContents, ModelInferRequest};

/// Numbers of the large tensor: 600 KB.
const WIDTH: usize = 150_000;
const ROUNDS: usize = 40;

/// One way to ask, and how long each time took.
struct Way<'a> {
    name: &'static str,
    ask: Box<dyn FnMut() + 'a>,
    times: Vec<Duration>,
}

fn way<'a>(name: &'static str, ask: impl FnMut() + 'a) -> Way<'a> {
    Way { name, ask: Box::new(ask), times: Vec::new() }
}

/// Takes turns and prints medians. `asked` is how often each goes in one turn.
fn race(title: &str, asked: usize, mut ways: Vec<Way<'_>>) {
    for round in 0..ROUNDS {
        for way in &mut ways {
            for _ in 0..asked {
                let started = Instant::now();
                (way.ask)();
                // The first rounds warm up.
                if round >= ROUNDS / 4 {
                    way.times.push(started.elapsed());
                }
            }
        }
    }
    println!("{title}");
    for way in &mut ways {
        way.times.sort();
        let at = |part: usize| way.times[way.times.len() * part / 100].as_secs_f64() * 1e6;
        println!("  {:<28} p50 {:>8.1} us   p25 {:>8.1}   p75 {:>8.1}", way.name, at(50), at(25), at(75));
    }
}

/// A model that gives the first number of each row of `WIDTH`.
fn first_of_many() -> Vec<u8> {
    use pb::tensor_proto::DataType;
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    let end = |name: &str, width: usize| {
        let any = Dimension { value: Some(Value::DimParam("rows".into())), ..Default::default() };
        let fixed = Dimension { value: Some(Value::DimValue(width as i64)), ..Default::default() };
        let shape = Some(pb::TensorShapeProto { dim: vec![any, fixed] });
        let tensor = pb::type_proto::Tensor { elem_type: DataType::Float as i32, shape };
        let value = Some(pb::type_proto::Value::TensorType(tensor));
        pb::ValueInfoProto {
            name: name.into(),
            r#type: Some(pb::TypeProto { value, ..Default::default() }),
            ..Default::default()
        }
    };
    let node = pb::NodeProto {
        op_type: "ArrayFeatureExtractor".into(),
        domain: "ai.onnx.ml".into(),
        input: vec!["x".into(), "first".into()],
        output: vec!["y".into()],
        ..Default::default()
    };
    let first = pb::TensorProto {
        name: "first".into(),
        dims: vec![1],
        data_type: DataType::Int64 as i32,
        int64_data: vec![0],
        ..Default::default()
    };
    let graph = pb::GraphProto {
        node: vec![node],
        name: "first".into(),
        input: vec![end("x", WIDTH)],
        output: vec![end("y", 1)],
        initializer: vec![first],
        ..Default::default()
    };
    let opset = |domain: &str, version| pb::OperatorSetIdProto { domain: domain.into(), version };
    let opset_import = vec![opset("", 17), opset("ai.onnx.ml", 3)];
    pb::ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..Default::default() }.encode_to_vec()
}

/// A bare hyper server in a thread of its own.
fn bare() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    listener.set_nonblocking(true).expect("a socket");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let answer = service_fn(|request: hyper::Request<Incoming>| async {
                    let body = request.into_body().collect().await?.to_bytes();
                    std::hint::black_box(body);
                    Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from_static(&[b' '; 250]))))
                });
                let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                tokio::spawn(serving);
            }
        });
    });
    address
}

/// A request as it stands on the wire, sent again and again over one connection.
fn http(address: SocketAddr, request: &Request) -> impl FnMut() + use<> {
    let (mut client, bytes) = (Client::connect(address), request.bytes());
    move || {
        client.send(&bytes).expect("an open connection");
        let reply = client.receive().expect("an answer");
        assert_eq!(reply.status, 200, "{reply}");
    }
}

fn binary(path: &str, input: &str, shape: [usize; 2], values: &[f32]) -> Request {
    let raw: &[u8] = bytemuck::cast_slice(values);
    let json = format!(
        "{{\"inputs\":[{{\"name\":\"{input}\",\"shape\":[{},{}],\"datatype\":\"FP32\",\"parameters\":{{\"binary_data_size\":{}}}}}],\
         \"parameters\":{{\"binary_data_output\":true}}}}",
        shape[0],
        shape[1],
        raw.len()
    );
    let request = Request::post(path, [json.as_bytes(), raw].concat());
    request.with("inference-header-content-length", &json.len().to_string())
}

fn json(path: &str, input: &str, shape: [usize; 2], values: &[f32]) -> Request {
    let list = values.iter().map(|value| format!("{value:.8}")).collect::<Vec<_>>().join(",");
    let body = format!(
        "{{\"inputs\":[{{\"name\":\"{input}\",\"shape\":[{},{}],\"datatype\":\"FP32\",\"data\":[{list}]}}]}}",
        shape[0], shape[1]
    );
    Request::post(path, body).with("content-type", "application/json")
}

fn call(
    address: SocketAddr,
    model: &str,
    input: &str,
    shape: [usize; 2],
    values: &[f32],
    raw: bool,
) -> impl FnMut() + use<> {
    let bytes = || Bytes::copy_from_slice(bytemuck::cast_slice(values));
    let contents = || InferTensorContents { fp32_contents: values.to_vec(), ..Default::default() };
    let message = ModelInferRequest {
        model_name: model.into(),
        inputs: vec![InferInputTensor {
            name: input.into(),
            datatype: "FP32".into(),
            shape: shape.iter().map(|dim| *dim as i64).collect(),
            contents: (!raw).then(contents),
            ..Default::default()
        }],
        raw_input_contents: if raw { vec![bytes()] } else { Vec::new() },
        ..Default::default()
    };
    let (mut client, framed) = (grpc::Client::connect(address), grpc::framed(&message));
    move || {
        let ended = client.send("inference.GRPCInferenceService/ModelInfer", &[], framed.clone());
        assert_eq!(ended.code, 0, "{ended:?}");
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("first.onnx"), first_of_many()).expect("written");
    let server = Server::with(|config| {
        config.registry.paths = vec![folder.path().to_owned(), common::models().join("diabetes")];
        config.registry.monitor.enabled = false;
    });
    let (address, bare) = (server.address(), bare());
    let values: Vec<f32> = (0..WIDTH).map(|at| (at % 9973) as f32 / 9973.0).collect();
    let shape = [1, WIDTH];
    let path = "/v2/models/first/infer";
    let large = binary(path, "x", shape, &values);
    let (source, mut copy) = (values.clone(), vec![0f32; WIDTH]);
    race(
        "a tensor of 600 KB",
        5,
        vec![
            way("bare hyper, the same body", http(bare, &large)),
            way("HTTP, raw", http(address, &large)),
            way("gRPC, raw", call(address, "first", "x", shape, &values, true)),
            way("gRPC, typed", call(address, "first", "x", shape, &values, false)),
            way("HTTP, JSON of 8 digits", http(address, &json(path, "x", shape, &values))),
            way("the copy alone", move || {
                copy.copy_from_slice(std::hint::black_box(&source));
                std::hint::black_box(&mut copy);
            }),
        ],
    );
    for rows in [1, 100] {
        let values: Vec<f32> = (0..rows * 10).map(|at| (at * 7 % 97) as f32).collect();
        let shape = [rows, 10];
        let path = "/v2/models/diabetes/infer";
        race(
            &format!("{rows} rows of 10 to 100 trees"),
            100,
            vec![
                way("HTTP, JSON", http(address, &json(path, "input", shape, &values))),
                way("HTTP, raw", http(address, &binary(path, "input", shape, &values))),
                way("gRPC, raw", call(address, "diabetes", "input", shape, &values, true)),
                way("gRPC, typed", call(address, "diabetes", "input", shape, &values, false)),
            ],
        );
    }
}
