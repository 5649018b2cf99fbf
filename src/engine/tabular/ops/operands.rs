//! What every operator does with its operands: find them, check them, and wrap what it computed.
//!
//! An operand's type, shape and values come from a file or a request, so all of it is checked here
//! and nothing is taken on trust: a wrong one is an error in words, never a panic.

use super::Outputs;
use crate::engine::RunError;
use crate::tensor::{DType, Data, Element, Shape, Tensor, each};
use std::borrow::Cow;
use std::cell::Cell;

/// The most elements that an operator makes where the length is told by values and not by the
/// length of an operand: a request must not be able to ask for more memory than it sends.
pub const MOST_ELEMENTS: usize = 1 << 26;

thread_local! {
    static MOST: Cell<usize> = const { Cell::new(MOST_ELEMENTS) };
}

/// Runs `work` while results may have so many elements at most: what a model file computes from its
/// own constants is to stay in proportion to the file.
pub fn at_most<T>(elements: usize, work: impl FnOnce() -> T) -> T {
    /// Puts the bound back, also if an operator panics.
    struct Restored(usize);
    impl Drop for Restored {
        fn drop(&mut self) {
            MOST.set(self.0);
        }
    }
    let _restored = Restored(MOST.replace(elements.min(MOST_ELEMENTS)));
    work()
}

/// The operand at `at`.
pub fn operand<'a>(operands: &[&'a Tensor], at: usize) -> Result<&'a Tensor, RunError> {
    operands.get(at).copied().ok_or_else(|| RunError::Engine(format!("operand {at} is missing")))
}

/// The elements of an operand as type `T`.
pub fn typed<T: Element>(tensor: &Tensor) -> Result<&[T], RunError> {
    tensor.as_slice().ok_or_else(|| RunError::Engine(format!("expected {} elements, got {}", T::DTYPE, tensor.dtype())))
}

/// Numbers as `f32`. Doubles are refused: narrowing them could send a row down another branch.
pub fn floats(tensor: &Tensor) -> Result<Cow<'_, [f32]>, RunError> {
    Ok(match tensor.data() {
        Data::F32(values) => Cow::Borrowed(values),
        Data::I64(values) => values.iter().map(|v| *v as f32).collect(),
        Data::I32(values) => values.iter().map(|v| *v as f32).collect(),
        Data::Bool(values) => values.iter().map(|v| f32::from(u8::from(*v))).collect(),
        other => return Err(unsupported(other.dtype())),
    })
}

/// Numbers as `f64`, which holds all that ONNX-ML takes but the largest integers.
pub fn doubles(tensor: &Tensor) -> Result<Cow<'_, [f64]>, RunError> {
    Ok(match tensor.data() {
        Data::F64(values) => Cow::Borrowed(values),
        Data::F32(values) => values.iter().map(|v| f64::from(*v)).collect(),
        Data::I64(values) => values.iter().map(|v| *v as f64).collect(),
        Data::I32(values) => values.iter().map(|v| f64::from(*v)).collect(),
        Data::Bool(values) => values.iter().map(|v| f64::from(u8::from(*v))).collect(),
        other => return Err(unsupported(other.dtype())),
    })
}

/// Places, lengths and axes, which ONNX gives in either width.
pub fn integers(tensor: &Tensor) -> Result<Cow<'_, [i64]>, RunError> {
    match tensor.data() {
        Data::I64(values) => Ok(Cow::Borrowed(values)),
        Data::I32(values) => Ok(values.iter().map(|v| i64::from(*v)).collect()),
        other => Err(RunError::Engine(format!("expected INT64 or INT32 elements, got {}", other.dtype()))),
    }
}

/// The one integer of an operand.
pub fn integer(tensor: &Tensor) -> Result<i64, RunError> {
    match &*integers(tensor)? {
        [value] => Ok(*value),
        other => Err(RunError::Engine(format!("expected one integer, got {}", other.len()))),
    }
}

/// Rows and columns of a matrix; a vector is one row, as ONNX-ML has it.
pub fn matrix(tensor: &Tensor) -> (usize, usize) {
    let shape = tensor.shape();
    match shape.len() {
        0 => (1, 1),
        1 => (1, shape[0]),
        _ => (shape.rows(), volume(&shape[1..])),
    }
}

/// The product of some axes. It cannot overflow for axes of a tensor that holds elements; one that
/// holds none may claim any length, and then the largest number stands for it.
pub fn volume(dims: &[usize]) -> usize {
    match dims.contains(&0) {
        true => 0,
        false => dims.iter().fold(1, |product: usize, dim| product.saturating_mul(*dim)),
    }
}

/// How many elements a new tensor holds, where that is at most [`MOST_ELEMENTS`], or what [`at_most`] says.
pub fn length(dims: &[usize]) -> Result<usize, RunError> {
    length_within(dims, MOST.get())
}

/// How many elements a new tensor holds, where that is at most `most`.
pub fn length_within(dims: &[usize], most: usize) -> Result<usize, RunError> {
    match volume(dims) {
        len if len <= most => Ok(len),
        _ => Err(RunError::Input(format!("a result of shape {} has more than {most} elements", Shape::new(dims)))),
    }
}

/// An axis of a tensor of this rank, counted from the end where negative.
pub fn axis(axis: i64, rank: usize) -> Result<usize, RunError> {
    match axis_or_end(axis, rank)? {
        at if at < rank => Ok(at),
        _ => Err(RunError::Engine(format!("axis {axis} is outside of rank {rank}"))),
    }
}

/// The same, with the place behind the last axis allowed.
pub fn axis_or_end(axis: i64, rank: usize) -> Result<usize, RunError> {
    let from_start = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    match usize::try_from(from_start) {
        Ok(at) if at <= rank => Ok(at),
        _ => Err(RunError::Engine(format!("axis {axis} is outside of rank {rank}"))),
    }
}

/// A place in an axis of this length, counted from the end where negative.
pub fn place(index: i64, len: usize) -> Result<usize, RunError> {
    let from_start = if index < 0 { index.saturating_add(len as i64) } else { index };
    match usize::try_from(from_start) {
        Ok(at) if at < len => Ok(at),
        _ => Err(RunError::Input(format!("place {index} is outside of an axis of length {len}"))),
    }
}

/// The lines of a tensor along one axis: how many there are in front, how long they are, and how far
/// apart their elements lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    pub outer: usize,
    pub len: usize,
    pub inner: usize,
}

impl Lines {
    /// `axis` must be one of the shape's.
    pub fn new(shape: &[usize], axis: usize) -> Self {
        Self { outer: volume(&shape[..axis]), len: shape[axis], inner: volume(&shape[axis + 1..]) }
    }

    /// The same lines, longer or shorter.
    pub fn with_len(self, len: usize) -> Self {
        Self { len, ..self }
    }

    /// Lines with elements in them; an empty tensor may claim any number of empty ones.
    pub fn count(&self) -> usize {
        if self.len == 0 { 0 } else { volume(&[self.outer, self.inner]) }
    }

    /// Where element `at` of a line lies in the buffer.
    pub fn place(&self, line: usize, at: usize) -> usize {
        (line / self.inner * self.len + at) * self.inner + line % self.inner
    }

    /// Where all of them lie, in order.
    pub fn places(&self, line: usize) -> impl Iterator<Item = usize> + use<> {
        let (first, step) = (self.place(line, 0), self.inner);
        (0..self.len).map(move |at| first + at * step)
    }
}

/// A buffer of runs of `len` elements, each copied from its start, which must lie inside.
pub fn runs(data: &Data, starts: &[usize], len: usize) -> Data {
    fn copy<T: Element>(values: &[T], starts: &[usize], len: usize) -> Data {
        let mut copied = Vec::with_capacity(volume(&[starts.len(), len]));
        match len {
            1 => copied.extend(starts.iter().map(|at| values[*at].clone())),
            _ => starts.iter().for_each(|at| copied.extend_from_slice(&values[*at..*at + len])),
        }
        T::wrap(copied)
    }
    each!(data, values => copy(values, starts, len))
}

/// Joins a shape and the values an operator computed for it.
pub fn tensor<T: Element>(shape: impl Into<Shape>, values: Vec<T>) -> Result<Tensor, RunError> {
    Tensor::of(shape, values).map_err(|error| RunError::Engine(error.to_string()))
}

/// The same for a buffer whose type is known at run time only, as an operator's one result.
pub fn wrap(shape: impl Into<Shape>, data: Data) -> Result<Outputs, RunError> {
    Tensor::new(shape, data).map(one).map_err(|error| RunError::Engine(error.to_string()))
}

pub fn one(tensor: Tensor) -> Outputs {
    let mut outputs = Outputs::new();
    outputs.push(tensor);
    outputs
}

pub fn two(first: Tensor, second: Tensor) -> Outputs {
    let mut outputs = one(first);
    outputs.push(second);
    outputs
}

/// A dtype in an error about what the file asks for.
pub fn unsupported(dtype: DType) -> RunError {
    RunError::Engine(format!("{dtype} elements are not supported here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_and_places_count_from_either_end() {
        assert_eq!((axis(-1, 3), axis(2, 3), axis_or_end(3, 3)), (Ok(2), Ok(2), Ok(3)));
        assert!(axis(3, 3).is_err() && axis(-4, 3).is_err() && axis(i64::MIN, 3).is_err());
        assert_eq!((place(-1, 2), place(0, 2)), (Ok(1), Ok(0)));
        assert!(place(2, 2).is_err() && place(i64::MIN, 2).is_err() && place(0, 0).is_err());
    }

    #[test]
    fn a_lower_bound_holds_while_it_is_asked_for() {
        assert!(at_most(5, || length(&[6])).is_err() && at_most(6, || length(&[6])).is_ok());
        assert!(std::panic::catch_unwind(|| at_most(5, || panic!("an operator"))).is_err());
        assert_eq!((length(&[6]), at_most(usize::MAX, || length(&[MOST_ELEMENTS + 1]).is_ok())), (Ok(6), false));
    }

    #[test]
    fn hostile_lengths_are_refused() {
        assert_eq!(length(&[2, 3]), Ok(6));
        assert_eq!(length(&[0, usize::MAX, usize::MAX]), Ok(0));
        assert!(length(&[usize::MAX, usize::MAX]).is_err());
        assert!(length(&[MOST_ELEMENTS + 1]).is_err());
    }
}
