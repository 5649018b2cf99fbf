//! LabelEncoder: each element looked up in a table, in all three versions of the operator.

use super::categories::Keys;
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{operand, runs, wrap};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::{DType, Data, Element, Tensor};
use std::sync::Arc;

/// A table of keys and values, and a default behind the last value. The first version of the operator
/// works either way round, by the type of what comes in.
pub struct Encoder {
    tables: Vec<Table>,
}

struct Table {
    keys: Keys,
    /// The values in the order of the keys, and then the default.
    values: Data,
}

impl Encoder {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        if attributes.has("classes_strings") {
            return Self::both_ways(attributes);
        }
        let keys = side(attributes, "keys")?;
        let mut values = side(attributes, "values")?;
        if keys.len() != values.len() {
            return Err(format!("{} keys and {} values, expected as many", keys.len(), values.len()));
        }
        let default = default(attributes, values.dtype())?;
        if !values.append(&default, 0..default.len()) || default.len() != 1 {
            return Err(format!("the default is no single {} value", values.dtype()));
        }
        Ok(Self { tables: vec![Table { keys: Keys::new(&keys)?, values }] })
    }

    /// Version 1: text to its place in a list, or a place to its text.
    fn both_ways(attributes: &Attributes) -> Result<Self, String> {
        let classes = attributes.strings("classes_strings");
        let places: Vec<i64> = (0..classes.len() as i64).collect();
        let to_places = [&places[..], &[attributes.int("default_int64", -1)]].concat();
        let to_texts = [&classes[..], &[Arc::from(attributes.string("default_string", "_Unused"))]].concat();
        Ok(Self {
            tables: vec![
                Table { keys: Keys::new(&Data::Str(classes))?, values: Data::I64(to_places.into()) },
                Table { keys: Keys::new(&Data::I64(places.into()))?, values: Data::Str(to_texts) },
            ],
        })
    }
}

/// The keys or the values: one list of those that the node may have, or a tensor.
fn side(attributes: &Attributes, name: &str) -> Result<Data, String> {
    if let Some(tensor) = attributes.tensor(&format!("{name}_tensor"))? {
        return Ok(tensor.into_data());
    }
    let has = |kind: &str| attributes.has(&format!("{name}_{kind}"));
    match (has("strings"), has("int64s"), has("floats")) {
        (true, ..) => Ok(Data::Str(attributes.strings(&format!("{name}_strings")))),
        (_, true, _) => Ok(Data::I64(attributes.ints(&format!("{name}_int64s")).to_vec().into())),
        (.., true) => Ok(Data::F32(attributes.floats(&format!("{name}_floats")).to_vec().into())),
        _ => Err(format!("it has no {name} as strings, int64s, floats or tensor")),
    }
}

/// What a key that is not there is answered with.
fn default(attributes: &Attributes, dtype: DType) -> Result<Data, String> {
    if let Some(tensor) = attributes.tensor("default_tensor")? {
        return Ok(tensor.into_data());
    }
    Ok(match dtype {
        DType::Str => Data::Str(vec![Arc::from(attributes.string("default_string", "_Unused"))]),
        DType::I64 => Data::I64(vec![attributes.int("default_int64", -1)].into()),
        DType::F32 => Data::F32(vec![attributes.float("default_float", -0.0)].into()),
        DType::F64 => Data::F64(vec![-0.0].into()),
        DType::I32 => Data::I32(vec![-1].into()),
        DType::I16 => Data::I16(vec![-1].into()),
        DType::Bool => Data::Bool(vec![false]),
        other => return Err(format!("values of type {other} are not supported")),
    })
}

impl Op for Encoder {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let fits = |table: &&Table| table.keys.fit(input.dtype());
        let table =
            self.tables.iter().find(fits).ok_or_else(|| {
                RunError::Engine(format!("{} elements are not of the type of its keys", input.dtype()))
            })?;
        let places = table.keys.places(input.data(), table.values.len() - 1)?;
        wrap(input.shape().clone(), runs(&table.values, &places, 1))
    }

    fn memory_bytes(&self) -> usize {
        // The map holds a key and a place beside each value.
        self.tables
            .iter()
            .map(|table| table.values.bytes() + table.values.len() * 2 * <i64 as Element>::DTYPE.size())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(keys: Data, values: Data) -> Encoder {
        Encoder { tables: vec![Table { keys: Keys::new(&keys).expect("known"), values }] }
    }

    fn run(encoder: &Encoder, data: Data) -> Data {
        let input = Tensor::new([data.len()], data).expect("fits");
        encoder.run(&[&input]).expect("runs")[0].data().clone()
    }

    #[test]
    fn nan_and_both_zeros_are_keys_like_others() {
        let encoder = table(Data::F32(vec![f32::NAN, 0.0].into()), Data::I64(vec![7, 8, -1].into()));
        let found = run(&encoder, Data::F32(vec![-f32::NAN, -0.0, 1.0].into()));
        assert_eq!(i64::slice(&found), Some(&[7i64, 8, -1][..]));
    }

    #[test]
    fn the_first_of_equal_keys_counts() {
        let encoder = table(Data::I64(vec![3, 3].into()), Data::F32(vec![1.0, 2.0, 0.0].into()));
        assert_eq!(f32::slice(&run(&encoder, Data::I64(vec![3].into()))), Some(&[1.0f32][..]));
        let wrong = Tensor::of([1], vec![1.0f32]).expect("fits");
        assert!(encoder.run(&[&wrong]).is_err());
    }

    #[test]
    fn text_is_looked_up() {
        let text = |words: &[&str]| Data::Str(words.iter().map(|word| Arc::from(*word)).collect());
        let encoder = table(text(&["a", "b"]), text(&["x", "y", "?"]));
        assert_eq!(<Arc<str>>::slice(&run(&encoder, text(&["b", "c"]))), <Arc<str>>::slice(&text(&["y", "?"])));
    }
}
