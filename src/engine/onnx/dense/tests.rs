//! Graphs that are chains, and some that are not.

use super::*;
use crate::engine::TensorSpec;
use crate::engine::lowered::Activation;
use crate::engine::onnx::{Attributes, Node, pb};
use std::collections::HashMap;

fn node(op: &str, inputs: &[&str], output: &str, attributes: Vec<pb::AttributeProto>) -> Node {
    Node {
        name: format!("{op}_{output}"),
        op: op.into(),
        domain: Domain::Onnx,
        inputs: inputs.iter().map(|name| (*name).to_owned()).collect(),
        outputs: vec![output.into()],
        attributes: Attributes::new(&attributes),
    }
}

fn int(name: &str, value: i64) -> pb::AttributeProto {
    let r#type = pb::attribute_proto::AttributeType::Int as i32;
    pb::AttributeProto { name: name.into(), i: value, r#type, ..Default::default() }
}

fn constant(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::of(shape, values.to_vec()).expect("it fits")
}

fn graph(nodes: Vec<Node>, constants: &[(&str, Tensor)], width: usize, outputs: usize) -> Graph {
    let table = |name: &str, width| TensorSpec::new(name, DType::F32, vec![Dim::Any(None), Dim::Fixed(width)]);
    let last = nodes.last().expect("there is one").outputs[0].clone();
    let constants: HashMap<String, Tensor> =
        constants.iter().map(|(name, t)| ((*name).to_owned(), t.clone())).collect();
    Graph { nodes, constants, inputs: vec![table("x", width)], outputs: vec![table(&last, outputs)], opset: 18 }
}

fn layers(lowered: &Lowered) -> &[crate::engine::lowered::Layer] {
    match &lowered.body {
        Body::Network(network) => &network.layers,
        Body::Forest(_) => panic!("a network was expected"),
    }
}

#[test]
fn products_biases_and_activations_become_layers() {
    let nodes = vec![
        node("Gemm", &["x", "w", "b"], "h", vec![int("transB", 1)]),
        node("Relu", &["h"], "r", vec![]),
        node("MatMul", &["r", "v"], "m", vec![]),
        node("Add", &["c", "m"], "s", vec![]),
        node("Softmax", &["s"], "y", vec![int("axis", -1)]),
    ];
    let constants = [
        ("w", constant(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ("b", constant(&[3], &[0.5, 0.0, -0.5])),
        ("v", constant(&[3, 2], &[1.0; 6])),
        ("c", constant(&[1, 2], &[7.0, 8.0])),
    ];
    let lowered = lower(&graph(nodes, &constants, 2, 2)).expect("a chain");
    assert!(lowered.columns.is_empty());
    let [first, second] = layers(&lowered) else { panic!("two layers") };
    assert_eq!((first.inputs, first.outputs, first.activation), (2, 3, Activation::Relu));
    assert_eq!(first.weights, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0], "turned over");
    assert_eq!(second.bias, [7.0, 8.0]);
    assert_eq!(second.activation, Activation::Softmax);
}

#[test]
fn scaling_before_the_first_product_belongs_to_the_columns_and_behind_it_to_the_layer() {
    let nodes = vec![
        node("Sub", &["x", "mean"], "a", vec![]),
        node("Div", &["a", "std"], "b", vec![]),
        node("MatMul", &["b", "w"], "c", vec![]),
        node("Mul", &["c", "two"], "d", vec![]),
        node("BatchNormalization", &["d", "g", "be", "mu", "var"], "y", vec![]),
    ];
    let constants = [
        ("mean", constant(&[2], &[1.0, 2.0])),
        ("std", constant(&[2], &[2.0, 4.0])),
        ("w", constant(&[2, 1], &[3.0, 5.0])),
        ("two", constant(&[], &[2.0])),
        ("g", constant(&[1], &[10.0])),
        ("be", constant(&[1], &[1.0])),
        ("mu", constant(&[1], &[4.0])),
        ("var", constant(&[1], &[1.0 - 1e-5])),
    ];
    let lowered = lower(&graph(nodes, &constants, 2, 1)).expect("a chain");
    let stages = [Stage::Affine { offset: 1.0, scale: 1.0 }, Stage::Affine { offset: 0.0, scale: 0.5 }];
    assert_eq!(lowered.columns[0].stages, stages);
    let [layer] = layers(&lowered) else { panic!("one layer") };
    let close = |got: &[f32], want: &[f32]| got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-3);
    assert!(close(&layer.weights, &[60.0, 100.0]), "{:?}", layer.weights);
    assert!(close(&layer.bias, &[-39.0]), "{:?}", layer.bias);
}

#[test]
fn what_is_no_chain_is_named() {
    let w = [("w", constant(&[2, 2], &[1.0; 4])), ("k", constant(&[1, 1, 3, 3], &[1.0; 9]))];
    let refused = |nodes: Vec<Node>| lower(&graph(nodes, &w, 2, 2)).map(|_| ()).expect_err("no chain");
    let first = || node("MatMul", &["x", "w"], "a", vec![]);
    assert!(refused(vec![first(), node("Conv", &["a", "k"], "y", vec![])]).contains("operator Conv"));
    assert!(refused(vec![first(), node("Add", &["a", "x"], "y", vec![])]).contains("'x' is no constant"));
    assert!(refused(vec![node("Relu", &["x"], "y", vec![])]).contains("matrix product"));
    assert!(refused(vec![node("MatMul", &["w", "x"], "y", vec![])]).contains("other side"));
    assert!(
        refused(vec![first(), node("Relu", &["a"], "b", vec![]), node("Add", &["b", "w"], "y", vec![])])
            .contains("shape")
    );
    let two = vec![first(), node("Relu", &["a"], "b", vec![]), node("Tanh", &["a"], "y", vec![])];
    assert!(refused(two).contains("one line"));
}

/// What scikit-learn's classifiers of two classes look like: scaled rows, one share, its complement, the label.
#[test]
fn a_classifiers_scaler_and_label_belong_to_it() {
    let ml = |op: &str, inputs: &[&str], output: &str, attributes| Node {
        domain: Domain::Ml,
        ..node(op, inputs, output, attributes)
    };
    let floats = |name: &str, floats: Vec<f32>| {
        let r#type = pb::attribute_proto::AttributeType::Floats as i32;
        pb::AttributeProto { name: name.into(), floats, r#type, ..Default::default() }
    };
    let nodes = vec![
        ml("Scaler", &["x"], "a", vec![floats("offset", vec![1.0, 2.0]), floats("scale", vec![2.0])]),
        node("Cast", &["a"], "b", vec![int("to", 1)]),
        node("MatMul", &["b", "w"], "c", vec![]),
        node("Sigmoid", &["c"], "p", vec![]),
        node("Sub", &["one", "p"], "n", vec![]),
        node("Concat", &["n", "p"], "shares", vec![int("axis", 1)]),
        node("ArgMax", &["shares"], "i", vec![int("axis", 1)]),
        ml("ArrayFeatureExtractor", &["classes", "i"], "l", vec![]),
        node("Reshape", &["l", "flat"], "r", vec![]),
        node("Cast", &["r"], "label", vec![int("to", 7)]),
    ];
    let of = |values: Vec<i64>| Tensor::of([values.len()], values).expect("it fits");
    let constants = [
        ("w", constant(&[2, 1], &[1.0, 1.0])),
        ("one", constant(&[], &[1.0])),
        ("classes", of(vec![7, 9])),
        ("flat", of(vec![-1])),
    ];
    let mut graph = graph(nodes, &constants, 2, 2);
    graph.outputs = vec![
        TensorSpec::new("label", DType::I64, vec![Dim::Any(None)]),
        TensorSpec::new("shares", DType::F32, vec![Dim::Any(None), Dim::Fixed(2)]),
    ];
    let lowered = lower(&graph).expect("a classifier");
    assert_eq!(lowered.columns[1].stages, [Stage::Affine { offset: 2.0, scale: 2.0 }]);
    assert_eq!(lowered.body.width(), 1);
    let outputs = lowered.ends.read(&[0.25, 0.5, 0.75], &[]).expect("answers");
    assert_eq!(outputs[0].as_slice::<i64>(), Some(&[7i64, 7, 9][..]), "the first of equals");
    assert_eq!(outputs[1].as_slice::<f32>(), Some(&[0.75f32, 0.25, 0.5, 0.5, 0.25, 0.75][..]));
    graph.outputs[0].dtype = DType::Str;
    assert!(lower(&graph).map(|_| ()).expect_err("no such label").contains("'label'"));
}
