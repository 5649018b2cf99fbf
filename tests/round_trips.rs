//! Tensors of every datatype and of random shapes go through a model that gives back what it gets, in every
//! protocol, and come back bit for bit.

mod common;

use bytes::Bytes;
use common::client::{Client, Reply, Request};
use common::grpc::Client as Grpc;
use common::{Server, grpc};
use half::{bf16, f16};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use prost::Message;
use std::cell::RefCell;
use std::sync::Arc;
use tidegate::engine::onnx::pb;
use tidegate::front::grpc::proto::model_infer_request::InferInputTensor;
use tidegate::front::grpc::proto::{InferTensorContents, ModelInferRequest, ModelInferResponse};
use tidegate::json::{Elements, Kind, NonFinite, Reader, write_nested};
use tidegate::tensor::{DType, Data, Element};

/// With ONNX's number of each.
const TYPES: [(DType, i32); 14] = [
    (DType::F32, 1),
    (DType::U8, 2),
    (DType::I8, 3),
    (DType::U16, 4),
    (DType::I16, 5),
    (DType::I32, 6),
    (DType::I64, 7),
    (DType::Str, 8),
    (DType::Bool, 9),
    (DType::F16, 10),
    (DType::F64, 11),
    (DType::U32, 12),
    (DType::U64, 13),
    (DType::BF16, 16),
];
const CASES: u32 = 8;

/// A file that gives back what it gets: three axes of any length.
fn same(code: i32) -> Vec<u8> {
    let end = |name: &str| {
        use pb::tensor_shape_proto::{Dimension, dimension::Value};
        let axis = |axis: &str| Dimension { value: Some(Value::DimParam(axis.into())), ..Default::default() };
        let shape = Some(pb::TensorShapeProto { dim: ["n", "a", "b"].map(axis).into() });
        let value = Some(pb::type_proto::Value::TensorType(pb::type_proto::Tensor { elem_type: code, shape }));
        let r#type = Some(pb::TypeProto { value, ..Default::default() });
        pb::ValueInfoProto { name: name.into(), r#type, ..Default::default() }
    };
    let node = pb::NodeProto {
        op_type: "Identity".into(),
        input: vec!["x".into()],
        output: vec!["y".into()],
        ..Default::default()
    };
    let graph = pb::GraphProto {
        node: vec![node],
        name: "same".into(),
        input: vec![end("x")],
        output: vec![end("y")],
        ..Default::default()
    };
    let opset_import = vec![pb::OperatorSetIdProto { domain: String::new(), version: 17 }];
    pb::ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..Default::default() }.encode_to_vec()
}

/// A shape and as many elements, every bit pattern among them but odd NaNs, which have no form in JSON.
fn tensor(dtype: DType) -> impl Strategy<Value = (Vec<usize>, Data)> {
    fn of<T: Element>(bits: &[u64], value: impl Fn(u64) -> T) -> Data {
        T::wrap(bits.iter().map(|bits| value(*bits)).collect())
    }
    let words = ["", "a", "\0", "\u{e4}\n\"\\", "\u{1f30a}", "NaN"];
    proptest::collection::vec(1..4usize, 3).prop_flat_map(move |shape| {
        let count = shape.iter().product::<usize>();
        proptest::collection::vec(any::<u64>(), count).prop_map(move |bits| {
            let data = match dtype {
                DType::Bool => of(&bits, |bits| bits & 1 == 1),
                DType::U8 => of(&bits, |bits| bits as u8),
                DType::U16 => of(&bits, |bits| bits as u16),
                DType::U32 => of(&bits, |bits| bits as u32),
                DType::U64 => of(&bits, |bits| bits),
                DType::I8 => of(&bits, |bits| bits as i8),
                DType::I16 => of(&bits, |bits| bits as i16),
                DType::I32 => of(&bits, |bits| bits as i32),
                DType::I64 => of(&bits, |bits| bits as i64),
                DType::F16 => {
                    of(&bits, |bits| Some(f16::from_bits(bits as u16)).filter(|x| !x.is_nan()).unwrap_or(f16::NAN))
                }
                DType::BF16 => {
                    of(&bits, |bits| Some(bf16::from_bits(bits as u16)).filter(|x| !x.is_nan()).unwrap_or(bf16::NAN))
                }
                DType::F32 => {
                    of(&bits, |bits| Some(f32::from_bits(bits as u32)).filter(|x| !x.is_nan()).unwrap_or(f32::NAN))
                }
                DType::F64 => of(&bits, |bits| Some(f64::from_bits(bits)).filter(|x| !x.is_nan()).unwrap_or(f64::NAN)),
                DType::Str => of(&bits, |bits| Arc::from(words[bits as usize % words.len()])),
            };
            (shape.clone(), data)
        })
    })
}

/// The elements as raw bytes, written here again.
fn raw(data: &Data) -> Vec<u8> {
    match data {
        Data::Bool(v) => v.iter().map(|x| u8::from(*x)).collect(),
        Data::U8(v) => v.to_vec(),
        Data::U16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::U32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::U64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I8(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::F16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::BF16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::Str(v) => v.iter().flat_map(|x| [&(x.len() as u32).to_le_bytes()[..], x.as_bytes()].concat()).collect(),
    }
}

/// The raw bytes where JSON without tokens has nothing but `null` for infinities.
fn without_infinities(data: &Data) -> Vec<u8> {
    let mut data = data.clone();
    match &mut data {
        Data::F16(v) => v.iter_mut().filter(|x| x.is_infinite()).for_each(|x| *x = f16::NAN),
        Data::BF16(v) => v.iter_mut().filter(|x| x.is_infinite()).for_each(|x| *x = bf16::NAN),
        Data::F32(v) => v.iter_mut().filter(|x| x.is_infinite()).for_each(|x| *x = f32::NAN),
        Data::F64(v) => v.iter_mut().filter(|x| x.is_infinite()).for_each(|x| *x = f64::NAN),
        _ => {}
    }
    raw(&data)
}

/// The elements of the first member of this name, however deep its lists go.
fn member(dtype: DType, reply: &Reply, name: &str) -> Vec<u8> {
    fn find(reader: &mut Reader<'_>, name: &str, elements: &mut Elements) {
        match reader.peek().expect("JSON") {
            Kind::Object => reader.object(|reader, key| {
                if key == name {
                    all(reader, elements);
                } else {
                    find(reader, name, elements);
                }
                Ok::<(), tidegate::json::JsonError>(())
            }),
            Kind::Array => reader.array(|reader| {
                find(reader, name, elements);
                Ok::<(), tidegate::json::JsonError>(())
            }),
            _ => reader.skip(),
        }
        .expect("JSON");
    }
    fn all(reader: &mut Reader<'_>, elements: &mut Elements) {
        match reader.peek().expect("JSON") {
            Kind::Array => reader
                .array(|reader| {
                    all(reader, elements);
                    Ok::<(), tidegate::json::JsonError>(())
                })
                .expect("a list"),
            _ => elements.read(reader).expect("an element"),
        }
    }
    assert_eq!(reply.status, 200, "{reply}");
    let mut elements = Elements::new(dtype, 0);
    find(&mut Reader::new(&reply.body, 64), name, &mut elements);
    raw(&elements.data)
}

struct Asker<'a> {
    client: &'a mut Client,
    model: String,
    dtype: DType,
    shape: &'a [usize],
    data: &'a Data,
}

impl Asker<'_> {
    fn json(&self) -> String {
        let mut text = Vec::new();
        write_nested(&mut text, self.data, self.shape, 0, NonFinite::Token);
        String::from_utf8(text).expect("JSON")
    }

    fn post(&mut self, path: &str, body: String, name: &str) -> Vec<u8> {
        let reply = self.client.ask(&Request::post(path, body).with("content-type", "application/json"));
        member(self.dtype, &reply, name)
    }

    fn head(&self, rest: &str) -> String {
        let shape = format!("{:?}", self.shape);
        format!(r#"{{"inputs":[{{"name":"x","shape":{shape},"datatype":"{}",{rest}}}]"#, self.dtype)
    }

    fn oip(&mut self) -> Vec<u8> {
        let body = self.head(&format!(r#""data":{}"#, self.json())) + "}";
        self.post(&format!("/v2/models/{}/infer", self.model), body, "data")
    }

    fn binary(&mut self) -> Vec<u8> {
        let tail = raw(self.data);
        let head = self.head(&format!(r#""parameters":{{"binary_data_size":{}}}"#, tail.len()));
        let head = head + r#","parameters":{"binary_data_output":true}}"#;
        let request = Request::post(&format!("/v2/models/{}/infer", self.model), [head.as_bytes(), &tail].concat());
        let reply = self.client.ask(&request.with("inference-header-content-length", &head.len().to_string()));
        assert_eq!(reply.status, 200, "{reply}");
        let length: usize = reply.header("inference-header-content-length").expect("raw").parse().expect("a length");
        reply.body[length..].to_vec()
    }

    /// The three protocols of JSON alone, and what they answer.
    fn others(&mut self) -> Vec<(String, Vec<u8>)> {
        let (json, model) = (self.json(), self.model.clone());
        let v1 = format!("/v1/models/{model}:predict");
        let plain = format!("/models/{model}/predict");
        [
            (v1.clone(), format!(r#"{{"instances":{json}}}"#), "predictions"),
            (v1, format!(r#"{{"inputs":{{"x":{json}}}}}"#), "outputs"),
            (plain, format!(r#"{{"features":{json}}}"#), "predictions"),
            ("/invocations".to_owned(), format!(r#"{{"instances":{json}}}"#), "predictions"),
            ("/invocations".to_owned(), format!(r#"{{"inputs":{{"x":{json}}}}}"#), "predictions"),
        ]
        .into_iter()
        .map(|(path, body, name)| (path.clone(), self.post(&path, body, name)))
        .collect()
    }
}

fn contents(data: &Data) -> InferTensorContents {
    let mut contents = InferTensorContents::default();
    match data.clone() {
        Data::Bool(v) => contents.bool_contents = v,
        Data::I8(v) => contents.int_contents = v.into_iter().map(i32::from).collect(),
        Data::I16(v) => contents.int_contents = v.into_iter().map(i32::from).collect(),
        Data::I32(v) => contents.int_contents = v.into_vec(),
        Data::I64(v) => contents.int64_contents = v.into_vec(),
        Data::U8(v) => contents.uint_contents = v.into_iter().map(u32::from).collect(),
        Data::U16(v) => contents.uint_contents = v.into_iter().map(u32::from).collect(),
        Data::U32(v) => contents.uint_contents = v.into_vec(),
        Data::U64(v) => contents.uint64_contents = v.into_vec(),
        Data::F32(v) => contents.fp32_contents = v.into_vec(),
        Data::F64(v) => contents.fp64_contents = v.into_vec(),
        Data::Str(v) => contents.bytes_contents = v.iter().map(|x| Bytes::copy_from_slice(x.as_bytes())).collect(),
        Data::F16(_) | Data::BF16(_) => {}
    }
    contents
}

fn call(
    client: &mut Grpc,
    model: &str,
    dtype: DType,
    shape: &[usize],
    data: &Data,
    is_raw: bool,
) -> ModelInferResponse {
    let request = ModelInferRequest {
        model_name: model.into(),
        inputs: vec![InferInputTensor {
            name: "x".into(),
            datatype: dtype.name().into(),
            shape: shape.iter().map(|dim| *dim as i64).collect(),
            contents: (!is_raw).then(|| contents(data)),
            ..Default::default()
        }],
        raw_input_contents: if is_raw { vec![raw(data).into()] } else { Vec::new() },
        ..Default::default()
    };
    let answer: ModelInferResponse = client.ask("ModelInfer", &request).message();
    assert_eq!(answer.outputs[0].shape, shape.iter().map(|dim| *dim as i64).collect::<Vec<_>>());
    answer
}

fn models() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    for (dtype, code) in TYPES {
        std::fs::write(folder.path().join(format!("same_{dtype}.onnx")), same(code)).expect("written");
    }
    folder
}

/// Such tensors are not copied where they lie aligned, which the length of the JSON before them decides.
#[test]
fn large_tensors_come_back_wherever_they_lie() {
    let folder = models();
    let server = Server::with(|config| config.registry.paths = vec![folder.path().to_owned()]);
    let mut client = server.client();
    let tail: Vec<u8> = (0..50_000u32).flat_map(|at| (at as f64).sqrt().to_le_bytes()).collect();
    for id in 0..8 {
        let head = format!(
            r#"{{"id":"{}","inputs":[{{"name":"x","shape":[10,50,100],"datatype":"FP64","parameters":{{"binary_data_size":{}}}}}],"parameters":{{"binary_data_output":true}}}}"#,
            "x".repeat(id + 1),
            tail.len()
        );
        let request = Request::post("/v2/models/same_FP64/infer", [head.as_bytes(), &tail].concat());
        for request in [request.clone(), request.chunked(30_000)] {
            let reply = client.ask(&request.with("inference-header-content-length", &head.len().to_string()));
            assert_eq!(reply.status, 200, "{reply}");
            assert!(reply.body.ends_with(&tail), "{id}");
        }
    }
    drop(client);
    server.stop();
}

#[test]
fn every_datatype_comes_back_in_every_protocol() {
    let folder = models();
    for (dtype, _) in TYPES {
        let model = format!("same_{dtype}");
        let server = Server::with(|config| {
            config.registry.paths = vec![folder.path().to_owned()];
            config.front.default_model = Some(model.clone());
        });
        let client = RefCell::new((server.client(), grpc::Client::connect(server.address())));
        let halves = matches!(dtype, DType::F16 | DType::BF16);
        let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&tensor(dtype), |(shape, data)| {
            let (client, over_grpc) = &mut *client.borrow_mut();
            let wanted = raw(&data);
            let answer = call(over_grpc, &model, dtype, &shape, &data, true);
            prop_assert_eq!(&answer.raw_output_contents[0], &wanted, "gRPC, raw");
            let mut asker = Asker { client, model: model.clone(), dtype, shape: &shape, data: &data };
            prop_assert_eq!(&asker.binary(), &wanted, "binary");
            if !halves {
                prop_assert_eq!(&asker.oip(), &wanted, "JSON");
                let answer = call(over_grpc, &model, dtype, &shape, &data, false);
                let typed = answer.outputs[0].contents.as_ref().map(Message::encode_to_vec);
                // As bytes: NaN equals nothing, itself included.
                prop_assert_eq!(typed, Some(contents(&data).encode_to_vec()), "gRPC, typed");
            }
            for (path, got) in asker.others() {
                let wanted = if path.starts_with("/v1") { wanted.clone() } else { without_infinities(&data) };
                prop_assert_eq!(got, wanted, "{}", path);
            }
            Ok(())
        });
        drop(client.into_inner());
        server.stop();
        outcome.unwrap_or_else(|error| panic!("{dtype}: {error}"));
    }
}
