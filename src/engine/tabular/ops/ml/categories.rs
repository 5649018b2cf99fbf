//! Keys to places, and CategoryMapper, which is a table of text and integers read either way round.

use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{operand, runs, unsupported, wrap};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::{DType, Data, Tensor};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Where each key stands in the list it came from; the first of equals counts.
pub struct Keys {
    dtype: DType,
    map: Map,
}

enum Map {
    /// Integers, and floats by [`bits`].
    Numbers(HashMap<u64, usize>),
    Texts(HashMap<Arc<str>, usize>),
}

impl Keys {
    pub fn new(keys: &Data) -> Result<Self, String> {
        let map = match keys {
            Data::Str(texts) => Map::Texts(index(texts.iter().cloned())),
            other => Map::Numbers(index(numbers(other).map_err(|error| error.to_string())?)),
        };
        Ok(Self { dtype: keys.dtype(), map })
    }

    /// Whether elements of this type can be looked up.
    pub fn fit(&self, dtype: DType) -> bool {
        self.dtype == dtype
    }

    /// The place of each element, `none` for one that is not there.
    pub fn places(&self, elements: &Data, none: usize) -> Result<Vec<usize>, RunError> {
        match (&self.map, elements) {
            (Map::Texts(known), Data::Str(texts)) => {
                Ok(texts.iter().map(|text| known.get(text).copied().unwrap_or(none)).collect())
            }
            (Map::Numbers(known), other) if self.fit(other.dtype()) => {
                Ok(numbers(other)?.into_iter().map(|number| known.get(&number).copied().unwrap_or(none)).collect())
            }
            (_, other) => Err(unsupported(other.dtype())),
        }
    }
}

fn index<T: Eq + Hash>(keys: impl IntoIterator<Item = T>) -> HashMap<T, usize> {
    let mut places = HashMap::new();
    for (at, key) in keys.into_iter().enumerate() {
        places.entry(key).or_insert(at);
    }
    places
}

fn numbers(data: &Data) -> Result<Vec<u64>, RunError> {
    Ok(match data {
        Data::I64(values) => values.iter().map(|v| *v as u64).collect(),
        Data::I32(values) => values.iter().map(|v| i64::from(*v) as u64).collect(),
        Data::I16(values) => values.iter().map(|v| i64::from(*v) as u64).collect(),
        Data::Bool(values) => values.iter().map(|v| u64::from(*v)).collect(),
        Data::F32(values) => values.iter().map(|v| bits(f64::from(*v))).collect(),
        Data::F64(values) => values.iter().map(|v| bits(*v)).collect(),
        other => return Err(unsupported(other.dtype())),
    })
}

/// Alike for floats that count as one key: the two zeros, and every NaN.
fn bits(value: f64) -> u64 {
    match value {
        nan if nan.is_nan() => f64::NAN.to_bits(),
        0.0 => 0,
        other => other.to_bits(),
    }
}

/// Text to integers, or integers to text, by the type of what comes in.
pub struct Mapper {
    texts: (Keys, Data),
    ints: (Keys, Data),
}

impl Mapper {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let (texts, ints) = (attributes.strings("cats_strings"), attributes.ints("cats_int64s"));
        if texts.len() != ints.len() {
            return Err(format!("{} categories of text and {} integers, expected as many", texts.len(), ints.len()));
        }
        let to_ints = [ints, &[attributes.int("default_int64", -1)]].concat();
        let to_texts = [&texts[..], &[Arc::from(attributes.string("default_string", "_Unused"))]].concat();
        Ok(Self {
            texts: (Keys::new(&Data::Str(texts))?, Data::I64(to_ints.into())),
            ints: (Keys::new(&Data::I64(ints.to_vec().into()))?, Data::Str(to_texts)),
        })
    }
}

impl Op for Mapper {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let (keys, values) = if input.dtype() == DType::Str { &self.texts } else { &self.ints };
        wrap(input.shape().clone(), runs(values, &keys.places(input.data(), values.len() - 1)?, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Element;

    #[test]
    fn a_mapper_reads_both_ways() {
        let text = |words: &[&str]| words.iter().map(|word| Arc::from(*word)).collect::<Vec<Arc<str>>>();
        let mapper = Mapper {
            texts: (Keys::new(&Data::Str(text(&["a", "b"]))).expect("known"), Data::I64(vec![10, 20, -1].into())),
            ints: (Keys::new(&Data::I64(vec![10, 20].into())).expect("known"), Data::Str(text(&["a", "b", "?"]))),
        };
        let run = |data: Data| mapper.run(&[&Tensor::new([data.len()], data).expect("fits")]);
        let ints = run(Data::Str(text(&["b", "z"]))).expect("runs");
        assert_eq!(i64::slice(ints[0].data()), Some(&[20i64, -1][..]));
        let texts = run(Data::I64(vec![10, 11].into())).expect("runs");
        assert_eq!(<Arc<str>>::slice(texts[0].data()), Some(&text(&["a", "?"])[..]));
        assert!(run(Data::F32(vec![1.0].into())).is_err());
    }
}
