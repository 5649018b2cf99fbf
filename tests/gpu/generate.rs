//! Random models as ONNX files, and rows that meet their thresholds: forests with every mode of
//! branching, missing values, all aggregates and transforms; pipelines; dense networks.

use tidegate::engine::onnx::pb;
use tidegate::tensor::{Data, Tensor};

/// Numbers that meet thresholds and each other, and the ends of the line.
const NUMBERS: [f32; 14] = [
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    3.0,
    1e-40,
    f32::MIN_POSITIVE,
    f32::MAX,
    0.1,
];

/// A small generator: a seed is all that proptest has to print.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    /// From -1 to 1.
    pub fn number(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

fn attribute(name: &str) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), ..Default::default() }
}

fn ints(name: &str, ints: Vec<i64>) -> pb::AttributeProto {
    let r#type = pb::attribute_proto::AttributeType::Ints as i32;
    pb::AttributeProto { ints, r#type, ..attribute(name) }
}

fn floats(name: &str, floats: Vec<f32>) -> pb::AttributeProto {
    let r#type = pb::attribute_proto::AttributeType::Floats as i32;
    pb::AttributeProto { floats, r#type, ..attribute(name) }
}

fn strings(name: &str, texts: Vec<&str>) -> pb::AttributeProto {
    let r#type = pb::attribute_proto::AttributeType::Strings as i32;
    pb::AttributeProto {
        strings: texts.into_iter().map(|text| text.as_bytes().to_vec()).collect(),
        r#type,
        ..attribute(name)
    }
}

fn string(name: &str, text: &str) -> pb::AttributeProto {
    let r#type = pb::attribute_proto::AttributeType::String as i32;
    pb::AttributeProto { s: text.as_bytes().to_vec(), r#type, ..attribute(name) }
}

fn int(name: &str, i: i64) -> pb::AttributeProto {
    let r#type = pb::attribute_proto::AttributeType::Int as i32;
    pb::AttributeProto { i, r#type, ..attribute(name) }
}

const FLOAT: i32 = 1;
const INT64: i32 = 7;

fn end(name: &str, elem_type: i32, dims: &[i64]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    let dim = |n: &i64| Dimension { value: (*n > 0).then_some(Value::DimValue(*n)), ..Default::default() };
    let shape = Some(pb::TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor = pb::type_proto::Tensor { elem_type, shape };
    let value = Some(pb::type_proto::Value::TensorType(tensor));
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto { value, ..Default::default() }),
        ..Default::default()
    }
}

/// A file of these nodes over one table `x`.
fn file(
    nodes: Vec<pb::NodeProto>,
    initializer: Vec<pb::TensorProto>,
    width: usize,
    outputs: &[(&str, bool, &[i64])],
) -> Vec<u8> {
    use prost::Message;
    let output =
        outputs.iter().map(|(name, float, dims)| end(name, if *float { FLOAT } else { INT64 }, dims)).collect();
    let input = vec![end("x", FLOAT, &[0, width as i64])];
    let graph = pb::GraphProto { name: "g".into(), node: nodes, initializer, input, output, ..Default::default() };
    let set = |domain: &str, version| pb::OperatorSetIdProto { domain: domain.into(), version };
    let opset_import = vec![set("", 18), set("ai.onnx.ml", 3)];
    pb::ModelProto { ir_version: 8, opset_import, graph: Some(graph), ..Default::default() }.encode_to_vec()
}

fn node(
    op: &str,
    domain: &str,
    inputs: &[&str],
    outputs: &[&str],
    attribute: Vec<pb::AttributeProto>,
) -> pb::NodeProto {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    pb::NodeProto {
        op_type: op.into(),
        domain: domain.into(),
        input: texts(inputs),
        output: texts(outputs),
        attribute,
        ..Default::default()
    }
}

fn float(name: &str, f: f32) -> pb::AttributeProto {
    let r#type = pb::attribute_proto::AttributeType::Float as i32;
    pb::AttributeProto { f, r#type, ..attribute(name) }
}

const MODES: [&str; 6] = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
const POSTS: [&str; 4] = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"];
const AGGREGATES: [&str; 4] = ["SUM", "AVERAGE", "MIN", "MAX"];

/// The lists of a tree operator's attributes.
#[derive(Default)]
struct Lists {
    tree: Vec<i64>,
    node: Vec<i64>,
    feature: Vec<i64>,
    mode: Vec<&'static str>,
    value: Vec<f32>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing: Vec<i64>,
    vote_tree: Vec<i64>,
    vote_node: Vec<i64>,
    vote_target: Vec<i64>,
    vote_weight: Vec<f32>,
}

/// What a forest is like.
#[derive(Clone, Copy, Debug)]
struct Kind {
    trees: usize,
    depth: usize,
    columns: usize,
    targets: usize,
    /// Modes are of the first so many.
    modes: usize,
    /// Votes of a leaf: one for one target, or any number.
    many_votes: bool,
}

impl Lists {
    fn grow(&mut self, random: &mut Random, kind: &Kind, tree: usize) {
        let mut next = 1;
        let mut waiting = vec![(0i64, 0usize)];
        while let Some((at, depth)) = waiting.pop() {
            let leaf = depth == kind.depth || (depth > 0 && random.below(4) == 0);
            self.tree.push(tree as i64);
            self.node.push(at);
            self.feature.push(random.below(kind.columns) as i64);
            self.missing.push(random.below(2) as i64);
            if leaf {
                self.mode.push("LEAF");
                self.value.push(0.0);
                self.yes.push(0);
                self.no.push(0);
                self.vote(random, kind, tree, at);
                continue;
            }
            self.mode.push(MODES[random.below(kind.modes)]);
            // NaN is no threshold.
            self.value.push(NUMBERS[1 + random.below(NUMBERS.len() - 1)]);
            self.yes.push(next);
            self.no.push(next + 1);
            waiting.extend([(next, depth + 1), (next + 1, depth + 1)]);
            next += 2;
        }
    }

    /// Weights differ from leaf to leaf, so a wrong leaf is a wrong score.
    fn vote(&mut self, random: &mut Random, kind: &Kind, tree: usize, node: i64) {
        let targets: Vec<usize> = match kind.many_votes {
            true => (0..kind.targets).filter(|_| random.below(3) > 0).collect(),
            false => vec![tree % kind.targets],
        };
        for target in targets {
            self.vote_tree.push(tree as i64);
            self.vote_node.push(node);
            self.vote_target.push(target as i64);
            self.vote_weight.push(random.number());
        }
    }

    fn attributes(self, votes: &str) -> Vec<pb::AttributeProto> {
        let (targets, weights) =
            if votes == "class" { ("class_ids", "class_weights") } else { ("target_ids", "target_weights") };
        vec![
            ints("nodes_treeids", self.tree),
            ints("nodes_nodeids", self.node),
            ints("nodes_featureids", self.feature),
            strings("nodes_modes", self.mode),
            floats("nodes_values", self.value),
            ints("nodes_truenodeids", self.yes),
            ints("nodes_falsenodeids", self.no),
            ints("nodes_missing_value_tracks_true", self.missing),
            ints(&format!("{votes}_treeids"), self.vote_tree),
            ints(&format!("{votes}_nodeids"), self.vote_node),
            ints(targets, self.vote_target),
            floats(weights, self.vote_weight),
        ]
    }
}

fn kind(random: &mut Random) -> Kind {
    Kind {
        trees: 1 + random.below(40),
        depth: random.below(7),
        columns: 1 + random.below(9),
        targets: 1 + random.below(4),
        // Equality has a form of its own.
        modes: if random.below(3) == 0 { 6 } else { 4 },
        many_votes: random.below(2) == 0,
    }
}

fn grown(random: &mut Random, kind: &Kind) -> Lists {
    let mut lists = Lists::default();
    (0..kind.trees).for_each(|tree| lists.grow(random, kind, tree));
    lists
}

/// Rows of numbers that meet thresholds.
pub fn table(random: &mut Random, rows: usize, columns: usize) -> Tensor {
    let value =
        |random: &mut Random| if random.below(5) == 0 { random.number() } else { NUMBERS[random.below(NUMBERS.len())] };
    let values = (0..rows * columns).map(|_| value(random)).collect::<Vec<f32>>();
    Tensor::of([rows, columns], values).expect("it fits")
}

/// How many floats lie further apart than a rounding, and labels that differ.
pub fn differences(want: &Tensor, got: &Tensor, exact: bool) -> usize {
    match (want.data(), got.data()) {
        (Data::F32(want), Data::F32(got)) => {
            let near = |a: f32, b: f32| match exact {
                true => a.to_bits() == b.to_bits(),
                false => {
                    a.to_bits() == b.to_bits() || (a - b).abs() <= f32::EPSILON * a.abs() || (a.is_nan() && b.is_nan())
                }
            };
            want.iter().zip(got).filter(|(a, b)| !near(**a, **b)).count()
        }
        (Data::I64(want), Data::I64(got)) => want.iter().zip(got).filter(|(a, b)| a != b).count(),
        _ => panic!("{} beside {}", want.dtype(), got.dtype()),
    }
}

/// A regressor's file, and its columns.
pub fn regressor(random: &mut Random) -> (Vec<u8>, usize) {
    let kind = kind(random);
    let mut attributes = grown(random, &kind).attributes("target");
    attributes.push(int("n_targets", kind.targets as i64));
    attributes.push(string("aggregate_function", AGGREGATES[random.below(4)]));
    if random.below(2) == 0 {
        attributes.push(floats("base_values", (0..kind.targets).map(|_| random.number()).collect()));
    }
    let trees = node("TreeEnsembleRegressor", "ai.onnx.ml", &["x"], &["y"], attributes);
    (file(vec![trees], vec![], kind.columns, &[("y", true, &[0, kind.targets as i64])]), kind.columns)
}

/// A classifier's.
pub fn classifier(random: &mut Random) -> (Vec<u8>, usize) {
    let classes = 2 + random.below(3);
    // With one class voted for, the other's score follows from it.
    let one_sided = classes == 2 && random.below(2) == 0;
    let kind = Kind { targets: if one_sided { 1 } else { classes }, ..kind(random) };
    let mut lists = grown(random, &kind);
    if one_sided {
        lists.vote_target.fill(1);
        if random.below(2) == 0 {
            lists.vote_weight.iter_mut().for_each(|weight| *weight = weight.abs() / kind.trees as f32);
        }
    }
    let mut attributes = lists.attributes("class");
    attributes.push(ints("classlabels_int64s", (0..classes as i64).map(|class| 10 * class).collect()));
    attributes.push(string("post_transform", POSTS[random.below(4)]));
    let trees = node("TreeEnsembleClassifier", "ai.onnx.ml", &["x"], &["label", "y"], attributes);
    let outputs: [(&str, bool, &[i64]); 2] = [("label", false, &[0]), ("y", true, &[0, classes as i64])];
    (file(vec![trees], vec![], kind.columns, &outputs), kind.columns)
}

/// A regressor's behind columns that are filled and scaled.
pub fn pipeline(random: &mut Random) -> (Vec<u8>, usize) {
    let kind = Kind { modes: 4, ..kind(random) };
    let mut numbers = |count: usize| (0..count).map(|_| random.number() * 3.0).collect::<Vec<f32>>();
    let (columns, targets) = (kind.columns, kind.targets as i64);
    let imputed = vec![floats("imputed_value_floats", numbers(columns)), float("replaced_value_float", f32::NAN)];
    let scaled = vec![floats("offset", numbers(columns)), floats("scale", numbers(columns))];
    let mut attributes = grown(random, &kind).attributes("target");
    attributes.push(int("n_targets", targets));
    let nodes = vec![
        node("Imputer", "ai.onnx.ml", &["x"], &["a"], imputed),
        node("Scaler", "ai.onnx.ml", &["a"], &["b"], scaled),
        node("TreeEnsembleRegressor", "ai.onnx.ml", &["b"], &["y"], attributes),
    ];
    (file(nodes, vec![], columns, &[("y", true, &[0, targets])]), columns)
}

/// A regressor's whose rows have so many scores that few of them fit into a slot.
pub fn many_scores(random: &mut Random, targets: i64) -> Vec<u8> {
    let kind = Kind { trees: 3, depth: 2, columns: 2, targets: 1, modes: 4, many_votes: false };
    let mut attributes = grown(random, &kind).attributes("target");
    attributes.push(int("n_targets", targets));
    let trees = node("TreeEnsembleRegressor", "ai.onnx.ml", &["x"], &["y"], attributes);
    file(vec![trees], vec![], 2, &[("y", true, &[0, targets])])
}

const ACTIVATIONS: [&str; 8] = ["Relu", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "Softplus", "Identity", "Clip"];

fn constant(name: &str, dims: &[usize], values: &[f32]) -> pb::TensorProto {
    let dims = dims.iter().map(|dim| *dim as i64).collect();
    pb::TensorProto { name: name.into(), dims, data_type: 1, float_data: values.to_vec(), ..Default::default() }
}

/// A network over these widths, scaled rows in front.
pub fn network(random: &mut Random, widths: &[usize], end: Option<&str>) -> Vec<u8> {
    let mut numbers = |count: usize, scale: f32| (0..count).map(|_| scale * random.number()).collect::<Vec<f32>>();
    let mut constants = vec![
        constant("mean", &[widths[0]], &numbers(widths[0], 1.0)),
        constant("std", &[widths[0]], &numbers(widths[0], 1.0).iter().map(|x| 1.5 + x).collect::<Vec<_>>()),
        constant("low", &[], &[-0.5]),
        constant("high", &[], &[0.75]),
    ];
    let mut nodes = vec![
        node("Sub", "", &["x", "mean"], &["centred"], vec![]),
        node("Div", "", &["centred", "std"], &["scaled"], vec![]),
    ];
    let mut at = "scaled".to_owned();
    for (layer, pair) in widths.windows(2).enumerate() {
        let [inputs, outputs] = *pair else { unreachable!("windows of two") };
        let (weights, bias) = (format!("w{layer}"), format!("b{layer}"));
        constants.push(constant(
            &weights,
            &[outputs, inputs],
            &numbers(inputs * outputs, 2.0 / (inputs as f32).sqrt()),
        ));
        constants.push(constant(&bias, &[outputs], &numbers(outputs, 0.5)));
        let sums = format!("s{layer}");
        nodes.push(node("Gemm", "", &[&at, &weights, &bias], &[&sums], vec![int("transB", 1)]));
        let last = layer + 2 == widths.len();
        let op = if last { end.unwrap_or("Identity") } else { ACTIVATIONS[layer % ACTIVATIONS.len()] };
        at = if last { "y".to_owned() } else { format!("h{layer}") };
        let inputs: &[&str] = if op == "Clip" { &[&sums, "low", "high"] } else { &[&sums] };
        nodes.push(node(op, "", inputs, &[&at], vec![]));
    }
    file(nodes, constants, widths[0], &[("y", true, &[0, widths[widths.len() - 1] as i64])])
}

pub fn plain_table(random: &mut Random, rows: usize, width: usize) -> Tensor {
    Tensor::of([rows, width], (0..rows * width).map(|_| 2.0 * random.number()).collect::<Vec<f32>>()).expect("it fits")
}
