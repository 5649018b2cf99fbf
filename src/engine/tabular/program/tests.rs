//! Small graphs as programs: what is run, what is kept, and what is told.

use super::*;
use crate::engine::onnx::Attributes;
use crate::engine::{Dim, TensorSpec};
use crate::tensor::DType;

fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> Node {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Node {
        name: op.into(),
        op: op.into(),
        domain: Domain::Onnx,
        inputs: owned(inputs),
        outputs: owned(outputs),
        attributes: Attributes::default(),
    }
}

fn program(nodes: Vec<Node>, constants: &[(&str, Tensor)]) -> Result<Program, String> {
    let spec = |name: &str| TensorSpec::new(name, DType::F32, vec![Dim::Any(None)]);
    Program::new(&Graph {
        nodes,
        constants: constants.iter().map(|(name, tensor)| (name.to_string(), tensor.clone())).collect(),
        inputs: vec![spec("x")],
        outputs: vec![spec("y")],
        opset: 18,
    })
}

fn vector(values: &[f32]) -> Tensor {
    Tensor::of([values.len()], values.to_vec()).expect("fits")
}

fn run(program: &Program, values: &[f32]) -> Vec<f32> {
    let mut session = program.session().expect("a session");
    session.run(&[vector(values)]).expect("runs")[0].as_slice::<f32>().expect("floats").to_vec()
}

#[test]
fn what_nothing_reads_is_neither_run_nor_kept() {
    let nodes = vec![
        node("Neg", &["x"], &["a"]),
        node("Exp", &["x"], &["unread"]),
        node("Add", &["a", "a"], &["b"]),
        node("Mul", &["a", "b"], &["y"]),
    ];
    let program = program(nodes, &[]).expect("builds");
    assert_eq!(program.0.steps.iter().map(|step| step.what.as_str()).collect::<Vec<_>>(), ["Neg", "Add", "Mul"]);
    assert_eq!(program.0.steps.iter().map(|step| step.last_read.len()).collect::<Vec<_>>(), [0, 0, 2]);
    assert_eq!(run(&program, &[3.0]), [18.0]);
}

#[test]
fn an_input_left_out_between_others_is_no_operand() {
    let bound = ("high", Tensor::of(&[][..], vec![2.0f32]).expect("fits"));
    let program = program(vec![node("Clip", &["x", "", "high"], &["y"])], &[bound]).expect("builds");
    assert_eq!(run(&program, &[-5.0, 5.0]), [-5.0, 2.0]);
}

#[test]
fn results_without_a_name_are_let_go() {
    let k = ("k", Tensor::of([1], vec![1i64]).expect("fits"));
    let nodes = vec![node("TopK", &["x", "k"], &["best"]), node("Neg", &["best"], &["y"])];
    assert_eq!(run(&program(nodes, &[k]).expect("builds"), &[1.0, 4.0]), [-4.0]);
}

#[test]
fn constants_are_folded_at_load() {
    let nodes = vec![node("Neg", &["c"], &["d"]), node("Add", &["x", "d"], &["y"])];
    let program = program(nodes, &[("c", vector(&[1.0]))]).expect("builds");
    assert_eq!((program.0.steps.len(), run(&program, &[5.0])), (1, vec![4.0]));
}

#[test]
fn a_name_from_nowhere_is_told() {
    let error = program(vec![node("Neg", &["z"], &["y"])], &[]).err().expect("refused");
    assert_eq!(error, "operator Neg (node 'Neg'): its input 'z' comes from nowhere");
}
