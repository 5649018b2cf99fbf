//! Every operator of the table with random attributes and operands: an answer or words, never a panic.
//!
//! `TIDEGATE_TEST_SEED` repeats a run. Trees have tests of their own, below `forest`.

use super::{build, names};
use crate::engine::onnx::{Attributes, Domain, Node, pb};
use crate::tensor::{Data, Element, Tensor};
use std::sync::Arc;
use std::time::SystemTime;

const SEED: &str = "TIDEGATE_TEST_SEED";
const ROUNDS: usize = 150;

/// Xorshift: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn one<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.roll(choices.len())].clone()
    }

    fn many<T>(&mut self, count: usize, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..count).map(|_| draw(self)).collect()
    }

    /// Mostly small; sometimes what no length or place can be.
    fn int(&mut self) -> i64 {
        match self.roll(12) {
            0 => self.one(&[i64::MIN, i64::MAX, -1 << 40, 1 << 40, i64::from(u32::MAX)]),
            _ => self.roll(8) as i64 - 3,
        }
    }

    fn float(&mut self) -> f32 {
        match self.roll(8) {
            0 => self.one(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -0.0]),
            _ => self.roll(9) as f32 / 2.0 - 2.0,
        }
    }

    fn text(&mut self) -> &'static str {
        self.one(&["", "a", "ab b", "É", "3.5", "[a-z]+", "(", ".", "a*", "NaN", "LOWER", "x\u{0}y"])
    }

    fn shape(&mut self) -> Vec<usize> {
        let rank = self.roll(5);
        let mut shape = self.many(rank, |dice| dice.roll(4));
        // An empty tensor may claim any length.
        if shape.contains(&0) && self.roll(3) == 0 {
            let at = self.roll(rank);
            if shape.iter().filter(|len| **len == 0).count() > 1 || shape[at] != 0 {
                shape[at] = 1 << 60;
            }
        }
        shape
    }

    fn tensor(&mut self) -> Tensor {
        let shape = self.shape();
        let len = if shape.contains(&0) { 0 } else { shape.iter().product() };
        let data = match self.roll(9) {
            0 => Data::F64(self.many(len, |dice| f64::from(dice.float())).into()),
            1 => Data::I32(self.many(len, |dice| dice.int() as i32).into()),
            2 | 3 => Data::I64(self.many(len, Self::int).into()),
            4 => Data::Bool(self.many(len, |dice| dice.roll(2) == 0)),
            5 => Data::Str(self.many(len, |dice| Arc::from(dice.text()))),
            6 => Data::U8(self.many(len, |dice| dice.roll(9) as u8).into()),
            _ => Data::F32(self.many(len, Self::float).into()),
        };
        Tensor::new(shape.as_slice(), data).expect("as long as its shape")
    }
}

/// Names of attributes by what they hold.
const INT: &[&str] = &[
    "allowzero",
    "axis",
    "default_int64",
    "detect_negative",
    "diagonal",
    "dtype",
    "end",
    "exclusive",
    "fmod",
    "is_case_sensitive",
    "k",
    "keepdims",
    "largest",
    "mark",
    "max_gram_length",
    "max_skip_count",
    "maxsplit",
    "mincharnum",
    "min_gram_length",
    "n_supports",
    "noop_with_empty_axes",
    "num_scan_inputs",
    "one_class",
    "p",
    "replaced_value_int64",
    "reverse",
    "select_last_index",
    "start",
    "targets",
    "to",
    "transA",
    "transB",
    "value_int",
    "zeros",
];
const FLOAT: &[&str] = &["alpha", "beta", "default_float", "replaced_value_float", "threshold", "max", "min"];
const TEXT: &[(&str, &[&str])] = &[
    ("post_transform", &["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]),
    ("kernel_type", &["LINEAR", "POLY", "RBF", "SIGMOID"]),
    ("mode", &["TF", "IDF", "TFIDF"]),
    ("norm", &["MAX", "L1", "L2"]),
    ("case_change_action", &["NONE", "LOWER", "UPPER"]),
    ("metric", &["euclidean", "sqeuclidean"]),
    ("tokenexp", &["[a-z]+", ".", "a|ab", "a*"]),
    ("pattern", &["[a-z]+", "a|ab"]),
    ("pad_value", &["#"]),
    ("delimiter", &["", "b"]),
    ("locale", &["en_US"]),
    ("default_string", &["?"]),
];
const INTS: &[&str] = &[
    "axes",
    "cats_int64s",
    "classlabels_int64s",
    "classlabels_ints",
    "ends",
    "imputed_value_int64s",
    "inputdimensions",
    "keys_int64s",
    "ngram_counts",
    "ngram_indexes",
    "perm",
    "pool_int64s",
    "scan_input_axes",
    "shape",
    "split",
    "starts",
    "steps",
    "value_ints",
    "values_int64s",
    "vectors_per_class",
];
const FLOATS: &[&str] = &[
    "coefficients",
    "imputed_value_floats",
    "intercepts",
    "kernel_params",
    "keys_floats",
    "offset",
    "prob_a",
    "prob_b",
    "rho",
    "scale",
    "support_vectors",
    "value_floats",
    "values_floats",
    "weights",
];
const TEXTS: &[&str] = &[
    "cats_strings",
    "classes_strings",
    "classlabels_strings",
    "keys_strings",
    "pool_strings",
    "separators",
    "stopwords",
    "value_strings",
    "values_strings",
];

fn attributes(dice: &mut Dice) -> Attributes {
    let mut protos = Vec::new();
    let mut add = |dice: &mut Dice, name: &str, fill: &mut dyn FnMut(&mut Dice, &mut pb::AttributeProto)| {
        let mut proto = pb::AttributeProto { name: name.into(), ..Default::default() };
        if dice.roll(3) > 0 {
            fill(dice, &mut proto);
            protos.push(proto);
        }
    };
    // One length for all lists of a node, most of the time: else hardly one node could be made.
    let common = dice.roll(5);
    let length = |dice: &mut Dice| if dice.roll(6) == 0 { dice.roll(7) } else { common };
    for name in INT {
        add(dice, name, &mut |dice, proto| proto.i = if dice.roll(2) == 0 { dice.roll(3) as i64 } else { dice.int() });
    }
    for name in FLOAT {
        add(dice, name, &mut |dice, proto| proto.f = dice.float());
    }
    for (name, known) in TEXT {
        add(dice, name, &mut |dice, proto| {
            proto.s = if dice.roll(12) == 0 { dice.text() } else { dice.one(known) }.into();
        });
    }
    for name in INTS {
        add(dice, name, &mut |dice, proto| {
            let len = length(dice);
            proto.ints = dice.many(len, Dice::int);
        });
    }
    for name in FLOATS {
        add(dice, name, &mut |dice, proto| {
            let len = length(dice) * dice.one(&[1, 1, 2]);
            proto.floats = dice.many(len, Dice::float);
        });
    }
    let texts = if dice.roll(2) == 0 { TEXTS } else { &[] };
    for name in texts {
        add(dice, name, &mut |dice, proto| {
            let len = length(dice);
            proto.strings = dice.many(len, |dice| dice.text().into());
        });
    }
    Attributes::new(&protos)
}

fn node(dice: &mut Dice, domain: &str, op: &str) -> Node {
    let inputs = dice.roll(4) + 1;
    let outputs = dice.roll(3) + 1;
    let input = |dice: &mut Dice, at: usize| if at > 0 && dice.roll(8) == 0 { String::new() } else { format!("x{at}") };
    Node {
        name: op.into(),
        op: op.into(),
        domain: match domain {
            "ai.onnx" => Domain::Onnx,
            "ai.onnx.ml" => Domain::Ml,
            _ => Domain::Microsoft,
        },
        inputs: (0..inputs).map(|at| input(dice, at)).collect(),
        outputs: (0..outputs).map(|at| format!("y{at}")).collect(),
        attributes: attributes(dice),
    }
}

#[test]
fn no_attribute_and_no_operand_makes_an_operator_panic() {
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
    let seed = std::env::var(SEED).ok().and_then(|text| text.parse().ok()).unwrap_or_else(now);
    println!("{SEED}={seed} repeats this run");
    let mut dice = Dice(seed | 1);
    let (mut made, mut answered) = (0, 0);
    for (domain, name) in names().filter(|(_, op)| !op.starts_with("TreeEnsemble")) {
        for _ in 0..ROUNDS {
            let opset = dice.one(&[1, 9, 10, 11, 13, 18, 22]);
            let Ok(op) = build(&node(&mut dice, domain, name), opset, None) else { continue };
            made += 1;
            let count = dice.roll(4) + 1;
            let mut operands = dice.many(count, Dice::tensor);
            if dice.roll(2) == 0 {
                // Alike operands, which most operators want.
                operands = vec![operands[0].clone(); count];
            }
            let operands: Vec<&Tensor> = operands.iter().collect();
            answered += usize::from(op.run(&operands).is_ok());
        }
    }
    assert!(made > 5_000 && answered > 1_500, "{made} operators were made and {answered} runs answered: too few");
}

#[test]
fn a_shape_that_says_more_than_the_data_is_no_tensor() {
    assert!(Tensor::new([1 << 60, 1 << 60], f32::wrap(vec![])).is_err());
}
