//! The exponential function for many numbers at once.

/// `1.5 * 2^52`: a number of less than 51 bits that is added to it is rounded to a whole one, which
/// then stands in the last bits.
const MAGIC: f64 = 6_755_399_441_055_744.0;
/// The natural logarithm of two in two parts; the first has so many zeros at its end that a product
/// with a whole number of eleven bits is exact.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Beyond these the result is zero or infinite.
const LEAST: f64 = -746.0;
const MOST: f64 = 710.0;
/// Taylor's coefficients, `1 / n!` from the 13th on: the next term would be below the last bit.
const SERIES: [f64; 14] = {
    let (mut series, mut factorial, mut n) = ([1.0; 14], 1.0, 0);
    while n < 14 {
        factorial *= if n == 0 { 1.0 } else { n as f64 };
        series[13 - n] = 1.0 / factorial;
        n += 1;
    }
    series
};

/// `e^x` to about the last bit, without a branch: a loop over it becomes one over vectors.
///
/// `x = k ln 2 + r` with `|r| <= ln 2 / 2`, Taylor's series for `e^r`, and `2^k` put together from its
/// bits, in two halves so that results below the smallest normal number are reached.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    // Comparisons that NaN passes by.
    let x = if x < LEAST { LEAST } else { x };
    let x = if x > MOST { MOST } else { x };
    let k = x * std::f64::consts::LOG2_E + MAGIC - MAGIC;
    let r = x - k * LN_2_HIGH - k * LN_2_LOW;
    let mut sum = 0.0;
    for coefficient in SERIES {
        sum = sum * r + coefficient;
    }
    let half = k * 0.5 + MAGIC - MAGIC;
    sum * two_to(half) * two_to(k - half)
}

/// A power of two, for whole exponents of a normal number.
#[inline(always)]
fn two_to(exponent: f64) -> f64 {
    f64::from_bits((exponent + MAGIC).to_bits().wrapping_add(1023) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_standard_one_to_the_last_bits(x in -750.0f64..720.0) {
            let (got, want) = (exp(x), x.exp());
            prop_assert!(got == want || (got - want).abs() <= 4e-16 * want.max(f64::MIN_POSITIVE), "{x}: {got} {want}");
        }
    }

    #[test]
    fn the_ends_are_the_standard_ones() {
        assert_eq!(
            [0.0, -0.0, f64::NEG_INFINITY, f64::INFINITY, 1e300, -1e300].map(exp),
            [1.0, 1.0, 0.0, f64::INFINITY, f64::INFINITY, 0.0]
        );
        assert!(exp(f64::NAN).is_nan());
        assert!(exp(-745.0) > 0.0 && exp(709.7) < f64::INFINITY);
    }
}
