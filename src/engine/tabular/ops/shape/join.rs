//! Concat, Flatten and Reshape: the same elements in another shape.

use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::{Op, Outputs, RunError, one, operand, typed};
use crate::tensor::{Data, Shape, Tensor};

fn wrap(shape: impl Into<Shape>, data: Data) -> Result<Outputs, RunError> {
    Tensor::new(shape, data).map(one).map_err(|error| RunError::Engine(error.to_string()))
}

/// An axis counted from the end where negative.
fn axis(axis: i64, rank: usize) -> Result<usize, RunError> {
    let from_start = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(from_start) {
        Ok(at) if at <= rank => Ok(at),
        _ => Err(RunError::Engine(format!("axis {axis} is outside of rank {rank}"))),
    }
}

pub struct Concat {
    axis: i64,
}

impl Concat {
    pub fn new(attributes: &Attributes) -> Self {
        Self { axis: attributes.int("axis", 1) }
    }
}

impl Op for Concat {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let first = operand(operands, 0)?;
        let rank = first.shape().len();
        let axis = axis(self.axis, rank)?;
        let unlike = |other: &&&Tensor| {
            let (a, b) = (first.shape(), other.shape());
            other.dtype() != first.dtype()
                || b.len() != rank
                || axis >= rank
                || (0..rank).any(|at| at != axis && a[at] != b[at])
        };
        if let Some(other) = operands.iter().find(unlike) {
            return Err(RunError::Engine(format!(
                "cannot join {} and {} on axis {axis}",
                first.shape(),
                other.shape()
            )));
        }
        let mut dims = first.shape().to_vec();
        dims[axis] = operands.iter().map(|operand| operand.shape()[axis]).sum();
        let outer: usize = dims[..axis].iter().product();
        let inner: usize = dims[axis + 1..].iter().product();
        let mut data = Data::with_capacity(first.dtype(), dims.iter().product());
        for block in 0..outer {
            for operand in operands {
                let width = operand.shape()[axis] * inner;
                append(&mut data, operand.data(), block * width, width);
            }
        }
        wrap(dims.as_slice(), data)
    }
}

/// Appends a range of a buffer of the same type.
fn append(into: &mut Data, from: &Data, start: usize, len: usize) {
    macro_rules! same {
        ($($variant:ident),*) => {
            match (into, from) {
                $((Data::$variant(into), Data::$variant(from)) => into.extend_from_slice(&from[start..start + len]),)*
                _ => unreachable!("types were compared before"),
            }
        };
    }
    same!(Bool, U8, U16, U32, U64, I8, I16, I32, I64, F16, BF16, F32, F64, Str);
}

pub struct Flatten {
    axis: i64,
}

impl Flatten {
    pub fn new(attributes: &Attributes) -> Self {
        Self { axis: attributes.int("axis", 1) }
    }
}

impl Op for Flatten {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let axis = axis(self.axis, input.shape().len())?;
        let (outer, inner) = input.shape().split_at(axis);
        wrap([outer.iter().product(), inner.iter().product()], input.data().clone())
    }
}

pub struct Reshape {
    allow_zero: bool,
}

impl Reshape {
    pub fn new(attributes: &Attributes) -> Self {
        Self { allow_zero: attributes.int("allowzero", 0) != 0 }
    }

    /// Fills in 0 (as it was) and -1 (what is left).
    fn target(&self, wanted: &[i64], input: &Tensor) -> Result<Vec<usize>, RunError> {
        let bad = || RunError::Engine(format!("cannot reshape {} to {wanted:?}", input.shape()));
        let mut open = None;
        let mut dims = Vec::with_capacity(wanted.len());
        for (at, want) in wanted.iter().enumerate() {
            dims.push(match want {
                -1 if open.is_none() => {
                    open = Some(at);
                    1
                }
                0 if !self.allow_zero => *input.shape().get(at).ok_or_else(bad)?,
                n => usize::try_from(*n).map_err(|_| bad())?,
            });
        }
        if let Some(at) = open {
            let known: usize = dims.iter().product();
            let all = input.data().len();
            if known == 0 || !all.is_multiple_of(known) {
                return Err(bad());
            }
            dims[at] = all / known;
        }
        Ok(dims)
    }
}

impl Op for Reshape {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let wanted = typed::<i64>(operand(operands, 1)?)?;
        wrap(self.target(wanted, input)?.as_slice(), input.data().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(shape: &[usize], from: usize) -> Tensor {
        let len = shape.iter().product::<usize>();
        Tensor::of(shape, (from..from + len).map(|x| x as f32).collect()).expect("fits")
    }

    #[test]
    fn concat_joins_on_any_axis() {
        let (a, b) = (floats(&[2, 1], 0), floats(&[2, 2], 10));
        let joined = Concat { axis: -1 }.run(&[&a, &b]).expect("alike");
        assert_eq!(joined[0].as_slice::<f32>(), Some(&[0.0, 10.0, 11.0, 1.0, 12.0, 13.0][..]));
        assert!(Concat { axis: 0 }.run(&[&a, &b]).is_err());
    }

    #[test]
    fn reshape_fills_in_what_is_left() {
        let input = floats(&[2, 3, 4], 0);
        let to = |dims: &[i64]| {
            let wanted = Tensor::of([dims.len()], dims.to_vec()).expect("fits");
            Reshape { allow_zero: false }.run(&[&input, &wanted]).map(|out| out[0].shape().to_vec())
        };
        assert_eq!(to(&[-1, 6]), Ok(vec![4, 6]));
        assert_eq!(to(&[0, -1]), Ok(vec![2, 12]));
        assert!(to(&[-1, 5]).is_err());
        assert!(to(&[-1, -1]).is_err());
    }
}
