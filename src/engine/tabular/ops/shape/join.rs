//! Concat and Split: tensors joined along an axis, and cut again.

use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::listed::Listed;
use crate::engine::tabular::ops::operands::{Lines, axis, length, operand, runs, volume, wrap};
use crate::engine::tabular::ops::{Call, Op, Outputs};
use crate::engine::tabular::row::{Columns, Operand};
use crate::tensor::{Data, Tensor};

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
            other.dtype() != first.dtype() || b.len() != rank || (0..rank).any(|at| at != axis && a[at] != b[at])
        };
        if let Some(other) = operands.iter().find(unlike) {
            return Err(RunError::Engine(format!(
                "cannot join {} {} and {} {} on axis {axis}",
                first.dtype(),
                first.shape(),
                other.dtype(),
                other.shape()
            )));
        }
        let mut dims = first.shape().to_vec();
        dims[axis] = operands.iter().fold(0, |sum: usize, operand| sum.saturating_add(operand.shape()[axis]));
        let lines = Lines::new(&dims, axis);
        let mut data = Data::with_capacity(first.dtype(), length(&dims)?);
        let blocks = if dims.contains(&0) { 0 } else { lines.outer };
        for block in 0..blocks {
            for operand in operands {
                let width = operand.shape()[axis] * lines.inner;
                // Types were compared above.
                data.append(operand.data(), block * width..(block + 1) * width);
            }
        }
        wrap(dims.as_slice(), data)
    }

    fn columns(&self, operands: &[Operand<'_>]) -> Option<Columns> {
        let tables = operands.iter().map(Operand::columns).collect::<Option<Vec<_>>>()?;
        let rank = 1 + tables.first()?.dims.len();
        (axis(self.axis, rank) == Ok(rank - 1)).then(|| Columns::joined(&tables))?
    }
}

/// Cuts an axis into as many parts as the node has outputs.
pub struct Split {
    axis: i64,
    sizes: Listed,
    parts: usize,
}

impl Split {
    pub fn new(call: &Call<'_>) -> Self {
        Self {
            axis: call.attributes().int("axis", 0),
            sizes: Listed::new(call, "split", 1),
            parts: call.node.outputs.len(),
        }
    }

    /// The length of each part: as listed, else all alike but for a shorter last one.
    fn lengths(&self, operands: &[&Tensor], whole: usize) -> Result<Vec<usize>, RunError> {
        let Some(listed) = self.sizes.get(operands)? else {
            let each = whole.div_ceil(self.parts.max(1));
            return Ok((0..self.parts).map(|at| each.min(whole.saturating_sub(each * at))).collect());
        };
        let bad = || RunError::Engine(format!("cannot cut {whole} into {} parts {listed:?}", self.parts));
        let sizes: Vec<usize> =
            listed.iter().map(|n| usize::try_from(*n).map_err(|_| bad())).collect::<Result<_, _>>()?;
        let sum = sizes.iter().fold(0usize, |sum, n| sum.saturating_add(*n));
        if sum == whole && sizes.len() == self.parts { Ok(sizes) } else { Err(bad()) }
    }
}

impl Op for Split {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let axis = axis(self.axis, input.shape().len())?;
        let lines = Lines::new(input.shape(), axis);
        let mut outputs = Outputs::new();
        let mut from = 0;
        for len in self.lengths(operands, lines.len)? {
            let mut dims = input.shape().to_vec();
            dims[axis] = len;
            let blocks = if length(&dims)? == 0 { 0 } else { lines.outer };
            let starts: Vec<usize> = (0..blocks).map(|block| (block * lines.len + from) * lines.inner).collect();
            outputs.extend(wrap(dims.as_slice(), runs(input.data(), &starts, volume(&[len, lines.inner])))?);
            from += len;
        }
        Ok(outputs)
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
        assert!(Concat { axis: 2 }.run(&[&a, &a]).is_err());
    }

    #[test]
    fn split_takes_apart_what_concat_joins() {
        let input = floats(&[2, 5], 0);
        let split = |sizes: Option<Vec<i64>>, parts| {
            let op = Split { axis: 1, sizes: Listed::fixed(sizes), parts };
            op.run(&[&input]).map(|parts| parts.iter().map(|part| part.shape()[1]).collect::<Vec<_>>())
        };
        assert_eq!(split(Some(vec![2, 3]), 2), Ok(vec![2, 3]));
        assert_eq!(split(None, 2), Ok(vec![3, 2]));
        assert!(split(Some(vec![2, 2]), 2).is_err() && split(Some(vec![-1, 6]), 2).is_err());
        let parts = Split { axis: 1, sizes: Listed::fixed(None), parts: 2 }.run(&[&input]).expect("cuts");
        let whole = Concat { axis: 1 }.run(&[&parts[0], &parts[1]]).expect("joins");
        assert_eq!(whole[0].as_slice::<f32>(), input.as_slice::<f32>());
    }
}
