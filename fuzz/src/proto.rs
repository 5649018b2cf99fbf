//! ONNX files of one operator, put together from attributes.

use prost::Message;
use tidegate::engine::onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_proto::DataType, tensor_shape_proto, type_proto,
};

pub fn named(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() }
}

pub fn ints(name: &str, ints: Vec<i64>) -> AttributeProto {
    AttributeProto { ints, ..named(name, AttributeType::Ints) }
}

pub fn number(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..named(name, AttributeType::Int) }
}

pub fn floats(name: &str, floats: Vec<f32>) -> AttributeProto {
    AttributeProto { floats, ..named(name, AttributeType::Floats) }
}

pub fn strings<'a>(name: &str, strings: impl IntoIterator<Item = &'a str>) -> AttributeProto {
    let strings = strings.into_iter().map(|text| text.as_bytes().to_vec()).collect();
    AttributeProto { strings, ..named(name, AttributeType::Strings) }
}

pub fn tensor_of_doubles(name: &str, values: &[f32]) -> AttributeProto {
    let double_data: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
    let dims = vec![double_data.len() as i64];
    let tensor = TensorProto { dims, data_type: DataType::Double as i32, double_data, ..Default::default() };
    AttributeProto { t: Some(tensor), ..named(name, AttributeType::Tensor) }
}

pub fn tensor_of_bytes(name: &str, raw_data: Vec<u8>) -> AttributeProto {
    let dims = vec![raw_data.len() as i64];
    let tensor = TensorProto { dims, data_type: DataType::Uint8 as i32, raw_data, ..Default::default() };
    AttributeProto { t: Some(tensor), ..named(name, AttributeType::Tensor) }
}

/// A file with one operator of `ai.onnx.ml` that takes rows of floats. Classifiers give labels, of
/// text or numbers, and scores.
pub fn model(op: &str, version: i64, attribute: Vec<AttributeProto>, columns: u8, text: bool) -> Vec<u8> {
    let label = if text { DataType::String } else { DataType::Int64 };
    let outputs = match op {
        "TreeEnsembleClassifier" => vec![end("label", label, &[0]), end("y", DataType::Float, &[0, 0])],
        _ => vec![end("y", DataType::Float, &[0, 0])],
    };
    let node = NodeProto {
        input: vec!["x".into()],
        output: outputs.iter().map(|end| end.name.clone()).collect(),
        op_type: op.into(),
        domain: "ai.onnx.ml".into(),
        attribute,
        ..Default::default()
    };
    let input = vec![end("x", DataType::Float, &[0, columns.into()])];
    file(GraphProto { node: vec![node], input, output: outputs, ..Default::default() }, 18, version)
}

/// A file around a graph, with its versions of the standard operators and of `ai.onnx.ml`.
pub fn file(graph: GraphProto, standard: i64, ml: i64) -> Vec<u8> {
    let opset_import = vec![
        OperatorSetIdProto { domain: String::new(), version: standard },
        OperatorSetIdProto { domain: "ai.onnx.ml".into(), version: ml },
    ];
    ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..Default::default() }.encode_to_vec()
}

/// An input or output; an axis of 0 has any length.
pub fn end(name: &str, kind: DataType, dims: &[i64]) -> ValueInfoProto {
    let dim = |n: &i64| tensor_shape_proto::Dimension {
        value: (*n > 0).then_some(tensor_shape_proto::dimension::Value::DimValue(*n)),
        ..Default::default()
    };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor = type_proto::Tensor { elem_type: kind as i32, shape };
    let value = Some(type_proto::Value::TensorType(tensor));
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { value, ..Default::default() }), ..Default::default() }
}
