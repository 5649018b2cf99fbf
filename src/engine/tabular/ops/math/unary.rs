//! One number in, one number out: exponentials, roots, trigonometry, activations, rounding, Clip.

use super::number::{Number, numbers};
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{one, operand, tensor, typed, unsupported};
use crate::engine::tabular::ops::{Call, Op, Outputs};
use crate::tensor::{Data, Tensor};

/// A function of floats, in both widths.
#[derive(Clone, Copy)]
pub struct Function {
    pub single: fn(f32) -> f32,
    pub double: fn(f64) -> f64,
}

/// Both widths of a function that the standard library has under one name: `function!(x => x.exp())`.
macro_rules! function {
    ($x:ident => $body:expr) => {
        $crate::engine::tabular::ops::math::unary::Function { single: |$x: f32| $body, double: |$x: f64| $body }
    };
}
pub(crate) use function;

impl Op for Function {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let shape = input.shape().clone();
        match input.data() {
            Data::F32(values) => tensor(shape, values.iter().map(|x| (self.single)(*x)).collect::<Vec<_>>()),
            Data::F64(values) => tensor(shape, values.iter().map(|x| (self.double)(*x)).collect::<Vec<_>>()),
            other => Err(unsupported(other.dtype())),
        }
        .map(one)
    }
}

/// A function that integers have too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    Neg,
    Abs,
    Relu,
    /// -1, 0 or 1; NaN stays.
    Sign,
}

impl Op for Plain {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        fn each<T: Number>(kind: Plain, values: &[T]) -> Vec<T> {
            match kind {
                Plain::Neg => values.iter().map(|x| x.neg()).collect(),
                Plain::Abs => values.iter().map(|x| x.abs()).collect(),
                Plain::Relu => values.iter().map(|x| if *x < T::ZERO { T::ZERO } else { *x }).collect(),
                Plain::Sign => values.iter().map(|x| sign(*x)).collect(),
            }
        }
        fn sign<T: Number>(x: T) -> T {
            match (x > T::ZERO, x < T::ZERO) {
                (true, _) => T::ONE,
                (_, true) => T::ONE.neg(),
                _ => x,
            }
        }
        let input = operand(operands, 0)?;
        numbers!(input.data(), values => tensor(input.shape().clone(), each(*self, values)).map(one))
    }
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid() -> Function {
    function!(x => 1.0 / (1.0 + (-x).exp()))
}

/// `ln(1 + exp(x))`, which is `x` where the exponential would overflow.
pub fn softplus() -> Function {
    Function { single: |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), double: |x| x.max(0.0) + (-x.abs()).exp().ln_1p() }
}

/// The error function.
pub fn erf() -> Function {
    Function { single: libm::erff, double: libm::erf }
}

/// Halves to the nearest even number.
pub fn round() -> Function {
    Function { single: f32::round_ties_even, double: f64::round_ties_even }
}

/// An activation with a parameter for what is below zero.
#[derive(Clone, Copy)]
pub enum Slope {
    /// `alpha * x`
    Leaky(f32),
    /// `alpha * (exp(x) - 1)`
    Elu(f32),
}

impl Slope {
    pub fn leaky(attributes: &Attributes) -> Self {
        Self::Leaky(attributes.float("alpha", 0.01))
    }

    pub fn elu(attributes: &Attributes) -> Self {
        Self::Elu(attributes.float("alpha", 1.0))
    }
}

impl Op for Slope {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let shape = input.shape().clone();
        match (*self, input.data()) {
            (Self::Leaky(a), Data::F32(values)) => tensor(shape, below(values, |x| x * a)),
            (Self::Leaky(a), Data::F64(values)) => tensor(shape, below(values, |x| x * f64::from(a))),
            (Self::Elu(a), Data::F32(values)) => tensor(shape, below(values, |x| a * x.exp_m1())),
            (Self::Elu(a), Data::F64(values)) => tensor(shape, below(values, |x| f64::from(a) * x.exp_m1())),
            (_, other) => Err(unsupported(other.dtype())),
        }
        .map(one)
    }
}

fn below<T: Number>(values: &[T], f: impl Fn(T) -> T) -> Vec<T> {
    values.iter().map(|x| if *x < T::ZERO { f(*x) } else { *x }).collect()
}

/// Brings numbers between two bounds; a missing bound is none. The upper one wins where they cross.
pub struct Clip {
    /// The bounds of operator sets before 11, which are attributes.
    fixed: Option<(f32, f32)>,
    /// Which operands hold the bounds, where there are any.
    low: Option<usize>,
    high: Option<usize>,
}

impl Clip {
    pub fn new(call: &Call<'_>) -> Self {
        let attributes = call.attributes();
        let fixed = (call.opset < 11).then(|| (attributes.float("min", f32::MIN), attributes.float("max", f32::MAX)));
        Self { fixed, low: call.place(1), high: call.place(2) }
    }
}

impl Op for Clip {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        numbers!(input.data(), values => {
            let (low, high) = self.bounds(operands)?;
            tensor(input.shape().clone(), clip(values, low, high)).map(one)
        })
    }
}

impl Clip {
    fn bounds<T: Number>(&self, operands: &[&Tensor]) -> Result<(Option<T>, Option<T>), RunError> {
        if let Some((low, high)) = self.fixed {
            return Ok((Some(T::from_f64(f64::from(low))), Some(T::from_f64(f64::from(high)))));
        }
        let bound = |place: Option<usize>| {
            let Some(at) = place else { return Ok(None) };
            match typed::<T>(operand(operands, at)?)? {
                [bound] => Ok(Some(*bound)),
                other => Err(RunError::Engine(format!("a bound has {} elements, expected one", other.len()))),
            }
        };
        Ok((bound(self.low)?, bound(self.high)?))
    }
}

fn clip<T: Number>(values: &[T], low: Option<T>, high: Option<T>) -> Vec<T> {
    let raised = |x: T| low.filter(|low| x < *low).unwrap_or(x);
    let lowered = |x: T| high.filter(|high| x > *high).unwrap_or(x);
    values.iter().map(|x| lowered(raised(*x))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(op: &dyn Op, values: &[f32]) -> Vec<f32> {
        let input = Tensor::of([values.len()], values.to_vec()).expect("fits");
        op.run(&[&input]).expect("runs")[0].as_slice::<f32>().expect("floats").to_vec()
    }

    #[test]
    fn the_far_ends_hold() {
        assert_eq!(floats(&sigmoid(), &[-200.0, 0.0, 200.0]), [0.0, 0.5, 1.0]);
        assert_eq!(floats(&softplus(), &[-200.0, 200.0]), [0.0, 200.0]);
        assert_eq!(floats(&round(), &[0.5, 1.5, -2.5]), [0.0, 2.0, -2.0]);
        assert_eq!(floats(&erf(), &[0.0, 9.0]), [0.0, 1.0]);
        assert_eq!(floats(&Slope::Leaky(0.5), &[-2.0, 3.0]), [-1.0, 3.0]);
    }

    #[test]
    fn nan_goes_through() {
        for op in [&Plain::Relu as &dyn Op, &Plain::Sign, &Plain::Abs, &sigmoid()] {
            assert!(floats(op, &[f32::NAN])[0].is_nan());
        }
    }

    #[test]
    fn integers_keep_their_type() {
        let input = Tensor::of([3], vec![-2i64, 0, 5]).expect("fits");
        let signs = Plain::Sign.run(&[&input]).expect("runs");
        assert_eq!(signs[0].as_slice::<i64>(), Some(&[-1i64, 0, 1][..]));
        assert!(sigmoid().run(&[&input]).is_err());
    }

    #[test]
    fn bounds_may_be_left_out() {
        let values = [-3i64, 0, 3];
        assert_eq!(clip(&values, Some(-1), None), [-1, 0, 3]);
        assert_eq!(clip(&values, None, Some(1)), [-3, 0, 1]);
        assert_eq!(clip(&values, Some(2), Some(1)), [1, 1, 1]);
    }
}
