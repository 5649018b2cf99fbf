//! Small graphs as programs: what is run, what is kept, and what is told.

use super::*;
use crate::engine::conformance::{Closeness, compare};
use crate::engine::onnx::{Attributes, pb};
use crate::engine::{Dim, TensorSpec};
use crate::tensor::DType;
use pb::attribute_proto::AttributeType;

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
    let graph = Graph {
        nodes,
        constants: constants.iter().map(|(name, tensor)| (name.to_string(), tensor.clone())).collect(),
        inputs: vec![spec("x")],
        outputs: vec![spec("y")],
        opset: 18,
    };
    Program::new(&graph, None)
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
fn constants_computed_at_load_stay_in_proportion_to_the_file() {
    let shape = |n: i64| Tensor::of([1], vec![n]).expect("fits");
    let filled = |name: &str| node("ConstantOfShape", &["shape"], &[name]);
    let add = || node("Add", &["x", "a"], &["y"]);
    let refused = |nodes, n| program(nodes, &[("shape", shape(n))]).err().expect("refused");
    assert!(refused(vec![filled("a"), add()], FOLDED_ELEMENTS as i64 + 1).contains("more than"));
    let many = (0..6).map(|_| filled("a")).chain([add()]).collect();
    assert!(refused(many, FOLDED_ELEMENTS as i64).contains("far more memory"));
    assert!(program(vec![filled("a"), add()], &[("shape", shape(1 << 20))]).is_ok());
}

#[test]
fn a_name_from_nowhere_is_told() {
    let error = program(vec![node("Neg", &["z"], &["y"])], &[]).err().expect("refused");
    assert_eq!(error, "operator Neg (node 'Neg'): its input 'z' comes from nowhere");
}

/// `numbers [N,3]` filled and scaled, `colour [N,1]` and `size [N,1]` encoded, all side by side.
fn pipeline() -> Graph {
    let ml = |op: &str, inputs: &[&str], outputs: &[&str], attributes: &[pb::AttributeProto]| {
        let attributes = Attributes::new(attributes);
        Node { domain: Domain::Ml, attributes, ..node(op, inputs, outputs) }
    };
    let floats = |name: &str, floats: &[f32]| pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Floats as i32,
        floats: floats.to_vec(),
        ..Default::default()
    };
    let missing = pb::AttributeProto {
        name: "replaced_value_float".into(),
        r#type: AttributeType::Float as i32,
        f: f32::NAN,
        ..Default::default()
    };
    let colours = pb::AttributeProto {
        name: "cats_strings".into(),
        r#type: AttributeType::Strings as i32,
        strings: ["red", "green", "blue"].map(|text| text.as_bytes().to_vec()).into(),
        ..Default::default()
    };
    let sizes = pb::AttributeProto {
        name: "cats_int64s".into(),
        r#type: AttributeType::Ints as i32,
        ints: vec![1, 2],
        ..Default::default()
    };
    let axis = |axis: i64| pb::AttributeProto {
        name: "axis".into(),
        r#type: AttributeType::Int as i32,
        i: axis,
        ..Default::default()
    };
    let concat = |inputs: &[&str], output: &str, at: i64| {
        let attributes = Attributes::new(&[axis(at)]);
        Node { attributes, ..node("Concat", inputs, &[output]) }
    };
    let spec = |name: &str, dtype, width| TensorSpec::new(name, dtype, vec![Dim::Any(None), Dim::Fixed(width)]);
    let shape = |values: &[i64]| Tensor::of([values.len()], values.to_vec()).expect("fits");
    let nodes = vec![
        ml("Imputer", &["numbers"], &["filled"], &[floats("imputed_value_floats", &[0.5, 7.0, -1.0]), missing]),
        ml("Scaler", &["filled"], &["scaled"], &[floats("offset", &[0.1]), floats("scale", &[3.0, 0.7, 1.1])]),
        ml("ArrayFeatureExtractor", &["scaled", "two"], &["chosen"], &[]),
        ml("OneHotEncoder", &["colour"], &["hot colour"], &[colours]),
        ml("OneHotEncoder", &["size"], &["hot size"], &[sizes]),
        concat(&["hot colour", "hot size"], "hot", 2),
        node("Reshape", &["hot", "flat"], &["encoded"]),
        concat(&["chosen", "encoded", "scaled"], "joined", 1),
        node("Neg", &["joined"], &["y"]),
    ];
    Graph {
        nodes,
        constants: [("two".to_owned(), shape(&[2, 0])), ("flat".to_owned(), shape(&[-1, 5]))].into(),
        inputs: vec![spec("numbers", DType::F32, 3), spec("colour", DType::Str, 1), spec("size", DType::I64, 1)],
        outputs: vec![TensorSpec::new("y", DType::F32, vec![Dim::Any(None), Dim::Fixed(10)])],
        opset: 18,
    }
}

fn rows() -> Vec<Tensor> {
    let numbers = vec![0.3f32, f32::NAN, 1e30, f32::NAN, 2.5, -0.0, 0.1, f32::INFINITY, 7.0];
    let colours = ["blue", "mauve", "red"].map(Arc::<str>::from).to_vec();
    vec![
        Tensor::of([3, 3], numbers).expect("fits"),
        Tensor::of([3, 1], colours).expect("fits"),
        Tensor::of([3, 1], vec![2i64, 2, 9]).expect("fits"),
    ]
}

#[test]
fn rows_written_at_once_are_those_of_the_single_steps() {
    let whole = Program::new(&pipeline(), None).expect("builds");
    assert_eq!(whole.0.steps.iter().map(|step| step.what.as_str()).collect::<Vec<_>>(), ["rows", "Neg"]);
    // A builder that knows of no columns makes each step run by itself.
    let apart = pipeline();
    let mut builder = Builder::new(&apart, None);
    for node in &apart.nodes {
        builder.add(node).expect("builds");
        builder.columns.clear();
    }
    let apart = Program(Arc::new(builder.finish(&apart).expect("builds")));
    assert_eq!(apart.0.steps.len(), 9, "nothing is fused");
    let bits = |program: &Program| {
        let answers = program.session().expect("a session").run(&rows()).expect("runs");
        answers[0].as_slice::<f32>().expect("floats").iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(bits(&whole), bits(&apart));
}

/// Two stumps over one column, whose leaves are called 10, 11 and 20, 21.
fn stumps(input: &str, output: &str) -> Node {
    let ints = |name: &str, values: &[i64]| pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..Default::default()
    };
    let floats = |name: &str, values: &[f32]| pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Floats as i32,
        floats: values.to_vec(),
        ..Default::default()
    };
    let texts = |name: &str, values: &[&str]| pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Strings as i32,
        strings: values.iter().map(|text| text.as_bytes().to_vec()).collect(),
        ..Default::default()
    };
    let logistic = pb::AttributeProto {
        name: "post_transform".into(),
        r#type: AttributeType::String as i32,
        s: b"LOGISTIC".to_vec(),
        ..Default::default()
    };
    let attributes = Attributes::new(&[
        ints("nodes_treeids", &[0, 0, 0, 1, 1, 1]),
        ints("nodes_nodeids", &[0, 10, 11, 0, 20, 21]),
        ints("nodes_featureids", &[0; 6]),
        floats("nodes_values", &[0.5, 0.0, 0.0, 1.5, 0.0, 0.0]),
        texts("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"]),
        ints("nodes_truenodeids", &[10, 0, 0, 20, 0, 0]),
        ints("nodes_falsenodeids", &[11, 0, 0, 21, 0, 0]),
        ints("target_treeids", &[0, 0, 1, 1]),
        ints("target_nodeids", &[10, 11, 20, 21]),
        ints("target_ids", &[0; 4]),
        floats("target_weights", &[1.0, 2.0, 4.0, 8.0]),
        logistic,
    ]);
    Node { domain: Domain::Ml, attributes, ..node("TreeEnsembleRegressor", &[input], &[output]) }
}

fn trees(nodes: Vec<Node>, output: &str) -> Program {
    let spec = |name: &str| TensorSpec::new(name, DType::F32, vec![Dim::Any(None), Dim::Fixed(1)]);
    let graph =
        Graph { nodes, constants: Default::default(), inputs: vec![spec("x")], outputs: vec![spec(output)], opset: 18 };
    Program::new(&graph, None).expect("builds")
}

const BOTH: Extras = Extras { margin: true, leaf: true };

#[test]
fn a_graph_that_asks_trees_once_tells_margins_and_leaves() {
    let nodes = || vec![node("Neg", &["x"], &["negative"]), stumps("negative", "p"), node("Neg", &["p"], &["y"])];
    let rows = Tensor::of([3, 1], vec![0.0f32, -1.0, -2.0]).expect("fits");
    let answer = |program: &Program, extras| -> Vec<Tensor> {
        let answers = program.session().expect("a session").run_asked(std::slice::from_ref(&rows), extras);
        let answers = answers.expect("runs");
        assert_eq!(answers.len(), program.signature().answered(extras).count());
        answers
    };
    let program = trees(nodes(), "y").with_extras(Extras::NONE).expect("trees");
    assert_eq!(answer(&program, Extras::NONE).len(), 1);
    let told = answer(&program, BOTH);
    let same = |got: &Tensor, want: &Tensor| compare(want, got, Closeness::EXACT);
    assert_eq!(same(&told[0], &answer(&program, Extras::NONE)[0]), Ok(()));
    // Before the logistic function.
    assert_eq!(same(&told[1], &Tensor::of([3, 1], vec![5.0f32, 6.0, 10.0]).expect("fits")), Ok(()));
    assert_eq!(same(&told[2], &Tensor::of([3, 2], vec![10i64, 20, 11, 20, 11, 21]).expect("fits")), Ok(()));
    let always = trees(nodes(), "y").with_extras(Extras { margin: false, leaf: true }).expect("trees");
    assert_eq!(always.signature().outputs.len(), 2);
    let all = answer(&always, BOTH);
    assert_eq!((same(&all[1], &told[2]), same(&all[2], &told[1])), (Ok(()), Ok(())));
    let named = trees(nodes().into_iter().take(2).collect(), "p").with_extras(BOTH).expect("trees");
    assert_eq!(answer(&named, Extras::NONE).len(), 3);
}

#[test]
fn an_output_of_the_graph_keeps_its_name() {
    let own = trees(vec![stumps("x", "leaf")], "leaf").with_extras(BOTH).expect("trees");
    let names: Vec<&str> = own.signature().outputs.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["leaf", "margin"]);
    let rows = Tensor::of([1, 1], vec![0.0f32]).expect("fits");
    assert_eq!(own.session().expect("a session").run_asked(&[rows], BOTH).expect("runs").len(), 2);
}

#[test]
fn extras_that_cannot_be_told_are_refused_in_words() {
    let refusal = |nodes| trees(nodes, "y").with_extras(BOTH).err().expect("refused");
    assert!(refusal(vec![node("Neg", &["x"], &["y"])]).contains("no operator of the graph asks trees"));
    let two = || vec![stumps("x", "a"), stumps("x", "b"), node("Add", &["a", "b"], &["y"])];
    assert!(refusal(two()).contains("several operators of the graph ask trees"));
    let silent = trees(two(), "y").with_extras(Extras::NONE).expect("nothing was asked for");
    assert!(silent.signature().extras.is_empty());
}
