//! Arithmetic between tensors: Add, Sub, Mul, Div, Pow, Mod, and Sum, Mean, Max, Min of several.

use super::number::{Number, numbers};
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::broadcast::Broadcast;
use crate::engine::tabular::ops::operands::{doubles, one, operand, tensor, typed, unsupported};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::Tensor;

/// What is done to a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
    /// The remainder with the divisor's sign.
    Modulo,
    /// The remainder with the dividend's sign.
    Fmod,
}

impl Pair {
    /// `Mod`, whose attribute chooses between the two remainders.
    pub fn remainder(attributes: &Attributes) -> Self {
        if attributes.int("fmod", 0) == 0 { Self::Modulo } else { Self::Fmod }
    }
}

impl Op for Pair {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        combine(*self, operand(operands, 0)?, operand(operands, 1)?).map(one)
    }
}

/// One result per broadcast pair, in the type that both operands share.
fn combine(pair: Pair, left: &Tensor, right: &Tensor) -> Result<Tensor, RunError> {
    let plan = Broadcast::new(left.shape(), right.shape())?;
    numbers!(left.data(), values => tensor(plan.shape().clone(), each(pair, &plan, values, typed(right)?)?))
}

fn each<T: Number>(pair: Pair, plan: &Broadcast, left: &[T], right: &[T]) -> Result<Vec<T>, RunError> {
    let whole = |f: fn(T, T) -> Option<T>| {
        let results: Option<Vec<T>> = plan.zip(left, right, |x, y| f(*x, *y)).into_iter().collect();
        results.ok_or_else(|| RunError::Input("an integer is divided by zero".into()))
    };
    Ok(match pair {
        Pair::Add => plan.zip(left, right, |x, y| x.add(*y)),
        Pair::Sub => plan.zip(left, right, |x, y| x.sub(*y)),
        Pair::Mul => plan.zip(left, right, |x, y| x.mul(*y)),
        Pair::Max => plan.zip(left, right, |x, y| x.max(*y)),
        Pair::Min => plan.zip(left, right, |x, y| x.min(*y)),
        Pair::Div => whole(T::div)?,
        Pair::Modulo => whole(T::modulo)?,
        Pair::Fmod => whole(T::fmod)?,
    })
}

/// `base ^ exponent` in the base's type, which the exponent's need not be.
pub struct Pow;

impl Op for Pow {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (base, exponent) = (operand(operands, 0)?, operand(operands, 1)?);
        let plan = Broadcast::new(base.shape(), exponent.shape())?;
        let exponents = doubles(exponent)?;
        let result = numbers!(base.data(), values => {
            tensor(plan.shape().clone(), plan.zip(values, &exponents, |x, e| power(*x, *e)))
        });
        result.map(one)
    }
}

/// A square is exact to the last bit; other powers are as exact as the standard library's.
fn power<T: Number>(base: T, exponent: f64) -> T {
    if exponent == 2.0 { base.mul(base) } else { T::pow(base, exponent) }
}

/// `Sum`, `Max`, `Min` and `Mean`: operands combined from the first to the last.
pub struct Fold {
    pair: Pair,
    /// Whether the sum is divided by the number of operands.
    mean: bool,
}

impl Fold {
    pub fn new(pair: Pair) -> Self {
        Self { pair, mean: false }
    }

    pub fn mean() -> Self {
        Self { pair: Pair::Add, mean: true }
    }
}

impl Op for Fold {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let mut result = operand(operands, 0)?.clone();
        for other in &operands[1..] {
            result = combine(self.pair, &result, other)?;
        }
        if !self.mean {
            return Ok(one(result));
        }
        let count = operands.len() as f64;
        numbers!(result.data(), values => {
            tensor(result.shape().clone(), divided(values, count)?).map(one)
        })
    }
}

fn divided<T: Number>(values: &[T], count: f64) -> Result<Vec<T>, RunError> {
    match T::IS_FLOAT {
        true => Ok(values.iter().map(|x| T::from_f64(x.to_f64() / count)).collect()),
        false => Err(unsupported(T::DTYPE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<T: Number>(values: &[T]) -> Tensor {
        Tensor::of([values.len()], values.to_vec()).expect("fits")
    }

    #[test]
    fn doubles_are_computed_as_doubles() {
        let tiny = 1.0 + f64::EPSILON;
        let sum = Pair::Mul.run(&[&of(&[tiny]), &of(&[3.0f64])]).expect("runs");
        assert_eq!(sum[0].as_slice::<f64>(), Some(&[tiny * 3.0][..]));
        assert!(Pair::Add.run(&[&of(&[1.0f64]), &of(&[1.0f32])]).is_err());
    }

    #[test]
    fn integers_divide_towards_zero_and_never_by_it() {
        let quotient = Pair::Div.run(&[&of(&[-7i64, 7]), &of(&[2i64, -2])]).expect("runs");
        assert_eq!(quotient[0].as_slice::<i64>(), Some(&[-3i64, -3][..]));
        assert!(matches!(Pair::Div.run(&[&of(&[1i64]), &of(&[0i64])]), Err(RunError::Input(_))));
    }

    #[test]
    fn powers_keep_the_type_of_the_base() {
        let powers = Pow.run(&[&of(&[2i64, 3]), &of(&[2.0f32])]).expect("runs");
        assert_eq!(powers[0].as_slice::<i64>(), Some(&[4i64, 9][..]));
    }

    #[test]
    fn several_are_folded_from_the_first() {
        let operands = [of(&[1.0f32, 8.0]), of(&[2.0f32]), of(&[6.0f32, 4.0])];
        let operands: Vec<&Tensor> = operands.iter().collect();
        let result = |op: &dyn Op| op.run(&operands).expect("runs")[0].as_slice::<f32>().expect("floats").to_vec();
        assert_eq!(result(&Fold::mean()), [3.0, 14.0 / 3.0]);
        assert_eq!(result(&Fold::new(Pair::Max)), [6.0, 8.0]);
        assert!(Fold::mean().run(&[]).is_err());
    }
}
