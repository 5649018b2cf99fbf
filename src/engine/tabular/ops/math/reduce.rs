//! Reductions over axes: sums, means, extremes, norms and their logarithms.
//!
//! A result takes its elements in row-major order, in double precision (integers exactly, wrapping
//! at the end of 64 bits): it does not depend on what else is in the batch.

use super::number::{Number, numbers};
use crate::engine::RunError;
use crate::engine::tabular::ops::listed::Listed;
use crate::engine::tabular::ops::operands::{axis, length, one, operand, tensor, unsupported, volume};
use crate::engine::tabular::ops::{Call, Op, Outputs};
use crate::tensor::{Data, Shape, Tensor};

/// What becomes of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sum,
    Mean,
    Max,
    Min,
    Prod,
    L1,
    L2,
    SumSquare,
    LogSum,
    LogSumExp,
}

pub struct Reduce {
    kind: Kind,
    axes: Listed,
    keep: bool,
    /// Whether an empty list of axes means none, and not all.
    none_if_empty: bool,
}

impl Reduce {
    pub fn new(call: &Call<'_>, kind: Kind) -> Self {
        let on = |name, default| call.attributes().int(name, default) != 0;
        Self {
            kind,
            axes: Listed::new(call, "axes", 1),
            keep: on("keepdims", 1),
            none_if_empty: on("noop_with_empty_axes", 0),
        }
    }

    /// Which axes are reduced.
    fn reduced(&self, operands: &[&Tensor], rank: usize) -> Result<Vec<bool>, RunError> {
        let listed = self.axes.get(operands)?.unwrap_or_default();
        let mut reduced = vec![listed.is_empty() && !self.none_if_empty; rank];
        for at in listed.iter() {
            reduced[axis(*at, rank)?] = true;
        }
        Ok(reduced)
    }
}

impl Op for Reduce {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let reduced = self.reduced(operands, input.shape().len())?;
        let plan = Plan::new(input.shape(), &reduced, self.keep)?;
        match input.data() {
            Data::Bool(values) => {
                // Truth values have extremes, and nothing else.
                let numbers: Vec<i32> = values.iter().map(|v| i32::from(*v)).collect();
                let found = match self.kind {
                    Kind::Max | Kind::Min => reduce(self.kind, &plan, &numbers),
                    _ => return Err(unsupported(input.dtype())),
                };
                tensor(plan.shape, found.into_iter().map(|v| v > 0).collect::<Vec<_>>())
            }
            data => {
                let found: Result<Tensor, RunError> = numbers!(data, values => {
                    tensor(plan.shape.clone(), reduce(self.kind, &plan, values))
                });
                found
            }
        }
        .map(one)
    }
}

/// Which element goes to which result.
struct Plan {
    shape: Shape,
    results: usize,
    /// Length of each axis, and how far the result moves with it.
    axes: Vec<(usize, usize)>,
    /// Elements per result.
    share: usize,
}

impl Plan {
    fn new(shape: &Shape, reduced: &[bool], keep: bool) -> Result<Self, RunError> {
        let kept = |at: usize| if reduced[at] { 1 } else { shape[at] };
        let wide: Vec<usize> = (0..shape.len()).map(kept).collect();
        let results = length(&wide)?;
        let mut axes = vec![(0, 0); shape.len()];
        let mut step = 1usize;
        for at in (0..shape.len()).rev() {
            axes[at] = (shape[at], if reduced[at] { 0 } else { step });
            step = step.saturating_mul(wide[at].max(1));
        }
        let share = volume(&(0..shape.len()).filter(|at| reduced[*at]).map(|at| shape[at]).collect::<Vec<_>>());
        let dims: Vec<usize> = (0..shape.len()).filter(|at| keep || !reduced[*at]).map(kept).collect();
        Ok(Self { shape: Shape::new(&dims), results, axes, share })
    }

    /// Hands every element to its result, in order.
    fn each<T: Copy>(&self, values: &[T], mut then: impl FnMut(usize, T)) {
        let Some(((len, step), outer)) = self.axes.split_last() else {
            values.iter().for_each(|value| then(0, *value));
            return;
        };
        let mut counts = vec![0usize; outer.len()];
        let mut result = 0;
        for line in values.chunks_exact((*len).max(1)) {
            line.iter().enumerate().for_each(|(at, value)| then(result + at * step, *value));
            for ((len, step), count) in outer.iter().zip(&mut counts).rev() {
                *count += 1;
                result += step;
                if *count < *len {
                    break;
                }
                result -= step * len;
                *count = 0;
            }
        }
    }
}

fn reduce<T: Number>(kind: Kind, plan: &Plan, values: &[T]) -> Vec<T> {
    match kind {
        Kind::Max | Kind::Min => extremes(kind, plan, values),
        Kind::Sum | Kind::Prod | Kind::L1 | Kind::SumSquare if !T::IS_FLOAT => integers(kind, plan, values),
        _ => floats(kind, plan, values),
    }
}

/// The extreme of no elements is what every element would replace.
fn extremes<T: Number>(kind: Kind, plan: &Plan, values: &[T]) -> Vec<T> {
    let mut found = vec![if kind == Kind::Max { T::LOWEST } else { T::HIGHEST }; plan.results];
    plan.each(values, |result, x| {
        let best = found[result];
        found[result] = if kind == Kind::Max { best.max(x) } else { best.min(x) };
    });
    found
}

fn integers<T: Number>(kind: Kind, plan: &Plan, values: &[T]) -> Vec<T> {
    let mut sums = vec![if kind == Kind::Prod { T::ONE } else { T::ZERO }; plan.results];
    plan.each(values, |result, x| {
        let sum = sums[result];
        sums[result] = match kind {
            Kind::Prod => sum.mul(x),
            Kind::L1 => sum.add(x.abs()),
            Kind::SumSquare => sum.add(x.mul(x)),
            _ => sum.add(x),
        };
    });
    sums
}

fn floats<T: Number>(kind: Kind, plan: &Plan, values: &[T]) -> Vec<T> {
    let mut sums = vec![if kind == Kind::Prod { 1.0 } else { 0.0 }; plan.results];
    // The largest is taken off first, so that no exponential overflows.
    let tops = if kind == Kind::LogSumExp { tops(plan, values) } else { Vec::new() };
    plan.each(values, |result, x| {
        let (x, sum) = (x.to_f64(), &mut sums[result]);
        match kind {
            Kind::Prod => *sum *= x,
            Kind::L1 => *sum += x.abs(),
            Kind::L2 | Kind::SumSquare => *sum += x * x,
            Kind::LogSumExp => *sum += (x - tops[result]).exp(),
            _ => *sum += x,
        }
    });
    let finish = |(at, sum): (usize, &f64)| match kind {
        Kind::Mean => sum / plan.share as f64,
        Kind::L2 => sum.sqrt(),
        Kind::LogSum => sum.ln(),
        Kind::LogSumExp => sum.ln() + tops[at],
        _ => *sum,
    };
    sums.iter().enumerate().map(finish).map(T::from_f64).collect()
}

/// The largest finite element of each result, or zero.
fn tops<T: Number>(plan: &Plan, values: &[T]) -> Vec<f64> {
    let mut tops = vec![f64::NEG_INFINITY; plan.results];
    plan.each(values, |result, x| tops[result] = f64::max(tops[result], x.to_f64()));
    tops.into_iter().map(|top| if top.is_finite() { top } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: Kind, shape: &[usize], reduced: &[bool], values: &[f32]) -> (Vec<usize>, Vec<f32>) {
        let plan = Plan::new(&Shape::new(shape), reduced, false).expect("small");
        let found = reduce(kind, &plan, values);
        (plan.shape.to_vec(), found)
    }

    #[test]
    fn any_axes_are_reduced() {
        let values: Vec<f32> = (0..12).map(|x| x as f32).collect();
        let shape = [2, 3, 2];
        let sum = |reduced: [bool; 3]| run(Kind::Sum, &shape, &reduced, &values);
        assert_eq!(sum([false, true, false]), (vec![2, 2], vec![6.0, 9.0, 24.0, 27.0]));
        assert_eq!(sum([true, false, true]), (vec![3], vec![14.0, 22.0, 30.0]));
        assert_eq!(sum([true, true, true]), (vec![], vec![66.0]));
        assert_eq!(sum([false, false, false]), (vec![2, 3, 2], values.clone()));
    }

    #[test]
    fn each_kind_is_what_it_says() {
        let run = |kind| run(kind, &[2, 2], &[false, true], &[3.0, -4.0, 1.0, 2.0]).1;
        assert_eq!(run(Kind::Mean), [-0.5, 1.5]);
        assert_eq!(run(Kind::Max), [3.0, 2.0]);
        assert_eq!(run(Kind::Min), [-4.0, 1.0]);
        assert_eq!(run(Kind::Prod), [-12.0, 2.0]);
        assert_eq!(run(Kind::L1), [7.0, 3.0]);
        assert_eq!(run(Kind::L2), [5.0, 5.0f32.sqrt()]);
        assert_eq!(run(Kind::SumSquare), [25.0, 5.0]);
        assert_eq!(run(Kind::LogSumExp)[1], (1f64.exp() + 2f64.exp()).ln() as f32);
    }

    #[test]
    fn the_far_ends_hold() {
        assert_eq!(run(Kind::LogSumExp, &[2], &[true], &[1000.0, 1000.0]).1, [1000.0 + 2f32.ln()]);
        let minus = f32::NEG_INFINITY;
        assert_eq!(run(Kind::LogSumExp, &[2], &[true], &[minus, minus]).1, [minus]);
        let plan = Plan::new(&Shape::from([2, 0]), &[false, true], false).expect("small");
        assert_eq!(reduce::<f32>(Kind::Max, &plan, &[]), [f32::NEG_INFINITY; 2]);
        assert_eq!(reduce::<i64>(Kind::Min, &plan, &[]), [i64::MAX; 2]);
        assert_eq!(reduce::<f32>(Kind::Sum, &plan, &[]), [0.0, 0.0]);
        assert_eq!(
            integers(Kind::Sum, &Plan::new(&Shape::from([2]), &[true], false).expect("small"), &[i64::MAX, 1]),
            [i64::MIN]
        );
    }
}
