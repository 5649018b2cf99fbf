//! OneHotEncoder: a category to a row of zeros and a one.

use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::{Op, Outputs, RunError, one, operand, tensor, typed, unsupported};
use crate::tensor::{Data, Tensor};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

pub struct OneHot {
    categories: Categories,
    width: usize,
    /// Whether an unknown category is a row of zeros; otherwise it is the caller's mistake.
    unknown_is_zeros: bool,
}

enum Categories {
    Ints(HashMap<i64, usize>),
    Texts(HashMap<Arc<str>, usize>),
}

impl OneHot {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let texts = attributes.strings("cats_strings");
        let ints = attributes.ints("cats_int64s");
        let (categories, width) = match (texts.len(), ints.len()) {
            (0, 0) => return Err("no categories are given".into()),
            (0, n) => (Categories::Ints(index(ints.iter().copied())), n),
            (n, _) => (Categories::Texts(index(texts)), n),
        };
        Ok(Self { categories, width, unknown_is_zeros: attributes.int("zeros", 1) != 0 })
    }

    fn encode<T>(
        &self,
        values: &[T],
        place: impl Fn(&T) -> Option<usize>,
        words: impl Fn(&T) -> String,
    ) -> Result<Vec<f32>, RunError> {
        let mut encoded = vec![0.0; values.len() * self.width];
        for (row, value) in encoded.chunks_exact_mut(self.width).zip(values) {
            match place(value) {
                Some(at) => row[at] = 1.0,
                None if self.unknown_is_zeros => {}
                None => return Err(RunError::Input(format!("{} is not a category the model knows", words(value)))),
            }
        }
        Ok(encoded)
    }

    fn values(&self, input: &Tensor) -> Result<Vec<f32>, RunError> {
        match (&self.categories, input.data()) {
            (Categories::Texts(known), _) => {
                self.encode(typed::<Arc<str>>(input)?, |text| known.get(text).copied(), |text| format!("'{text:.40}'"))
            }
            (Categories::Ints(known), Data::I64(ids)) => self.encode(ids, |id| known.get(id).copied(), i64::to_string),
            // ONNX Runtime truncates towards zero, too.
            (Categories::Ints(known), Data::F32(numbers)) => {
                self.encode(numbers, |x| known.get(&(*x as i64)).copied(), f32::to_string)
            }
            (Categories::Ints(_), other) => Err(unsupported(other.dtype())),
        }
    }
}

fn index<T: Eq + Hash>(values: impl IntoIterator<Item = T>) -> HashMap<T, usize> {
    let mut places = HashMap::new();
    for (at, value) in values.into_iter().enumerate() {
        places.entry(value).or_insert(at);
    }
    places
}

impl Op for OneHot {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let mut shape = input.shape().clone();
        shape.push(self.width);
        Ok(one(tensor(shape, self.values(input)?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours(unknown_is_zeros: bool) -> OneHot {
        let names = ["red", "green"].map(Arc::from);
        OneHot { categories: Categories::Texts(index(names)), width: 2, unknown_is_zeros }
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
}
