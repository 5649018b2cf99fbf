//! Small graphs of any operators that are known here, over constants and attributes of noise.

use crate::proto::{end, file, floats, ints, named, number, strings};
use arbitrary::Arbitrary;
use std::sync::LazyLock;
use tidegate::engine::onnx::pb::{
    AttributeProto, GraphProto, NodeProto, TensorProto, attribute_proto::AttributeType, tensor_proto::DataType,
};
use tidegate::engine::tabular;

/// A graph from the input `x` to the result of its last operator.
#[derive(Arbitrary, Debug)]
pub struct Operators {
    constants: Vec<Constant>,
    calls: Vec<Call>,
    columns: u8,
    input: u8,
    opset: u8,
}

#[derive(Arbitrary, Debug)]
struct Call {
    op: u8,
    inputs: [Option<u8>; 4],
    outputs: u8,
    attributes: Vec<(u8, Setting)>,
}

/// Its values are repeated until the shape is full.
#[derive(Arbitrary, Debug)]
struct Constant {
    kind: u8,
    dims: Vec<u8>,
    values: Vec<Value>,
}

#[derive(Arbitrary, Debug)]
enum Value {
    Small(i8),
    Any(i64),
    Float(f32),
}

#[derive(Arbitrary, Debug)]
enum Setting {
    Small(i8),
    Int(i64),
    Float(f32),
    Text(u8),
    Smalls(Vec<i8>),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Texts(Vec<u8>),
    Tensor(Constant),
}

const KINDS: [DataType; 8] = [
    DataType::Float,
    DataType::Int64,
    DataType::String,
    DataType::Double,
    DataType::Int32,
    DataType::Bool,
    DataType::Uint8,
    DataType::Float16,
];
const TEXTS: [&str; 16] = [
    "",
    "a",
    "north",
    "NONE",
    "SOFTMAX",
    "LOGISTIC",
    "L1",
    "RBF",
    "POLY",
    "euclidean",
    "TFIDF",
    "[a-z]+",
    "(a|b){9}",
    "reflect",
    "edge",
    "UPPER",
];
const ATTRIBUTES: &str = "axis axes k default_string default_int64 coefficients alpha beta value separators rho \
    post_transform perm maxsplit intercepts dtype classes_strings cats_strings cats_int64s zeros weights \
    vectors_per_class value_strings value_string value_ints value_int value_floats value_float transA transB tokenexp \
    to threshold targets support_vectors stopwords start select_last_index scan_output_axes scan_input_axes \
    replaced_value_int64 replaced_value_float prob_a prob_b pool_strings pool_int64s pattern pad_value p num_scan_inputs \
    norm ngram_indexes ngram_counts n_supports mode mincharnum min metric max mark largest kernel_type kernel_params \
    keepdims is_case_sensitive inputdimensions imputed_value_int64s imputed_value_floats fmod end delimiter \
    default_tensor default_float classlabels_strings classlabels_ints classlabels_int64s class_weights class_ids \
    case_change_action allowzero keys_strings keys_int64s keys_floats values_strings values_int64s values_floats \
    offset scale max_gram_length min_gram_length max_skip_count weights n_targets exclusive reverse sorted equation \
    num_outputs split epsilon kernel_shape strides pads dilations group auto_pad ceil_mode";
static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| ATTRIBUTES.split_ascii_whitespace().collect());
static KNOWN: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| tabular::operators().collect());

impl Operators {
    /// The graph as a file.
    pub fn file(&self) -> Vec<u8> {
        let mut names = vec!["x".to_owned()];
        let mut initializer = Vec::new();
        for (at, constant) in self.constants.iter().enumerate() {
            names.push(format!("c{at}"));
            initializer.push(constant.proto(&names[at + 1]));
        }
        let mut node = Vec::new();
        for (at, call) in self.calls.iter().enumerate() {
            node.push(call.proto(at, &names));
            names.extend(node[at].output.iter().cloned());
        }
        let last = node.last().and_then(|node: &NodeProto| node.output.first().cloned()).unwrap_or_default();
        let input = vec![end("x", kind(self.input), &[0, self.columns.into()])];
        let output = vec![end(&last, DataType::Float, &[0, 0])];
        file(GraphProto { node, initializer, input, output, ..Default::default() }, 7 + i64::from(self.opset % 16), 5)
    }
}

fn kind(at: u8) -> DataType {
    KINDS[usize::from(at) % KINDS.len()]
}

fn text(at: u8) -> &'static str {
    TEXTS[usize::from(at) % TEXTS.len()]
}

impl Call {
    fn proto(&self, at: usize, names: &[String]) -> NodeProto {
        let (domain, op) = KNOWN[usize::from(self.op) % KNOWN.len()];
        let given = self.inputs.iter().flatten();
        NodeProto {
            // The latest names first: graphs are mostly chains.
            input: given.map(|back| names[names.len() - 1 - usize::from(*back) % names.len()].clone()).collect(),
            output: (0..=self.outputs % 3).map(|out| format!("n{at}_{out}")).collect(),
            op_type: op.into(),
            domain: if domain == "ai.onnx" { String::new() } else { domain.into() },
            attribute: self.attributes.iter().map(|(name, setting)| setting.proto(*name)).collect(),
            ..Default::default()
        }
    }
}

impl Setting {
    fn proto(&self, name: u8) -> AttributeProto {
        let name = NAMES[usize::from(name) % NAMES.len()];
        match self {
            Self::Small(n) => number(name, (*n).into()),
            Self::Int(n) => number(name, *n),
            Self::Float(f) => AttributeProto { f: *f, ..named(name, AttributeType::Float) },
            Self::Text(at) => AttributeProto { s: text(*at).into(), ..named(name, AttributeType::String) },
            Self::Smalls(list) => ints(name, list.iter().map(|n| (*n).into()).collect()),
            Self::Ints(list) => ints(name, list.clone()),
            Self::Floats(list) => floats(name, list.clone()),
            Self::Texts(list) => strings(name, list.iter().map(|at| text(*at))),
            Self::Tensor(tensor) => AttributeProto { t: Some(tensor.proto("")), ..named(name, AttributeType::Tensor) },
        }
    }
}

impl Constant {
    fn proto(&self, name: &str) -> TensorProto {
        let dims: Vec<i64> = self.dims.iter().take(4).map(|dim| i64::from(dim % 5)).collect();
        let count = dims.iter().product::<i64>() as usize;
        let mut tensor =
            TensorProto { name: name.into(), dims, data_type: kind(self.kind) as i32, ..Default::default() };
        let values = self.values.iter().chain([&Value::Small(1)]).cycle().take(count);
        match kind(self.kind) {
            DataType::Float => tensor.float_data = values.map(|value| value.float() as f32).collect(),
            DataType::Double => tensor.double_data = values.map(Value::float).collect(),
            DataType::Int64 => tensor.int64_data = values.map(Value::int).collect(),
            DataType::String => {
                tensor.string_data = values.map(|value| text(value.int() as u8).as_bytes().to_vec()).collect();
            }
            _ => tensor.int32_data = values.map(|value| value.int() as i32).collect(),
        }
        tensor
    }
}

impl Value {
    fn float(&self) -> f64 {
        match self {
            Self::Small(n) => f64::from(*n) / 4.0,
            Self::Any(n) => *n as f64,
            Self::Float(x) => f64::from(*x),
        }
    }

    fn int(&self) -> i64 {
        match self {
            Self::Small(n) => i64::from(*n),
            Self::Any(n) => *n,
            Self::Float(x) => *x as i64,
        }
    }
}
