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
        let inputs = [Tensor::new(dims.as_slice(), Data::F32(values)).expect("it fits")];
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
    let (input, output) = (vec!["x".into()], vec!["y".into()]);
    file(width, vec![pb::NodeProto { op_type: "Relu".into(), input, output, ..Default::default() }])
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
fn rows_of_any_width_cost_no_memory_until_a_request_brings_one() {
    for width in [1 << 40, i64::MAX] {
        let proto = relu(width);
        let graph = Graph::new(&proto).expect("a graph");
        let network = Network::new(&proto, &graph).expect("tract takes it");
        let kept: Vec<usize> = network.0.sizes.plans.iter().map(|(rows, _)| *rows).collect();
        assert_eq!(kept, [1], "{width}: nothing was tried");
    }
}

#[test]
fn batches_whose_rows_know_of_each_other_are_not_cut() {
    let node = |op: &str, inputs: &[&str], output: &str| pb::NodeProto {
        op_type: op.into(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        ..Default::default()
    };
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
