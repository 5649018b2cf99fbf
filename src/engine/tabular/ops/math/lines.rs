//! Operators along one axis that keep the shape: Softmax, LogSoftmax, LpNormalization, CumSum.

use super::number::{Number, numbers};
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{
    Lines, axis, axis_or_end, integer, one, operand, tensor, unsupported, volume,
};
use crate::engine::tabular::ops::{Call, Op, Outputs};
use crate::tensor::{Data, Shape, Tensor};

/// `exp(x) / sum(exp(x))` of each line, or its logarithm.
pub struct Softmax {
    axis: i64,
    log: bool,
    /// Before operator set 13 all axes from `axis` on are one line.
    flat: bool,
}

impl Softmax {
    pub fn new(call: &Call<'_>, log: bool) -> Self {
        let flat = call.opset < 13;
        Self { axis: call.attributes().int("axis", if flat { 1 } else { -1 }), log, flat }
    }

    fn lines(&self, shape: &Shape) -> Result<Lines, RunError> {
        if !self.flat {
            return Ok(Lines::new(shape, axis(self.axis, shape.len())?));
        }
        let (outer, inner) = shape.split_at(axis_or_end(self.axis, shape.len())?);
        Ok(Lines { outer: volume(outer), len: volume(inner), inner: 1 })
    }

    fn each<T: Number>(&self, values: &[T], lines: &Lines) -> Vec<T> {
        let mut answers = values.to_vec();
        for line in 0..lines.count() {
            let top = lines.places(line).fold(f64::NEG_INFINITY, |top, at| top.max(values[at].to_f64()));
            let sum: f64 = lines.places(line).map(|at| (values[at].to_f64() - top).exp()).sum();
            for at in lines.places(line) {
                let x = values[at].to_f64() - top;
                answers[at] = T::from_f64(if self.log { x - sum.ln() } else { x.exp() / sum });
            }
        }
        answers
    }
}

impl Op for Softmax {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let shape = input.shape().clone();
        let lines = self.lines(&shape)?;
        match input.data() {
            Data::F32(values) => tensor(shape, self.each(values, &lines)),
            Data::F64(values) => tensor(shape, self.each(values, &lines)),
            other => Err(unsupported(other.dtype())),
        }
        .map(one)
    }
}

/// Each line divided by its norm; one of norm zero has no direction and becomes NaN.
pub struct LpNormalization {
    axis: i64,
    /// Whether absolute values are summed, and not squares.
    absolute: bool,
}

impl LpNormalization {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        match attributes.int("p", 2) {
            p @ (1 | 2) => Ok(Self { axis: attributes.int("axis", -1), absolute: p == 1 }),
            other => Err(format!("its norm of order {other} is neither 1 nor 2")),
        }
    }

    fn each<T: Number>(&self, values: &[T], lines: &Lines) -> Vec<T> {
        let mut answers = values.to_vec();
        for line in 0..lines.count() {
            let each = lines.places(line).map(|at| values[at].to_f64());
            let norm = if self.absolute { each.map(f64::abs).sum() } else { each.map(|x| x * x).sum::<f64>().sqrt() };
            lines.places(line).for_each(|at| answers[at] = T::from_f64(values[at].to_f64() / norm));
        }
        answers
    }
}

impl Op for LpNormalization {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let shape = input.shape().clone();
        let lines = Lines::new(&shape, axis(self.axis, shape.len())?);
        match input.data() {
            Data::F32(values) => tensor(shape, self.each(values, &lines)),
            Data::F64(values) => tensor(shape, self.each(values, &lines)),
            other => Err(unsupported(other.dtype())),
        }
        .map(one)
    }
}

/// Running sums along an axis, which the second operand names.
pub struct CumSum {
    /// Whether an element's own value is left out of its sum.
    exclusive: bool,
    /// Whether the sums run from the end.
    reverse: bool,
}

impl CumSum {
    pub fn new(attributes: &Attributes) -> Self {
        let on = |name| attributes.int(name, 0) != 0;
        Self { exclusive: on("exclusive"), reverse: on("reverse") }
    }

    fn each<T: Number>(&self, values: &[T], lines: &Lines) -> Vec<T> {
        let mut answers = values.to_vec();
        for line in 0..lines.count() {
            let mut sum = T::ZERO;
            for step in 0..lines.len {
                let at = lines.place(line, if self.reverse { lines.len - 1 - step } else { step });
                let next = sum.add(values[at]);
                answers[at] = if self.exclusive { sum } else { next };
                sum = next;
            }
        }
        answers
    }
}

impl Op for CumSum {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let axis = axis(integer(operand(operands, 1)?)?, input.shape().len())?;
        let lines = Lines::new(input.shape(), axis);
        numbers!(input.data(), values => tensor(input.shape().clone(), self.each(values, &lines)).map(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_holds_at_the_far_ends() {
        let lines = Lines { outer: 1, len: 3, inner: 1 };
        let softmax = |log| Softmax { axis: -1, log, flat: false };
        assert_eq!(softmax(false).each(&[1000.0f32, 1000.0, -1000.0], &lines), [0.5, 0.5, 0.0]);
        assert_eq!(softmax(true).each(&[0.0f64, -1000.0, -1000.0], &lines), [0.0, -1000.0, -1000.0]);
    }

    #[test]
    fn older_sets_flatten_first() {
        let shape = Shape::from([2, 2, 2]);
        let lines = Softmax { axis: 1, log: false, flat: true }.lines(&shape).expect("an axis");
        assert_eq!((lines.outer, lines.len, lines.inner), (2, 4, 1));
        let lines = Softmax { axis: 1, log: false, flat: false }.lines(&shape).expect("an axis");
        assert_eq!((lines.outer, lines.len, lines.inner), (2, 2, 2));
    }

    #[test]
    fn a_line_is_divided_by_its_norm() {
        let lines = Lines { outer: 1, len: 2, inner: 2 };
        let of = |absolute| LpNormalization { axis: 0, absolute }.each(&[3.0f32, 0.0, -4.0, 0.0], &lines);
        assert_eq!((of(false)[0], of(false)[2]), (0.6, -0.8));
        assert_eq!(of(true)[0], 3.0 / 7.0);
        assert!(of(true)[1].is_nan());
    }

    #[test]
    fn sums_run_either_way() {
        let lines = Lines { outer: 1, len: 3, inner: 1 };
        let sums = |exclusive, reverse| CumSum { exclusive, reverse }.each(&[1i64, 2, 3], &lines);
        assert_eq!(sums(false, false), [1, 3, 6]);
        assert_eq!(sums(true, false), [0, 1, 3]);
        assert_eq!(sums(false, true), [6, 5, 3]);
        assert_eq!(sums(true, true), [5, 3, 0]);
    }
}
