//! Batches filled up or cut, and files that say odd things of their rows.

use super::*;
use prost::Message;

/// The bundled network with plans for 4 and 16 rows, whatever they save.
fn network() -> Plans {
    let bytes = include_bytes!("../../../../models/digits/1/model.onnx");
    let proto = pb::ModelProto::decode(&bytes[..]).expect("a model");
    let graph = Graph::new(&proto).expect("a graph");
    let signature = Signature::new(graph.inputs.clone(), graph.outputs);
    let typed = typed(&proto, &signature).expect("tract reads it");
    let plan = |rows| (rows, 1e-9 * rows as f64, sized(&typed, &signature, rows).expect("a plan"));
    let sizes = Sizes::with([4, 16].map(plan).into());
    Plans { signature, any: Some(optimise(typed).expect("a plan")), sizes, memory: 0 }
}

#[test]
fn batches_filled_up_or_cut_answer_as_any_batch_does() {
    let plans = network();
    for rows in [1, 3, 4, 5, 15, 16, 17, 33] {
        let spec = &plans.signature.inputs[0];
        let width: usize = spec.dims[1..].iter().map(|dim| if let Dim::Fixed(n) = dim { *n } else { 1 }).product();
        let values: Vec<f32> = (0..rows * width).map(|at| (at % 17) as f32).collect();
        let dims: Vec<usize> =
            [rows].into_iter().chain(plans.nothing(1).expect("zeros")[0].shape()[1..].to_vec()).collect();
        let inputs = [Tensor::new(dims.as_slice(), Data::F32(values.into())).expect("it fits")];
        let want = plans.any(&inputs).expect("it runs");
        let Way::Sized(at) = plans.sizes.way(rows) else { panic!("{rows} rows have a plan") };
        let got = plans.filled(at, &inputs, rows).expect("it runs");
        for (want, got) in want.iter().zip(&got) {
            compare(want, got, Closeness { rtol: 1e-5, atol: 1e-6 }).expect("the same answers");
        }
    }
}

/// `y = relu(x)` over rows of so many elements.
fn relu(width: i64) -> pb::ModelProto {
    file(width, vec![node("Relu", &["x"], "y")])
}

fn node(op: &str, inputs: &[&str], output: &str) -> pb::NodeProto {
    pb::NodeProto {
        op_type: op.into(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

/// Operators from `x`, rows of so many elements, to `y`.
fn file(width: i64, node: Vec<pb::NodeProto>) -> pb::ModelProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    let dims = [None, Some(Value::DimValue(width))].map(|value| Dimension { value, ..Default::default() });
    let shape = Some(pb::TensorShapeProto { dim: dims.into() });
    let tensor = pb::type_proto::Tensor { elem_type: pb::tensor_proto::DataType::Float as i32, shape };
    let value = Some(pb::type_proto::Value::TensorType(tensor));
    let end = |name: &str| pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto { value: value.clone(), ..Default::default() }),
        ..Default::default()
    };
    let graph = pb::GraphProto { node, input: vec![end("x")], output: vec![end("y")], ..Default::default() };
    let opset_import = vec![pb::OperatorSetIdProto { version: 17, ..Default::default() }];
    pb::ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..Default::default() }
}

#[test]
fn tensors_of_any_size_are_refused_before_they_are_made() {
    let concat = |at: usize| {
        let axis = pb::attribute_proto::AttributeType::Int as i32;
        let axis = pb::AttributeProto { name: "axis".into(), r#type: axis, i: 1, ..Default::default() };
        let from = if at == 0 { "x".to_owned() } else { format!("t{at}") };
        let to = if at == 39 { "y".to_owned() } else { format!("t{}", at + 1) };
        pb::NodeProto { attribute: vec![axis], ..node("Concat", &[&from, &from], &to) }
    };
    let files = [relu(1 << 40), relu(i64::MAX), file(1, (0..40).map(concat).collect())];
    for proto in files {
        let graph = Graph::new(&proto).expect("a graph");
        let error = Network::new(&proto, &graph).err().expect("refused");
        assert!(error.contains("makes a tensor of more than"), "{error}");
    }
}

#[test]
fn constants_of_any_length_are_refused_before_they_are_made() {
    let constant = |name: &str, values: &[i64]| pb::TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: pb::tensor_proto::DataType::Int64 as i32,
        int64_data: values.to_vec(),
        ..Default::default()
    };
    for (op, inputs) in [
        ("ConstantOfShape", &["far"][..]),
        ("Expand", &["zero", "far"]),
        ("Tile", &["zero", "far"]),
        ("Range", &["zero", "far", "zero"]),
        ("Range", &["zero", "far", "one"]),
    ] {
        let mut proto = file(1, vec![node(op, inputs, "c"), node("Add", &["x", "c"], "y")]);
        let stored = &mut proto.graph.as_mut().expect("a graph").initializer;
        stored.extend([constant("far", &[1 << 40]), constant("zero", &[0]), constant("one", &[1])]);
        let error = Network::new(&proto, &Graph::new(&proto).expect("a graph")).err().expect("refused");
        assert!(error.contains("elements"), "{op}: {error}");
    }
}

#[test]
fn batches_whose_rows_know_of_each_other_are_not_cut() {
    let over_rows = |output| {
        let axes = pb::attribute_proto::AttributeType::Ints as i32;
        let axes = pb::AttributeProto { name: "axes".into(), r#type: axes, ints: vec![0], ..Default::default() };
        pb::NodeProto { attribute: vec![axes], ..node("ReduceMean", &["x"], output) }
    };
    let centred = vec![over_rows("m"), node("Sub", &["x", "m"], "y")];
    for nodes in [centred, vec![over_rows("y")]] {
        let proto = file(2, nodes);
        let graph = Graph::new(&proto).expect("a graph");
        let signature = Signature::new(graph.inputs.clone(), graph.outputs);
        let typed = typed(&proto, &signature).expect("tract reads it");
        let sizes = Sizes::with([4].map(|rows| (rows, 1e-9, sized(&typed, &signature, rows).expect("a plan"))).into());
        let plans = Plans { signature, any: Some(optimise(typed).expect("a plan")), sizes, memory: 0 };
        assert!(!plans.pieces_agree());
    }
    assert!(network().pieces_agree());
}
