//! A shape and the elements that fill it.

use super::{DType, Data, Element, Shape};

/// A dense row-major tensor. The buffer always holds exactly as many elements as the shape says.
#[derive(Clone, Debug)]
pub struct Tensor {
    shape: Shape,
    data: Data,
}

/// Why a tensor could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    #[error("shape {0} has more elements than memory can address")]
    Overflow(Shape),
    #[error("shape {shape} takes {expected} elements, got {got}")]
    Length { shape: Shape, expected: usize, got: usize },
    #[error("cannot join tensors of unlike type or row shape: {left} {left_shape} and {right} {right_shape}")]
    Unlike { left: DType, left_shape: Shape, right: DType, right_shape: Shape },
}

impl Tensor {
    /// Joins a shape and its elements, refusing a length that does not fit.
    pub fn new(shape: impl Into<Shape>, data: Data) -> Result<Self, TensorError> {
        let shape = shape.into();
        let expected = shape.elements().ok_or_else(|| TensorError::Overflow(shape.clone()))?;
        match data.len() {
            got if got == expected => Ok(Self { shape, data }),
            got => Err(TensorError::Length { shape, expected, got }),
        }
    }

    /// A tensor of a Rust type: `Tensor::of([2, 1], vec![1.0f32, 2.0])`.
    pub fn of<T: Element>(shape: impl Into<Shape>, values: Vec<T>) -> Result<Self, TensorError> {
        Self::new(shape, T::wrap(values))
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    pub fn data(&self) -> &Data {
        &self.data
    }

    pub fn into_data(self) -> Data {
        self.data
    }

    /// The length of axis 0; a scalar counts as one row.
    pub fn rows(&self) -> usize {
        self.shape.rows()
    }

    /// Bytes held by the elements.
    pub fn bytes(&self) -> usize {
        self.data.bytes()
    }

    /// The elements, where they are of type `T`.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        T::slice(&self.data)
    }

    /// A copy of rows `from..from + count`. Panics where the rows are not there.
    pub fn rows_at(&self, from: usize, count: usize) -> Self {
        let width = self.shape.row_elements();
        let data = self.data.slice(from * width, (from + count) * width);
        Self { shape: self.shape.with_rows(count), data }
    }

    /// Stacks tensors of one type and row shape along axis 0.
    pub fn stack<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Result<Option<Self>, TensorError> {
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return Ok(None) };
        let mut whole = first.clone();
        let mut rows = first.rows();
        for part in parts {
            if part.shape.row_dims() != whole.shape.row_dims() || !whole.data.append(&part.data, 0..part.data.len()) {
                return Err(whole.unlike(part));
            }
            rows += part.rows();
        }
        whole.shape = whole.shape.with_rows(rows);
        Ok(Some(whole))
    }

    fn unlike(&self, other: &Self) -> TensorError {
        TensorError::Unlike {
            left: self.dtype(),
            left_shape: self.shape.clone(),
            right: other.dtype(),
            right_shape: other.shape.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_must_fit_the_shape() {
        let error = Tensor::of([2, 2], vec![1.0f32; 3]).expect_err("three of four");
        assert_eq!(error.to_string(), "shape [2,2] takes 4 elements, got 3");
        let error = Tensor::of([1 << 40, 1 << 40], vec![0u8; 1]).expect_err("too many");
        assert!(matches!(error, TensorError::Overflow(_)));
    }

    #[test]
    fn stacking_then_cutting_gives_the_parts_back() {
        let a = Tensor::of([1, 2], vec![1i64, 2]).expect("fits");
        let b = Tensor::of([2, 2], vec![3i64, 4, 5, 6]).expect("fits");
        let whole = Tensor::stack([&a, &b]).expect("alike").expect("two parts");
        assert_eq!(whole.shape(), &Shape::from([3, 2]));
        assert_eq!(whole.rows_at(0, 1).as_slice::<i64>(), a.as_slice::<i64>());
        assert_eq!(whole.rows_at(1, 2).as_slice::<i64>(), b.as_slice::<i64>());
    }

    #[test]
    fn unlike_tensors_do_not_stack() {
        let a = Tensor::of([1, 2], vec![1i64, 2]).expect("fits");
        let wider = Tensor::of([1, 3], vec![1i64, 2, 3]).expect("fits");
        let other = Tensor::of([1, 2], vec![1.0f32, 2.0]).expect("fits");
        assert!(Tensor::stack([&a, &wider]).is_err());
        assert!(Tensor::stack([&a, &other]).is_err());
    }
}
