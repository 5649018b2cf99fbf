//! StringConcat, StringSplit and RegexFullMatch.

use super::pattern::Pattern;
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::broadcast::Broadcast;
use crate::engine::tabular::ops::operands::{length_within, one, operand, tensor, two, typed};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::Tensor;
use std::sync::Arc;

/// The most parts, and the most bytes of joined text, of one run.
const MOST: usize = 1 << 24;

/// Every pair of texts, one behind the other.
pub struct Concat;

impl Op for Concat {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (left, right) = (operand(operands, 0)?, operand(operands, 1)?);
        let plan = Broadcast::new(left.shape(), right.shape())?;
        let (left, right) = (typed::<Arc<str>>(left)?, typed::<Arc<str>>(right)?);
        let bytes = plan.zip(left, right, |a, b| a.len() + b.len()).into_iter().fold(0, usize::saturating_add);
        if bytes > MOST * 4 {
            return Err(RunError::Input(format!("{bytes} bytes of joined text, {} are the most", MOST * 4)));
        }
        tensor(plan.shape().clone(), plan.zip(left, right, |a, b| Arc::<str>::from(format!("{a}{b}")))).map(one)
    }
}

/// Each text cut into parts as Python's `str.split` does, and how many there are.
pub struct Split {
    /// Empty for any run of white space.
    delimiter: String,
    /// The most cuts.
    cuts: usize,
}

impl Split {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let cuts = match attributes.has("maxsplit") {
            true => usize::try_from(attributes.int("maxsplit", 0)).map_err(|_| "maxsplit is negative")?,
            false => usize::MAX,
        };
        Ok(Self { delimiter: attributes.string("delimiter", ""), cuts })
    }

    fn parts<'a>(&self, text: &'a str) -> Vec<&'a str> {
        if !self.delimiter.is_empty() {
            return text.splitn(self.cuts.saturating_add(1), &self.delimiter).collect();
        }
        let mut parts = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let end = rest.find(char::is_whitespace).filter(|_| parts.len() < self.cuts).unwrap_or(rest.len());
            parts.push(&rest[..end]);
            rest = rest[end..].trim_start();
        }
        parts
    }
}

impl Op for Split {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let rows: Vec<Vec<&str>> = typed::<Arc<str>>(input)?.iter().map(|text| self.parts(text)).collect();
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let counts: Vec<i64> = rows.iter().map(|row| row.len() as i64).collect();
        let mut shape = input.shape().clone();
        shape.push(width);
        let mut parts: Vec<Arc<str>> = Vec::with_capacity(length_within(&shape, MOST)?);
        let empty: Arc<str> = Arc::from("");
        for row in rows {
            let filled = parts.len() + width;
            parts.extend(row.into_iter().map(Arc::from));
            parts.resize(filled, empty.clone());
        }
        Ok(two(tensor(shape, parts)?, tensor(input.shape().clone(), counts)?))
    }
}

/// Whether an expression matches the whole text.
pub struct FullMatch(Pattern);

impl FullMatch {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        Pattern::new(&attributes.string("pattern", "")).map(Self)
    }
}

impl Op for FullMatch {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let answers: Vec<bool> = typed::<Arc<str>>(input)?.iter().map(|text| self.0.is_full(text)).collect();
        tensor(input.shape().clone(), answers).map(one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_python() {
        let parts = |delimiter: &str, cuts, text: &'static str| Split { delimiter: delimiter.into(), cuts }.parts(text);
        assert_eq!(parts("", usize::MAX, "  a  b "), ["a", "b"]);
        assert_eq!(parts("", 1, " a  b c "), ["a", "b c "]);
        assert_eq!(parts("-", usize::MAX, "a--b"), ["a", "", "b"]);
        assert_eq!(parts("-", 1, "a-b-c"), ["a", "b-c"]);
        assert_eq!(parts("-", usize::MAX, ""), [""]);
        assert_eq!(parts("", usize::MAX, " "), [""; 0]);
    }

    #[test]
    fn texts_are_joined_by_pairs() {
        let of = |texts: &[&str]| {
            Tensor::of([texts.len()], texts.iter().map(|text| Arc::from(*text)).collect::<Vec<Arc<str>>>())
                .expect("fits")
        };
        let joined = Concat.run(&[&of(&["a", "b"]), &of(&["x"])]).expect("runs");
        assert_eq!(joined[0].as_slice::<Arc<str>>(), of(&["ax", "bx"]).as_slice::<Arc<str>>());
        let long = "x".repeat(1 << 20);
        let many = of(&vec![long.as_str(); 65]);
        assert!(matches!(Concat.run(&[&many, &of(&["y"])]), Err(RunError::Input(_))));
    }
}
