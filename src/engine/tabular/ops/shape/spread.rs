//! Transpose, Expand, Tile and OneHot: elements moved or repeated.

use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::broadcast::{common, expand};
use crate::engine::tabular::ops::operands::{
    axis, axis_or_end, doubles, integer, integers, length, operand, runs, volume, wrap,
};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::{Shape, Tensor};

/// Axes in another order; without one, from the last to the first.
pub struct Transpose {
    order: Option<Vec<i64>>,
}

impl Transpose {
    pub fn new(attributes: &Attributes) -> Self {
        Self { order: attributes.has("perm").then(|| attributes.ints("perm").to_vec()) }
    }

    fn axes(&self, rank: usize) -> Result<Vec<usize>, RunError> {
        let Some(order) = &self.order else { return Ok((0..rank).rev().collect()) };
        let axes = order.iter().map(|at| axis(*at, rank)).collect::<Result<Vec<_>, _>>()?;
        let whole = axes.len() == rank && (0..rank).all(|at| axes.contains(&at));
        whole.then_some(axes).ok_or_else(|| RunError::Engine(format!("{order:?} is no order of {rank} axes")))
    }
}

impl Op for Transpose {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let shape = input.shape();
        let axes = self.axes(shape.len())?;
        let dims: Vec<usize> = axes.iter().map(|at| shape[*at]).collect();
        if input.data().is_empty() {
            return wrap(dims.as_slice(), input.data().clone());
        }
        let mut starts = Vec::with_capacity(input.data().len());
        starts.push(0);
        for at in axes {
            let step = volume(&shape[at + 1..]);
            starts = starts.iter().flat_map(|start| (0..shape[at]).map(move |place| start + place * step)).collect();
        }
        wrap(dims.as_slice(), runs(input.data(), &starts, 1))
    }
}

/// Repeats until the shape in the second operand is filled; either may have axes of length one.
pub struct Expand;

impl Op for Expand {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let target = common(input.shape(), &shape_of(operand(operands, 1)?)?)?;
        wrap(target.clone(), expand(input, &target)?)
    }
}

/// A shape that is told by values.
pub fn shape_of(tensor: &Tensor) -> Result<Shape, RunError> {
    let dims = integers(tensor)?;
    let dim = |n: &i64| usize::try_from(*n).map_err(|_| RunError::Input(format!("{dims:?} is no shape")));
    let dims = dims.iter().map(dim).collect::<Result<Vec<_>, _>>()?;
    length(&dims)?;
    Ok(Shape::new(&dims))
}

/// Repeats the whole tensor along each axis.
pub struct Tile;

impl Op for Tile {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (input, counts) = (operand(operands, 0)?, operand(operands, 1)?);
        let (shape, counts) = (input.shape(), integers(counts)?);
        let bad = || RunError::Engine(format!("cannot repeat {shape} {counts:?} times"));
        if counts.len() != shape.len() {
            return Err(bad());
        }
        let counts = counts.iter().map(|n| usize::try_from(*n).map_err(|_| bad())).collect::<Result<Vec<_>, _>>()?;
        let dims: Vec<usize> = shape.iter().zip(&counts).map(|(len, n)| len.saturating_mul(*n)).collect();
        if length(&dims)? == 0 {
            return wrap(dims.as_slice(), runs(input.data(), &[], 1));
        }
        let mut starts = vec![0];
        for (len, wide) in shape.iter().zip(&dims) {
            starts = starts.iter().flat_map(|start| (0..*wide).map(move |at| start * len + at % len)).collect();
        }
        wrap(dims.as_slice(), runs(input.data(), &starts, 1))
    }
}

/// A new axis that is "on" where the index points and "off" elsewhere; an index outside is off everywhere.
pub struct OneHot {
    axis: i64,
}

impl OneHot {
    pub fn new(attributes: &Attributes) -> Self {
        Self { axis: attributes.int("axis", -1) }
    }
}

impl Op for OneHot {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (indices, depth, off_on) = (operand(operands, 0)?, operand(operands, 1)?, operand(operands, 2)?);
        if off_on.data().len() != 2 {
            return Err(RunError::Engine(format!("expected the two values off and on, got {}", off_on.data().len())));
        }
        let depth = match integers(depth) {
            Ok(_) => integer(depth)?,
            Err(_) => doubles(depth)?.first().map_or(0, |depth| *depth as i64),
        };
        let width = usize::try_from(depth).map_err(|_| RunError::Input(format!("depth {depth} is negative")))?;
        let rank = indices.shape().len();
        let at = match self.axis {
            -1 => rank,
            other => axis_or_end(other, rank + 1)?.min(rank),
        };
        let (outer, inner) = indices.shape().split_at(at);
        let dims = [outer, &[width], inner].concat();
        let len = length(&dims)?;
        let inner = volume(inner);
        let mut places = vec![0usize; len];
        if len > 0 {
            for (number, index) in doubles(indices)?.iter().enumerate() {
                let index = *index as i64;
                let on = if index < 0 { index.saturating_add(depth) } else { index };
                if (0..depth).contains(&on) {
                    places[(number / inner * width + on as usize) * inner + number % inner] = 1;
                }
            }
        }
        wrap(dims.as_slice(), runs(off_on.data(), &places, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(shape: &[usize]) -> Tensor {
        Tensor::of(shape, (0..shape.iter().product::<usize>() as i64).collect()).expect("fits")
    }

    fn list(values: &[i64]) -> Tensor {
        Tensor::of([values.len()], values.to_vec()).expect("fits")
    }

    fn values(out: Result<Outputs, RunError>) -> (Vec<usize>, Vec<i64>) {
        let out = out.expect("runs");
        (out[0].shape().to_vec(), out[0].as_slice::<i64>().expect("integers").to_vec())
    }

    #[test]
    fn axes_change_places() {
        let turned = values(Transpose { order: None }.run(&[&numbers(&[2, 3])]));
        assert_eq!(turned, (vec![3, 2], vec![0, 3, 1, 4, 2, 5]));
        let turned = values(Transpose { order: Some(vec![1, 0, 2]) }.run(&[&numbers(&[2, 2, 2])]));
        assert_eq!(turned, (vec![2, 2, 2], vec![0, 1, 4, 5, 2, 3, 6, 7]));
        assert!(Transpose { order: Some(vec![0, 0]) }.run(&[&numbers(&[2, 3])]).is_err());
    }

    #[test]
    fn tensors_are_repeated() {
        assert_eq!(values(Tile.run(&[&numbers(&[1, 2]), &list(&[2, 2])])), (vec![2, 4], vec![0, 1, 0, 1, 0, 1, 0, 1]));
        assert_eq!(values(Expand.run(&[&numbers(&[2, 1]), &list(&[3, 1, 2])])).0, [3, 2, 2]);
        assert!(matches!(Tile.run(&[&numbers(&[1, 2]), &list(&[i64::MAX, 1])]), Err(RunError::Input(_))));
        assert!(matches!(Expand.run(&[&numbers(&[1]), &list(&[1 << 40])]), Err(RunError::Input(_))));
    }

    #[test]
    fn one_hot_counts_from_either_end_and_passes_over_others() {
        let hot = |axis| OneHot { axis }.run(&[&list(&[0, -1, 7]), &list(&[2]), &list(&[5, 9])]);
        assert_eq!(values(hot(-1)), (vec![3, 2], vec![9, 5, 5, 9, 5, 5]));
        assert_eq!(values(hot(0)), (vec![2, 3], vec![9, 5, 5, 5, 9, 5]));
    }
}
