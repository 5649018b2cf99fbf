//! The table of operators: whose it is, its name, and who makes it.

use super::math::arithmetic::{Fold, Pair, Pow};
use super::math::compare::{Equal, Is, Logic, Not, Order, Where};
use super::math::lines::{CumSum, LpNormalization, Softmax};
use super::math::matmul::{Gemm, MatMul};
use super::math::ranked::{Arg, TopK};
use super::math::reduce::{Kind, Reduce};
use super::math::unary::{Clip, Plain, Slope, erf, function, round, sigmoid, softplus};
use super::math::{cast, distance};
use super::ml::{categories, encode, features, labels, linear, normalize, scale, svm};
use super::shape::{join, make, reshape, spread, take};
use super::text::{normalizer, strings, tfidf, tokenizer};
use super::{Call, Op, ensemble, scan};
use crate::engine::cache::Place;
use crate::engine::onnx::{Domain, Node};

type Made = Result<Box<dyn Op>, String>;
type Maker = fn(&Call<'_>) -> Made;

fn made(op: impl Op + 'static) -> Made {
    Ok(Box::new(op))
}

/// Prepares a node, or says what about it is not supported.
pub fn build(node: &Node, opset: i64, place: Option<Place<'_>>) -> Made {
    let name = node.op.as_str();
    let (table, refused) = match &node.domain {
        Domain::Onnx => (ONNX, ONNX_REFUSED),
        Domain::Ml => (ML, ML_REFUSED),
        Domain::Microsoft => (MICROSOFT, &[][..]),
        Domain::Other(_) => (&[][..], &[][..]),
    };
    if let Some((_, make)) = table.iter().find(|(known, _)| *known == name) {
        return make(&Call { node, opset, place });
    }
    match refused.iter().find(|(known, _)| *known == name) {
        Some((_, reason)) => Err(format!("not supported: {reason}")),
        None => Err("not supported yet".into()),
    }
}

/// Every operator of the table with its domain, in the file's way to write it.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of = |domain, table: &'static [(&'static str, Maker)]| table.iter().map(move |(name, _)| (domain, *name));
    of("ai.onnx.ml", ML).chain(of("ai.onnx", ONNX)).chain(of("com.microsoft", MICROSOFT))
}

const ML: &[(&str, Maker)] = &[
    ("ArrayFeatureExtractor", |_| made(features::Extractor)),
    ("Binarizer", |call| made(scale::Binarizer::new(call.attributes()))),
    ("CategoryMapper", |call| made(categories::Mapper::new(call.attributes())?)),
    ("FeatureVectorizer", |call| made(features::Vectorizer::new(call.attributes())?)),
    ("Imputer", |call| made(scale::Imputer::new(call.attributes())?)),
    ("LabelEncoder", |call| made(labels::Encoder::new(call.attributes())?)),
    ("LinearClassifier", |call| made(linear::Classifier::new(call.attributes())?)),
    ("LinearRegressor", |call| made(linear::Regressor::new(call.attributes())?)),
    ("Normalizer", |call| made(normalize::Normalizer::new(call.attributes())?)),
    ("OneHotEncoder", |call| made(encode::OneHot::new(call.attributes())?)),
    ("SVMClassifier", |call| made(svm::Classifier::new(call.attributes())?)),
    ("SVMRegressor", |call| made(svm::Regressor::new(call.attributes())?)),
    ("Scaler", |call| made(scale::Scaler::new(call.attributes())?)),
    ("TreeEnsemble", |call| made(ensemble::Regressor::of_version_5(call)?)),
    ("TreeEnsembleClassifier", |call| made(ensemble::Classifier::new(call)?)),
    ("TreeEnsembleRegressor", |call| made(ensemble::Regressor::new(call)?)),
];

const ML_REFUSED: &[(&str, &str)] = &[
    ("CastMap", "it takes a map, and requests carry tensors; have the converter take a table instead"),
    (
        "DictVectorizer",
        "its map is no input of the graph, or its vocabulary has a word twice; have the converter take a table instead",
    ),
    ("ZipMap", "it makes a sequence of maps that another operator takes; it can stand only at the end of a graph"),
];

const MICROSOFT: &[(&str, Maker)] = &[
    ("CDist", |call| made(distance::Pairwise::new(call.attributes())?)),
    ("Tokenizer", |call| made(tokenizer::Tokenizer::new(call.attributes())?)),
];

const ONNX_REFUSED: &[(&str, &str)] = &[
    ("If", "it holds a graph of its own"),
    ("Loop", "it holds a graph of its own"),
    ("SequenceConstruct", "it makes a sequence, and requests and answers carry tensors"),
    ("SequenceAt", "it takes a sequence, and requests and answers carry tensors"),
];

const ONNX: &[(&str, Maker)] = &[
    ("Abs", |_| made(Plain::Abs)),
    ("Acos", |_| made(function!(x => x.acos()))),
    ("Acosh", |_| made(function!(x => x.acosh()))),
    ("Add", |call| pair(call, Pair::Add)),
    ("And", |_| made(Logic::And)),
    ("ArgMax", |call| made(Arg::new(call.attributes(), true))),
    ("ArgMin", |call| made(Arg::new(call.attributes(), false))),
    ("Asin", |_| made(function!(x => x.asin()))),
    ("Asinh", |_| made(function!(x => x.asinh()))),
    ("Atan", |_| made(function!(x => x.atan()))),
    ("Atanh", |_| made(function!(x => x.atanh()))),
    ("Cast", |call| made(cast::Cast::new(call.attributes())?)),
    ("CastLike", |_| made(cast::CastLike)),
    ("Ceil", |_| made(function!(x => x.ceil()))),
    ("Clip", |call| made(Clip::new(call))),
    ("Concat", |call| made(join::Concat::new(call.attributes()))),
    ("Constant", |call| made(make::Constant::new(call.attributes())?)),
    ("ConstantOfShape", |call| made(make::ConstantOfShape::new(call.attributes())?)),
    ("Cos", |_| made(function!(x => x.cos()))),
    ("Cosh", |_| made(function!(x => x.cosh()))),
    ("CumSum", |call| made(CumSum::new(call.attributes()))),
    ("Div", |call| pair(call, Pair::Div)),
    ("Elu", |call| made(Slope::elu(call.attributes()))),
    ("Equal", |_| made(Equal)),
    ("Erf", |_| made(erf())),
    ("Exp", |_| made(function!(x => x.exp()))),
    ("Expand", |_| made(spread::Expand)),
    ("EyeLike", |call| made(make::EyeLike::new(call.attributes())?)),
    ("Flatten", |call| made(reshape::Flatten::new(call.attributes()))),
    ("Floor", |_| made(function!(x => x.floor()))),
    ("Gather", |call| made(take::Gather::new(call.attributes()))),
    ("GatherElements", |call| made(take::GatherElements::new(call.attributes()))),
    ("Gemm", |call| made(Gemm::new(call.attributes()))),
    ("Greater", |_| made(Order::Greater)),
    ("GreaterOrEqual", |_| made(Order::GreaterOrEqual)),
    ("IsInf", |call| made(Is::infinite(call.attributes()))),
    ("IsNaN", |_| made(Is::Nan)),
    ("LeakyRelu", |call| made(Slope::leaky(call.attributes()))),
    ("Less", |_| made(Order::Less)),
    ("LessOrEqual", |_| made(Order::LessOrEqual)),
    ("Log", |_| made(function!(x => x.ln()))),
    ("LogSoftmax", |call| made(Softmax::new(call, true))),
    ("LpNormalization", |call| made(LpNormalization::new(call.attributes())?)),
    ("MatMul", |_| made(MatMul)),
    ("Max", |_| made(Fold::new(Pair::Max))),
    ("Mean", |_| made(Fold::mean())),
    ("Min", |_| made(Fold::new(Pair::Min))),
    ("Mod", |call| made(Pair::remainder(call.attributes()))),
    ("Mul", |call| pair(call, Pair::Mul)),
    ("Neg", |_| made(Plain::Neg)),
    ("Not", |_| made(Not)),
    ("OneHot", |call| made(spread::OneHot::new(call.attributes()))),
    ("Or", |_| made(Logic::Or)),
    ("Pow", |_| made(Pow)),
    ("Range", |_| made(make::Range)),
    ("Reciprocal", |_| made(function!(x => 1.0 / x))),
    ("ReduceL1", |call| made(Reduce::new(call, Kind::L1))),
    ("ReduceL2", |call| made(Reduce::new(call, Kind::L2))),
    ("ReduceLogSum", |call| made(Reduce::new(call, Kind::LogSum))),
    ("ReduceLogSumExp", |call| made(Reduce::new(call, Kind::LogSumExp))),
    ("ReduceMax", |call| made(Reduce::new(call, Kind::Max))),
    ("ReduceMean", |call| made(Reduce::new(call, Kind::Mean))),
    ("ReduceMin", |call| made(Reduce::new(call, Kind::Min))),
    ("ReduceProd", |call| made(Reduce::new(call, Kind::Prod))),
    ("ReduceSum", |call| made(Reduce::new(call, Kind::Sum))),
    ("ReduceSumSquare", |call| made(Reduce::new(call, Kind::SumSquare))),
    ("RegexFullMatch", |call| made(strings::FullMatch::new(call.attributes())?)),
    ("Relu", |_| made(Plain::Relu)),
    ("Reshape", |call| made(reshape::Reshape::new(call))),
    ("Round", |_| made(round())),
    ("Scan", |call| made(scan::Scan::new(call)?)),
    ("Shape", |call| made(make::ShapeOf::new(call.attributes()))),
    ("Sigmoid", |_| made(sigmoid())),
    ("Sign", |_| made(Plain::Sign)),
    ("Sin", |_| made(function!(x => x.sin()))),
    ("Sinh", |_| made(function!(x => x.sinh()))),
    ("Size", |_| made(make::Size)),
    ("Slice", |call| made(take::Slice::new(call))),
    ("Softmax", |call| made(Softmax::new(call, false))),
    ("Softplus", |_| made(softplus())),
    ("Split", |call| made(join::Split::new(call))),
    ("Sqrt", |_| made(function!(x => x.sqrt()))),
    ("Squeeze", |call| made(reshape::Squeeze::new(call))),
    ("StringConcat", |_| made(strings::Concat)),
    ("StringNormalizer", |call| made(normalizer::Normalizer::new(call.attributes())?)),
    ("StringSplit", |call| made(strings::Split::new(call.attributes())?)),
    ("Sub", |call| pair(call, Pair::Sub)),
    ("Sum", |_| made(Fold::new(Pair::Add))),
    ("Tan", |_| made(function!(x => x.tan()))),
    ("Tanh", |_| made(function!(x => x.tanh()))),
    ("TfIdfVectorizer", |call| made(tfidf::Vectorizer::new(call.attributes())?)),
    ("Tile", |_| made(spread::Tile)),
    ("TopK", |call| made(TopK::new(call))),
    ("Transpose", |call| made(spread::Transpose::new(call.attributes()))),
    ("Unsqueeze", |call| made(reshape::Unsqueeze::new(call))),
    ("Where", |_| made(Where)),
    ("Xor", |_| made(Logic::Xor)),
];

/// Operator sets before 7 broadcast only where an attribute said so, and from another end.
fn pair(call: &Call<'_>, pair: Pair) -> Made {
    match call.opset < 7 && call.attributes().int("broadcast", 0) != 0 {
        true => Err("operator sets before 7 broadcast in another way; export with 7 or later".into()),
        false => made(pair),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_names_each_once() {
        for table in [ML, ONNX, MICROSOFT] {
            for pair in table.windows(2) {
                assert!(pair[0].0 < pair[1].0, "{} stands before {}", pair[0].0, pair[1].0);
            }
        }
        let refused = ONNX_REFUSED.iter().chain(ML_REFUSED);
        let both = refused.filter(|(name, _)| names().any(|(_, known)| known == *name)).count();
        assert_eq!(both, 0, "an operator is either made or refused");
    }
}
