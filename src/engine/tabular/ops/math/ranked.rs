//! ArgMax, ArgMin and TopK: which elements of an axis are the largest or smallest.

use super::number::{Number, numbers};
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{Lines, axis, integer, one, operand, tensor, two};
use crate::engine::tabular::ops::{Call, Op, Outputs};
use crate::tensor::{Shape, Tensor};
use std::cmp::Ordering;

/// The index of the largest or smallest element of each line along an axis.
pub struct Arg {
    axis: i64,
    keep: bool,
    largest: bool,
    /// Which of equal elements counts.
    last: bool,
}

impl Arg {
    pub fn new(attributes: &Attributes, largest: bool) -> Self {
        Self {
            axis: attributes.int("axis", 0),
            keep: attributes.int("keepdims", 1) != 0,
            largest,
            last: attributes.int("select_last_index", 0) != 0,
        }
    }

    fn best<T: Number>(&self, line: impl Iterator<Item = T>) -> i64 {
        let mut best: Option<(i64, T)> = None;
        for (at, x) in (0..).zip(line) {
            let better = best.is_none_or(|(_, best)| match self.largest {
                true => x > best || (self.last && x == best),
                false => x < best || (self.last && x == best),
            });
            if better {
                best = Some((at, x));
            }
        }
        best.map_or(0, |(at, _)| at)
    }
}

impl Op for Arg {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let shape = input.shape();
        let axis = axis(self.axis, shape.len())?;
        let lines = Lines::new(shape, axis);
        if lines.len == 0 && lines.outer > 0 && lines.inner > 0 {
            return Err(RunError::Input("an axis without elements has no largest and no smallest one".into()));
        }
        let found: Vec<i64> = numbers!(input.data(), values => {
            (0..lines.count()).map(|line| self.best(lines.places(line).map(|at| values[at]))).collect()
        });
        let mut dims = shape.to_vec();
        match self.keep {
            true => dims[axis] = 1,
            false => drop(dims.remove(axis)),
        }
        tensor(dims.as_slice(), found).map(one)
    }
}

/// The `k` largest or smallest elements of each line along an axis, and their indices.
pub struct TopK {
    axis: i64,
    largest: bool,
    /// What operator sets before 10 hold in an attribute.
    fixed: Option<i64>,
}

impl TopK {
    pub fn new(call: &Call<'_>) -> Self {
        let attributes = call.attributes();
        Self {
            axis: attributes.int("axis", -1),
            largest: attributes.int("largest", 1) != 0,
            fixed: attributes.has("k").then(|| attributes.int("k", 1)),
        }
    }

    /// Which comes first: the better element, else the earlier one. NaN counts as the largest.
    fn order<T: Number>(&self, (at, x): &(usize, T), (other, y): &(usize, T)) -> Ordering {
        let up = x.partial_cmp(y).unwrap_or_else(|| is_nan(*x).cmp(&is_nan(*y)));
        let better = if self.largest { up.reverse() } else { up };
        better.then(at.cmp(other))
    }

    fn best<T: Number>(&self, values: &[T], lines: &Lines, k: usize) -> (Vec<T>, Vec<i64>) {
        let result = lines.with_len(k);
        let mut best = vec![T::ZERO; result.count() * k];
        let mut indices = vec![0; best.len()];
        for line in 0..lines.count() {
            let mut ranked: Vec<(usize, T)> = lines.places(line).map(|at| values[at]).enumerate().collect();
            if k < ranked.len() && k > 0 {
                ranked.select_nth_unstable_by(k - 1, |a, b| self.order(a, b));
                ranked.truncate(k);
            }
            ranked.sort_unstable_by(|a, b| self.order(a, b));
            for (place, (at, x)) in result.places(line).zip(&ranked) {
                (best[place], indices[place]) = (*x, *at as i64);
            }
        }
        (best, indices)
    }
}

fn is_nan<T: Number>(x: T) -> bool {
    x.partial_cmp(&x).is_none()
}

impl Op for TopK {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let axis = axis(self.axis, input.shape().len())?;
        let lines = Lines::new(input.shape(), axis);
        let k = match self.fixed {
            Some(k) => k,
            None => integer(operand(operands, 1)?)?,
        };
        let k = usize::try_from(k)
            .ok()
            .filter(|k| *k <= lines.len)
            .ok_or_else(|| RunError::Input(format!("the {k} best of {} elements are asked for", lines.len)))?;
        let mut dims = input.shape().to_vec();
        dims[axis] = k;
        let shape = Shape::new(&dims);
        numbers!(input.data(), values => {
            let (best, indices) = self.best(values, &lines, k);
            Ok(two(tensor(shape.clone(), best)?, tensor(shape, indices)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top(largest: bool, k: usize, values: &[f32]) -> (Vec<f32>, Vec<i64>) {
        let lines = Lines::new(&Shape::from([values.len()]), 0);
        TopK { axis: -1, largest, fixed: None }.best(values, &lines, k)
    }

    #[test]
    fn the_first_of_equals_comes_first() {
        assert_eq!(top(true, 2, &[1.0, 3.0, 3.0, 3.0]), (vec![3.0, 3.0], vec![1, 2]));
        assert_eq!(top(false, 3, &[2.0, 1.0, 1.0, 5.0]), (vec![1.0, 1.0, 2.0], vec![1, 2, 0]));
        assert_eq!(top(true, 1, &[1.0, f32::NAN]).1, [1]);
        assert_eq!(top(true, 0, &[1.0]).1, [0i64; 0]);
    }

    #[test]
    fn either_end_of_equals_may_count() {
        let arg = |last| Arg { axis: 0, keep: false, largest: true, last };
        assert_eq!(arg(false).best([1.0f32, 2.0, 2.0].into_iter()), 1);
        assert_eq!(arg(true).best([1.0f32, 2.0, 2.0].into_iter()), 2);
    }

    #[test]
    fn a_middle_axis_is_walked() {
        let input = Tensor::of([1, 3, 2], vec![1i64, 6, 3, 2, 2, 9]).expect("fits");
        let arg = Arg { axis: 1, keep: true, largest: true, last: false };
        let found = arg.run(&[&input]).expect("runs");
        assert_eq!((found[0].shape().to_vec(), found[0].as_slice::<i64>()), (vec![1, 1, 2], Some(&[1i64, 2][..])));
        let empty = Tensor::of([2, 0], Vec::<f32>::new()).expect("fits");
        assert!(Arg { axis: 1, keep: true, largest: true, last: false }.run(&[&empty]).is_err());
    }
}
