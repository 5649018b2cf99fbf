//! Gather, GatherElements and Slice: some of the elements, chosen by place.

use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::listed::Listed;
use crate::engine::tabular::ops::operands::{Lines, axis, integers, length, operand, place, runs, wrap};
use crate::engine::tabular::ops::{Call, Op, Outputs};
use crate::tensor::{Shape, Tensor};

/// Whole slices along an axis, in the order of the indices.
pub struct Gather {
    axis: i64,
}

impl Gather {
    pub fn new(attributes: &Attributes) -> Self {
        Self { axis: attributes.int("axis", 0) }
    }
}

impl Op for Gather {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (input, indices) = (operand(operands, 0)?, operand(operands, 1)?);
        let shape = input.shape();
        let axis = axis(self.axis, shape.len())?;
        let lines = Lines::new(shape, axis);
        let places = integers(indices)?.iter().map(|at| place(*at, lines.len)).collect::<Result<Vec<_>, _>>()?;
        let dims = [&shape[..axis], indices.shape(), &shape[axis + 1..]].concat();
        let blocks = if length(&dims)? == 0 { 0 } else { lines.outer };
        let start = |block: usize| places.iter().map(move |at| (block * lines.len + at) * lines.inner);
        let starts: Vec<usize> = (0..blocks).flat_map(start).collect();
        wrap(dims.as_slice(), runs(input.data(), &starts, lines.inner))
    }
}

/// One element for each index: that of the same place, but for the axis, where the index says which.
pub struct GatherElements {
    axis: i64,
}

impl GatherElements {
    pub fn new(attributes: &Attributes) -> Self {
        Self { axis: attributes.int("axis", 0) }
    }
}

impl Op for GatherElements {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (input, indices) = (operand(operands, 0)?, operand(operands, 1)?);
        let (from, to) = (input.shape(), indices.shape());
        let axis = axis(self.axis, from.len())?;
        let fits = from.len() == to.len() && (0..from.len()).all(|at| at == axis || to[at] <= from[at]);
        if !fits {
            return Err(RunError::Engine(format!("indices of shape {to} do not fit a tensor of shape {from}")));
        }
        let mut starts = Vec::with_capacity(length(to)?);
        let mut counts = vec![0usize; to.len()];
        for index in integers(indices)?.iter() {
            let chosen = place(*index, from[axis])?;
            let at = (0..from.len()).fold(0, |at, own| at * from[own] + if own == axis { chosen } else { counts[own] });
            starts.push(at);
            count_up(&mut counts, to);
        }
        wrap(to.clone(), runs(input.data(), &starts, 1))
    }
}

/// The next place in a tensor of this shape, row-major.
fn count_up(counts: &mut [usize], shape: &Shape) {
    for (count, len) in counts.iter_mut().zip(shape.iter()).rev() {
        *count += 1;
        if *count < *len {
            return;
        }
        *count = 0;
    }
}

/// A range with a step along each axis.
pub struct Slice {
    starts: Listed,
    ends: Listed,
    axes: Listed,
    steps: Listed,
}

impl Slice {
    pub fn new(call: &Call<'_>) -> Self {
        Self {
            starts: Listed::new(call, "starts", 1),
            ends: Listed::new(call, "ends", 2),
            axes: Listed::new(call, "axes", 3),
            steps: Listed::new(call, "steps", 4),
        }
    }

    /// The places taken from each axis.
    fn places(&self, operands: &[&Tensor], shape: &[usize]) -> Result<Vec<Vec<usize>>, RunError> {
        let (starts, ends) = (self.starts.wanted(operands)?, self.ends.wanted(operands)?);
        let axes = self.axes.get(operands)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = self.steps.get(operands)?.unwrap_or_else(|| vec![1; starts.len()].into());
        if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
            return Err(RunError::Engine("its lists of starts, ends, axes and steps differ in length".into()));
        }
        let mut taken: Vec<Option<Vec<usize>>> = vec![None; shape.len()];
        for at in 0..starts.len() {
            let axis = axis(axes[at], shape.len())?;
            taken[axis] = Some(range(starts[at], ends[at], steps[at], shape[axis])?);
        }
        Ok(taken.into_iter().zip(shape).map(|(places, len)| places.unwrap_or_else(|| (0..*len).collect())).collect())
    }
}

/// The places from `start` to `end`, which may lie outside and count from the end where negative.
fn range(start: i64, end: i64, step: i64, len: usize) -> Result<Vec<usize>, RunError> {
    let len = i64::try_from(len).map_err(|_| RunError::Engine("an axis is too long".into()))?;
    let from_start = |at: i64| if at < 0 { at.saturating_add(len) } else { at };
    let (start, end) = (from_start(start), from_start(end));
    let places = |mut at: i64, more: &dyn Fn(i64) -> bool| {
        let mut places = Vec::new();
        while more(at) {
            places.push(at as usize);
            at = at.saturating_add(step);
        }
        places
    };
    match step {
        0 => Err(RunError::Engine("a step of 0 leads nowhere".into())),
        1.. => Ok(places(start.clamp(0, len), &|at| at < end.min(len))),
        _ => Ok(places(start.clamp(-1, len - 1), &|at| at >= 0 && at > end.max(-1))),
    }
}

impl Op for Slice {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        if input.data().is_empty() && input.shape().iter().any(|len| *len > super::super::operands::MOST_ELEMENTS) {
            return Err(RunError::Input(format!("shape {} is too long to slice", input.shape())));
        }
        let taken = self.places(operands, input.shape())?;
        let dims: Vec<usize> = taken.iter().map(Vec::len).collect();
        let mut starts = Vec::with_capacity(length(&dims)?.max(1));
        starts.push(0);
        for (places, len) in taken.iter().zip(input.shape().iter()) {
            starts = starts.iter().flat_map(|start| places.iter().map(move |at| start * len + at)).collect();
        }
        wrap(dims.as_slice(), runs(input.data(), &starts, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(shape: &[usize]) -> Tensor {
        Tensor::of(shape, (0..shape.iter().product::<usize>() as i64).collect()).expect("fits")
    }

    fn values(out: Result<Outputs, RunError>) -> (Vec<usize>, Vec<i64>) {
        let out = out.expect("runs");
        (out[0].shape().to_vec(), out[0].as_slice::<i64>().expect("integers").to_vec())
    }

    #[test]
    fn gather_takes_slices_from_either_end() {
        let indices = Tensor::of([2, 1], vec![-1i64, 0]).expect("fits");
        let taken = values(Gather { axis: 1 }.run(&[&numbers(&[2, 3, 2]), &indices]));
        assert_eq!(taken, (vec![2, 2, 1, 2], vec![4, 5, 0, 1, 10, 11, 6, 7]));
        let outside = Tensor::of([1], vec![3i64]).expect("fits");
        let error = Gather { axis: 1 }.run(&[&numbers(&[2, 3]), &outside]).expect_err("outside");
        assert!(matches!(error, RunError::Input(_)));
    }

    #[test]
    fn gather_elements_takes_one_for_each() {
        let indices = Tensor::of([2, 2], vec![0i64, 2, -1, 1]).expect("fits");
        let taken = values(GatherElements { axis: 1 }.run(&[&numbers(&[2, 3]), &indices]));
        assert_eq!(taken, (vec![2, 2], vec![0, 2, 5, 4]));
        let tall = Tensor::of([3, 1], vec![0i64; 3]).expect("fits");
        assert!(GatherElements { axis: 1 }.run(&[&numbers(&[2, 3]), &tall]).is_err());
    }

    #[test]
    fn ranges_are_those_of_python() {
        let range = |start, end, step| range(start, end, step, 5).expect("a step");
        assert_eq!(range(1, -1, 1), [1, 2, 3]);
        assert_eq!(range(0, i64::MAX, 2), [0, 2, 4]);
        assert_eq!(range(-1, i64::MIN, -2), [4, 2, 0]);
        assert_eq!(range(9, 0, -1), [4, 3, 2, 1]);
        assert_eq!(range(3, 1, 1), [0usize; 0]);
        assert_eq!(range(0, 5, i64::MAX), [0]);
    }

    #[test]
    fn slices_cut_every_axis_they_name() {
        let list = |values: &[i64]| Listed::fixed(Some(values.to_vec()));
        let slice = Slice { starts: list(&[1, -1]), ends: list(&[9, -4]), axes: list(&[0, 1]), steps: list(&[1, -2]) };
        assert_eq!(values(slice.run(&[&numbers(&[2, 3])])), (vec![1, 2], vec![5, 3]));
        let uneven = Slice { starts: list(&[1]), ends: list(&[]), axes: list(&[0]), steps: list(&[1]) };
        assert!(uneven.run(&[&numbers(&[2, 3])]).is_err());
    }
}
