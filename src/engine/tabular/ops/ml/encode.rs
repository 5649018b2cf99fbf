//! OneHotEncoder: a category to a row of zeros and a one.

use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{length, one, operand, tensor, typed, unsupported};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::engine::tabular::row::{Column, Columns, Operand};
use crate::tensor::{Data, Tensor};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub struct OneHot(Arc<Encoder>);

/// Which categories there are, and where each has its one.
pub struct Encoder {
    categories: Categories,
    width: usize,
    /// Whether an unknown category is a row of zeros; otherwise it is the caller's mistake.
    unknown_is_zeros: bool,
}

enum Categories {
    Ints(HashMap<i64, usize, Hashing>),
    Texts(HashMap<Arc<str>, usize, Hashing>),
}

/// Requests cannot add to the maps, so nobody can fill them with words of one hash: a quick one will do.
type Hashing = BuildHasherDefault<Quick>;

/// XXH3 of each piece, joined.
#[derive(Default)]
struct Quick(u64);

impl Hasher for Quick {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The end of a text.
    #[inline]
    fn write_u8(&mut self, byte: u8) {
        self.0 = self.0.rotate_left(8) ^ u64::from(byte);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

impl OneHot {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        Ok(Self(Arc::new(Encoder::new(attributes)?)))
    }
}

impl Encoder {
    fn new(attributes: &Attributes) -> Result<Self, String> {
        let texts = attributes.strings("cats_strings");
        let ints = attributes.ints("cats_int64s");
        let (categories, width) = match (texts.len(), ints.len()) {
            (0, 0) => return Err("no categories are given".into()),
            (0, n) => (Categories::Ints(index(ints.iter().copied())), n),
            (n, 0) => (Categories::Texts(index(texts)), n),
            _ => return Err("categories are given both as text and as integers, expected one kind".into()),
        };
        Ok(Self { categories, width, unknown_is_zeros: attributes.int("zeros", 1) != 0 })
    }

    /// Numbers that a category becomes.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Where one element of a tensor has its one; `None` where it is a row of zeros.
    pub fn place(&self, input: &Tensor, at: usize) -> Result<Option<usize>, RunError> {
        let place = |id: Option<i64>| match &self.categories {
            Categories::Ints(known) => id.and_then(|id| known.get(&id)).copied(),
            Categories::Texts(_) => None,
        };
        let (found, words): (_, &dyn Fn() -> String) = match (input.data(), &self.categories) {
            (Data::Str(texts), Categories::Texts(known)) => (known.get(&texts[at]).copied(), &|| quoted(&texts[at])),
            (_, Categories::Texts(_)) => return typed::<Arc<str>>(input).map(|_| None),
            (Data::I64(ids), _) => (place(Some(ids[at])), &|| ids[at].to_string()),
            (Data::I32(ids), _) => (place(Some(i64::from(ids[at]))), &|| ids[at].to_string()),
            (Data::F32(numbers), _) => (place(whole(f64::from(numbers[at]))), &|| numbers[at].to_string()),
            (Data::F64(numbers), _) => (place(whole(numbers[at])), &|| numbers[at].to_string()),
            (other, _) => return Err(unsupported(other.dtype())),
        };
        match found {
            None if !self.unknown_is_zeros => Err(unknown(&words())),
            found => Ok(found),
        }
    }

    fn encode<T>(
        &self,
        values: &[T],
        place: impl Fn(&T) -> Option<usize>,
        words: impl Fn(&T) -> String,
    ) -> Result<Vec<f32>, RunError> {
        let mut encoded = vec![0.0; length(&[values.len(), self.width])?];
        for (row, value) in encoded.chunks_exact_mut(self.width).zip(values) {
            match place(value) {
                Some(at) => row[at] = 1.0,
                None if self.unknown_is_zeros => {}
                None => return Err(unknown(&words(value))),
            }
        }
        Ok(encoded)
    }

    fn values(&self, input: &Tensor) -> Result<Vec<f32>, RunError> {
        let known = match &self.categories {
            Categories::Ints(known) => known,
            Categories::Texts(known) => {
                return self.encode(typed::<Arc<str>>(input)?, |text| known.get(text).copied(), |text| quoted(text));
            }
        };
        let place = |id: Option<i64>| id.and_then(|id| known.get(&id)).copied();
        match input.data() {
            Data::I64(ids) => self.encode(ids, |id| place(Some(*id)), i64::to_string),
            Data::I32(ids) => self.encode(ids, |id| place(Some(i64::from(*id))), i32::to_string),
            Data::F32(numbers) => self.encode(numbers, |x| place(whole(f64::from(*x))), f32::to_string),
            Data::F64(numbers) => self.encode(numbers, |x| place(whole(*x)), f64::to_string),
            other => Err(unsupported(other.dtype())),
        }
    }
}

fn unknown(words: &str) -> RunError {
    RunError::Input(format!("{words} is not a category the model knows"))
}

fn quoted(text: &str) -> String {
    format!("'{text:.40}'")
}

/// A float as an integer, towards zero. What no integer stands for is no category: NaN must not become 0.
fn whole(x: f64) -> Option<i64> {
    (x.abs() < i64::MAX as f64).then_some(x as i64)
}

/// Where each category has its one; the last of equals counts, as in ONNX Runtime.
fn index<T: Eq + Hash>(values: impl IntoIterator<Item = T>) -> HashMap<T, usize, Hashing> {
    values.into_iter().enumerate().map(|(at, value)| (value, at)).collect()
}

impl Op for OneHot {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let mut shape = input.shape().clone();
        shape.push(self.0.width);
        Ok(one(tensor(shape, self.0.values(input)?)?))
    }

    fn columns(&self, operands: &[Operand<'_>]) -> Option<Columns> {
        let table = operands.first()?.columns()?;
        let hot = |column: &Column| {
            // What was computed before may be no number that an input holds.
            let (input, at) = match column {
                Column::Raw { input, at } => (*input, *at),
                Column::Number { input, at, stages } if stages.is_empty() => (*input, *at),
                Column::Number { .. } | Column::Hot { .. } => return None,
            };
            Some((0..self.0.width).map(move |place| Column::Hot { input, at, place, encoder: self.0.clone() }))
        };
        let each: Vec<_> = table.each.iter().map(hot).collect::<Option<_>>()?;
        let mut dims = table.dims.clone();
        dims.push(self.0.width);
        Columns::flat(each.into_iter().flatten().collect()).reshaped(&dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours(unknown_is_zeros: bool) -> OneHot {
        let names = ["red", "green"].map(Arc::from);
        OneHot(Arc::new(Encoder { categories: Categories::Texts(index(names)), width: 2, unknown_is_zeros }))
    }

    #[test]
    fn an_unknown_category_is_zeros_or_refused() {
        let input = Tensor::of([2, 1], vec![Arc::<str>::from("green"), Arc::from("blue")]).expect("fits");
        let encoded = colours(true).run(&[&input]).expect("zeros");
        assert_eq!(&**encoded[0].shape(), &[2, 1, 2]);
        assert_eq!(encoded[0].as_slice::<f32>(), Some(&[0.0, 1.0, 0.0, 0.0][..]));
        let error = colours(false).run(&[&input]).expect_err("refused");
        assert_eq!(error, RunError::Input("'blue' is not a category the model knows".into()));
    }

    #[test]
    fn floats_are_cut_and_missing_ones_are_no_category() {
        let categories = Categories::Ints(index([0, 1]));
        let numbers = OneHot(Arc::new(Encoder { categories, width: 2, unknown_is_zeros: true }));
        let input = Tensor::of([4], vec![1.9f32, -0.5, f32::NAN, f32::INFINITY]).expect("fits");
        let encoded = numbers.run(&[&input]).expect("runs");
        assert_eq!(encoded[0].as_slice::<f32>(), Some(&[0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0][..]));
    }
}
