//! Reshape, Flatten, Squeeze and Unsqueeze: the same elements under another shape.

use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::listed::Listed;
use crate::engine::tabular::ops::operands::{axis, axis_or_end, integers, operand, volume, wrap};
use crate::engine::tabular::ops::{Call, Op, Outputs};
use crate::engine::tabular::row::{Columns, Operand};
use crate::tensor::Tensor;

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
        let (outer, inner) = input.shape().split_at(axis_or_end(self.axis, input.shape().len())?);
        wrap([volume(outer), volume(inner)], input.data().clone())
    }

    fn columns(&self, operands: &[Operand<'_>]) -> Option<Columns> {
        let table = operands.first()?.columns()?;
        (self.axis == 1).then(|| table.reshaped(&[table.each.len()]))?
    }
}

pub struct Reshape {
    allow_zero: bool,
    shape: Listed,
}

impl Reshape {
    pub fn new(call: &Call<'_>) -> Self {
        Self { allow_zero: call.attributes().int("allowzero", 0) != 0, shape: Listed::new(call, "shape", 1) }
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
            let known = volume(&dims);
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
        let wanted = self.shape.wanted(operands)?;
        wrap(self.target(&wanted, input)?.as_slice(), input.data().clone())
    }

    /// Where the first axis stays the rows.
    fn columns(&self, operands: &[Operand<'_>]) -> Option<Columns> {
        let table = operands.first()?.columns()?;
        let wanted = self.shape.known(operands)?;
        let (rows, rest) = wanted.split_first()?;
        let as_it_was = *rows == 0 && !self.allow_zero;
        let mut dims = Vec::with_capacity(rest.len());
        for want in rest {
            dims.push(match want {
                -1 if as_it_was && rest.len() == 1 => table.each.len(),
                n => usize::try_from(*n).ok().filter(|n| *n > 0)?,
            });
        }
        (*rows == -1 || as_it_was).then(|| table.reshaped(&dims))?
    }
}

/// Takes axes of length one away: those that are named, or all.
pub struct Squeeze(Listed);

impl Squeeze {
    pub fn new(call: &Call<'_>) -> Self {
        Self(Listed::new(call, "axes", 1))
    }
}

impl Op for Squeeze {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let shape = input.shape();
        let mut gone: Vec<bool> = shape.iter().map(|len| *len == 1).collect();
        if let Some(listed) = self.0.get(operands)? {
            let mut named = vec![false; shape.len()];
            for at in listed.iter() {
                named[axis(*at, shape.len())?] = true;
            }
            if named.iter().zip(&gone).any(|(named, single)| *named && !single) {
                return Err(RunError::Engine(format!(
                    "cannot take axes {listed:?} from {shape}: one is longer than 1"
                )));
            }
            gone = named;
        }
        let dims: Vec<usize> = shape.iter().zip(gone).filter(|(_, gone)| !gone).map(|(len, _)| *len).collect();
        wrap(dims.as_slice(), input.data().clone())
    }
}

/// Puts axes of length one where they are named, counted in the result.
pub struct Unsqueeze(Listed);

impl Unsqueeze {
    pub fn new(call: &Call<'_>) -> Self {
        Self(Listed::new(call, "axes", 1))
    }
}

impl Op for Unsqueeze {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let listed = match self.0.get(operands)? {
            Some(listed) => listed,
            None => integers(operand(operands, 1)?)?,
        };
        // A list longer than any rank in use is a mistake, and would be a large allocation.
        let rank = input.shape().len() + listed.len();
        if rank > 64 {
            return Err(RunError::Input(format!("a result of rank {rank} is asked for, 64 is the most")));
        }
        let mut new = vec![false; rank];
        for at in listed.iter() {
            if std::mem::replace(&mut new[axis(*at, rank)?], true) {
                return Err(RunError::Engine(format!("axes {listed:?} name one axis twice")));
            }
        }
        let mut old = input.shape().iter();
        let dims: Vec<usize> = new.iter().map(|new| if *new { 1 } else { old.next().copied().unwrap_or(1) }).collect();
        wrap(dims.as_slice(), input.data().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(shape: &[usize]) -> Tensor {
        Tensor::of(shape, vec![0.0f32; shape.iter().product()]).expect("fits")
    }

    #[test]
    fn reshape_fills_in_what_is_left() {
        let input = floats(&[2, 3, 4]);
        let to = |dims: &[i64]| {
            let op = Reshape { allow_zero: false, shape: Listed::fixed(Some(dims.to_vec())) };
            op.run(&[&input]).map(|out| out[0].shape().to_vec())
        };
        assert_eq!(to(&[-1, 6]), Ok(vec![4, 6]));
        assert_eq!(to(&[0, -1]), Ok(vec![2, 12]));
        assert!(to(&[-1, 5]).is_err());
        assert!(to(&[-1, -1]).is_err());
        assert!(to(&[i64::MAX, i64::MAX]).is_err());
    }

    #[test]
    fn single_axes_go_and_come() {
        let input = floats(&[1, 3, 1]);
        let squeezed = |axes: Option<&[i64]>| {
            let op = Squeeze(Listed::fixed(axes.map(<[i64]>::to_vec)));
            op.run(&[&input]).map(|out| out[0].shape().to_vec())
        };
        assert_eq!(squeezed(None), Ok(vec![3]));
        assert_eq!(squeezed(Some(&[-1])), Ok(vec![1, 3]));
        assert!(squeezed(Some(&[1])).is_err() && squeezed(Some(&[3])).is_err());
        let unsqueezed = |axes: &[i64]| {
            Unsqueeze(Listed::fixed(Some(axes.to_vec()))).run(&[&input]).map(|out| out[0].shape().to_vec())
        };
        assert_eq!(unsqueezed(&[0, -1]), Ok(vec![1, 1, 3, 1, 1]));
        assert!(unsqueezed(&[0, 0]).is_err() && unsqueezed(&vec![0; 99]).is_err());
    }
}
