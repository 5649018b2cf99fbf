//! The four number types that operators compute in, each with its own arithmetic.
//!
//! Integers wrap as they do in ONNX Runtime; floats keep NaN wherever one went in, as numpy does.

use crate::tensor::Element;

/// A number that operators compute with.
pub trait Number: Element + Copy + PartialOrd + std::fmt::Debug {
    const ZERO: Self;
    const ONE: Self;
    const IS_FLOAT: bool;
    /// What is below all others, infinity where there is one.
    const LOWEST: Self;
    const HIGHEST: Self;

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// `None` where an integer is divided by zero, or the quotient cannot be held.
    fn div(self, other: Self) -> Option<Self>;
    /// The remainder with the sign of the divisor, as in Python; `None` as for [`div`](Self::div).
    fn modulo(self, other: Self) -> Option<Self>;
    /// The remainder with the sign of the dividend, as in C.
    fn fmod(self, other: Self) -> Option<Self>;
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    fn to_f64(self) -> f64;
    /// Towards zero for integers.
    fn from_f64(value: f64) -> Self;
    fn pow(self, exponent: f64) -> Self;
    /// NaN where either is.
    fn max(self, other: Self) -> Self;
    /// NaN where either is.
    fn min(self, other: Self) -> Self;
}

macro_rules! float {
    ($ty:ty) => {
        impl Number for $ty {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const IS_FLOAT: bool = true;
            const LOWEST: Self = <$ty>::NEG_INFINITY;
            const HIGHEST: Self = <$ty>::INFINITY;

            #[inline]
            fn add(self, other: Self) -> Self {
                self + other
            }
            #[inline]
            fn sub(self, other: Self) -> Self {
                self - other
            }
            #[inline]
            fn mul(self, other: Self) -> Self {
                self * other
            }
            #[inline]
            fn div(self, other: Self) -> Option<Self> {
                Some(self / other)
            }
            fn modulo(self, other: Self) -> Option<Self> {
                let rest = self % other;
                Some(if rest != 0.0 && (rest < 0.0) != (other < 0.0) { rest + other } else { rest })
            }
            fn fmod(self, other: Self) -> Option<Self> {
                Some(self % other)
            }
            #[inline]
            fn neg(self) -> Self {
                -self
            }
            #[inline]
            fn abs(self) -> Self {
                <$ty>::abs(self)
            }
            #[inline]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline]
            fn from_f64(value: f64) -> Self {
                value as $ty
            }
            fn pow(self, exponent: f64) -> Self {
                <$ty>::powf(self, exponent as $ty)
            }
            #[inline]
            fn max(self, other: Self) -> Self {
                if self > other || self.is_nan() { self } else { other }
            }
            #[inline]
            fn min(self, other: Self) -> Self {
                if self < other || self.is_nan() { self } else { other }
            }
        }
    };
}

macro_rules! int {
    ($ty:ty) => {
        impl Number for $ty {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const IS_FLOAT: bool = false;
            const LOWEST: Self = <$ty>::MIN;
            const HIGHEST: Self = <$ty>::MAX;

            #[inline]
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline]
            fn sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline]
            fn mul(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            fn div(self, other: Self) -> Option<Self> {
                self.checked_div(other)
            }
            fn modulo(self, other: Self) -> Option<Self> {
                let rest = self.checked_rem(other)?;
                Some(if rest != 0 && (rest < 0) != (other < 0) { rest + other } else { rest })
            }
            fn fmod(self, other: Self) -> Option<Self> {
                self.checked_rem(other)
            }
            #[inline]
            fn neg(self) -> Self {
                self.wrapping_neg()
            }
            #[inline]
            fn abs(self) -> Self {
                self.wrapping_abs()
            }
            #[inline]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline]
            fn from_f64(value: f64) -> Self {
                value as $ty
            }
            fn pow(self, exponent: f64) -> Self {
                // Whole powers stay exact where a double would round them.
                match exponent {
                    whole if whole >= 0.0 && whole <= f64::from(u32::MAX) && whole.fract() == 0.0 => {
                        self.wrapping_pow(whole as u32)
                    }
                    other => (self as f64).powf(other) as $ty,
                }
            }
            #[inline]
            fn max(self, other: Self) -> Self {
                Ord::max(self, other)
            }
            #[inline]
            fn min(self, other: Self) -> Self {
                Ord::min(self, other)
            }
        }
    };
}

float!(f32);
float!(f64);
int!(i32);
int!(i64);

/// Runs one expression for whichever numbers a buffer holds, and refuses other types.
macro_rules! numbers {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            crate::tensor::Data::F32($v) => $body,
            crate::tensor::Data::F64($v) => $body,
            crate::tensor::Data::I32($v) => $body,
            crate::tensor::Data::I64($v) => $body,
            other => return Err(crate::engine::tabular::ops::operands::unsupported(other.dtype())),
        }
    };
}
pub(crate) use numbers;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_wrap_and_never_divide_by_zero() {
        assert_eq!(Number::add(i64::MAX, 1), i64::MIN);
        assert_eq!(Number::div(1i64, 0), None);
        assert_eq!(Number::div(i64::MIN, -1), None);
        assert_eq!((Number::modulo(-5i64, 3), Number::fmod(-5i64, 3)), (Some(1), Some(-2)));
        assert_eq!((Number::pow(3i64, 2.0), Number::pow(4i64, 0.5)), (9, 2));
    }

    #[test]
    fn nan_goes_through_maxima() {
        assert!(Number::max(f32::NAN, 1.0).is_nan() && Number::max(1.0, f32::NAN).is_nan());
        assert!(Number::min(f64::NAN, 1.0).is_nan() && Number::min(1.0, f64::NAN).is_nan());
        assert_eq!(Number::max(1.0f32, 2.0), 2.0);
    }
}
