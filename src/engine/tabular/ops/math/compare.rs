//! Comparisons and logic: Equal, Less, Greater and their like, And, Or, Xor, Not, IsNaN, IsInf, Where.

use super::number::{Number, numbers};
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::broadcast::{Broadcast, common, expand};
use crate::engine::tabular::ops::operands::{one, operand, tensor, typed, unsupported, wrap};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::{Data, Element, Tensor, each};

/// A comparison of numbers; NaN is unlike all, and neither above nor below any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Op for Order {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (left, right) = (operand(operands, 0)?, operand(operands, 1)?);
        let plan = Broadcast::new(left.shape(), right.shape())?;
        let answers = numbers!(left.data(), values => ordered(*self, &plan, values, typed(right)?));
        tensor(plan.shape().clone(), answers).map(one)
    }
}

fn ordered<T: Number>(order: Order, plan: &Broadcast, left: &[T], right: &[T]) -> Vec<bool> {
    match order {
        Order::Less => plan.zip(left, right, |x, y| x < y),
        Order::LessOrEqual => plan.zip(left, right, |x, y| x <= y),
        Order::Greater => plan.zip(left, right, |x, y| x > y),
        Order::GreaterOrEqual => plan.zip(left, right, |x, y| x >= y),
    }
}

/// Equality of numbers, truth values or text.
pub struct Equal;

impl Op for Equal {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        fn alike<T: Element + PartialEq>(plan: &Broadcast, left: &[T], right: &Tensor) -> Result<Vec<bool>, RunError> {
            Ok(plan.zip(left, typed(right)?, |x, y| x == y))
        }
        let (left, right) = (operand(operands, 0)?, operand(operands, 1)?);
        let plan = Broadcast::new(left.shape(), right.shape())?;
        tensor(plan.shape().clone(), each!(left.data(), values => alike(&plan, values, right))?).map(one)
    }
}

/// Logic between truth values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logic {
    And,
    Or,
    Xor,
}

impl Op for Logic {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (left, right) = (operand(operands, 0)?, operand(operands, 1)?);
        let plan = Broadcast::new(left.shape(), right.shape())?;
        let (x, y) = (typed::<bool>(left)?, typed::<bool>(right)?);
        let answers = match self {
            Self::And => plan.zip(x, y, |x, y| *x && *y),
            Self::Or => plan.zip(x, y, |x, y| *x || *y),
            Self::Xor => plan.zip(x, y, |x, y| x != y),
        };
        tensor(plan.shape().clone(), answers).map(one)
    }
}

pub struct Not;

impl Op for Not {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        tensor(input.shape().clone(), typed::<bool>(input)?.iter().map(|x| !x).collect::<Vec<_>>()).map(one)
    }
}

/// A question about one float.
pub enum Is {
    Nan,
    Infinite { positive: bool, negative: bool },
}

impl Is {
    pub fn infinite(attributes: &Attributes) -> Self {
        let on = |name| attributes.int(name, 1) != 0;
        Self::Infinite { positive: on("detect_positive"), negative: on("detect_negative") }
    }

    fn holds(&self, x: f64) -> bool {
        match self {
            Self::Nan => x.is_nan(),
            Self::Infinite { positive, negative } => {
                (*positive && x == f64::INFINITY) || (*negative && x == f64::NEG_INFINITY)
            }
        }
    }
}

impl Op for Is {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let answers: Vec<bool> = match input.data() {
            Data::F32(values) => values.iter().map(|x| self.holds(f64::from(*x))).collect(),
            Data::F64(values) => values.iter().map(|x| self.holds(*x)).collect(),
            other => return Err(unsupported(other.dtype())),
        };
        tensor(input.shape().clone(), answers).map(one)
    }
}

/// Takes each element from the second operand where the first is true, else from the third.
pub struct Where;

impl Op for Where {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        fn choose<T: Element>(condition: &[bool], yes: &[T], no: &[T]) -> Data {
            let pick = |((condition, yes), no): ((&bool, &T), &T)| if *condition { yes.clone() } else { no.clone() };
            T::wrap(condition.iter().zip(yes).zip(no).map(pick).collect())
        }
        fn same<T: Element>(_: &[T], no: &Data) -> Result<(), RunError> {
            T::slice(no).map(|_| ()).ok_or_else(|| unsupported(no.dtype()))
        }
        let (condition, yes, no) = (operand(operands, 0)?, operand(operands, 1)?, operand(operands, 2)?);
        let shape = common(&common(condition.shape(), yes.shape())?, no.shape())?;
        let condition = expand(condition, &shape)?;
        let condition = bool::slice(&condition).ok_or_else(|| unsupported(condition.dtype()))?;
        let (yes, no) = (expand(yes, &shape)?, expand(no, &shape)?);
        each!(&yes, values => same(values, &no))?;
        wrap(shape, each!(&yes, values => choose(condition, values, Element::slice(&no).unwrap_or(&[]))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn text_is_compared_and_nan_is_unlike_itself() {
        let text =
            |words: &[&str]| Tensor::of([words.len()], words.iter().map(|w| Arc::from(*w)).collect::<Vec<Arc<str>>>());
        let equal = Equal.run(&[&text(&["a", "b"]).expect("fits"), &text(&["b"]).expect("fits")]).expect("runs");
        assert_eq!(equal[0].as_slice::<bool>(), Some(&[false, true][..]));
        let nan = Tensor::of([1], vec![f32::NAN]).expect("fits");
        assert_eq!(Equal.run(&[&nan, &nan]).expect("runs")[0].as_slice::<bool>(), Some(&[false][..]));
        assert_eq!(Is::Nan.run(&[&nan]).expect("runs")[0].as_slice::<bool>(), Some(&[true][..]));
        assert!(Equal.run(&[&nan, &text(&["a"]).expect("fits")]).is_err());
    }

    #[test]
    fn where_broadcasts_all_three() {
        let condition = Tensor::of([2, 1], vec![true, false]).expect("fits");
        let yes = Tensor::of([3], vec![1i64, 2, 3]).expect("fits");
        let no = Tensor::of(&[][..], vec![0i64]).expect("fits");
        let chosen = Where.run(&[&condition, &yes, &no]).expect("runs");
        assert_eq!(chosen[0].as_slice::<i64>(), Some(&[1i64, 2, 3, 0, 0, 0][..]));
        let other = Tensor::of(&[][..], vec![0.0f32]).expect("fits");
        assert!(Where.run(&[&condition, &yes, &other]).is_err());
    }

    #[test]
    fn infinities_are_told_apart() {
        let input = Tensor::of([3], vec![f32::INFINITY, f32::NEG_INFINITY, 1.0]).expect("fits");
        let only = Is::Infinite { positive: false, negative: true };
        assert_eq!(only.run(&[&input]).expect("runs")[0].as_slice::<bool>(), Some(&[false, true, false][..]));
    }
}
