//! Tail probabilities of the laws that the tests of drift follow under no change.
//!
//! Each is good to about 1e-12, relatively, down to the smallest `f64`. The oracle is scipy: pinned
//! figures below, thousands more in `interop/drift_oracles.py`. NaN in is NaN out, nothing panics.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// A term below this share of its sum no longer changes it.
const SMALL: f64 = 1e-16;
/// Stands for 0 in Lentz's method, where a denominator may vanish.
const TINY: f64 = 1e-300;
/// Both expansions need about `sqrt(a)` terms where they are slowest; this allows for `a` of 1e8.
const MOST_TERMS: usize = 200_000;

/// P(Z > z) of the standard normal law.
pub fn normal_sf(z: f64) -> f64 {
    0.5 * libm::erfc(z * FRAC_1_SQRT_2)
}

/// P(|Z| > |z|) of the standard normal law.
pub fn normal_two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() * FRAC_1_SQRT_2)
}

/// The z with P(Z <= z) = `p`: Wichura's algorithm AS 241 (PPND16), good to 1e-15.
/// Infinite at 0 and 1, NaN outside.
pub fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * ratio(r, &CENTRE);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail == 0.0 {
        return f64::INFINITY.copysign(q);
    }
    let r = (-tail.ln()).sqrt();
    let z = if r <= 5.0 { ratio(r - 1.6, &MIDDLE) } else { ratio(r - 5.0, &FAR) };
    z.copysign(q)
}

/// P(X > x) of the chi-square law with `df` degrees of freedom; 1 where `df` is 0.
pub fn chi2_sf(x: f64, df: f64) -> f64 {
    if df == 0.0 { 1.0 } else { gamma_q(0.5 * df, 0.5 * x) }
}

/// The regularised upper incomplete gamma function Q(a, x), for a > 0.
pub fn gamma_q(a: f64, x: f64) -> f64 {
    if a.is_nan() || x.is_nan() || a <= 0.0 {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 1.0;
    }
    if x.is_infinite() {
        return 0.0;
    }
    let front = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 { 1.0 - front * lower_series(a, x) } else { front * upper_fraction(a, x) }
}

/// P(K > lambda) of Kolmogorov's law, what `sqrt(nm / (n + m)) D` follows in large samples.
///
/// The alternating series converges fast for a large `lambda`, Jacobi's transform of it for a small.
pub fn kolmogorov_sf(lambda: f64) -> f64 {
    if lambda.is_nan() {
        return f64::NAN;
    }
    if lambda <= 0.0 {
        return 1.0;
    }
    if lambda < 1.0 {
        let unit = PI * PI / (8.0 * lambda * lambda);
        let sum: f64 = (1..=4).map(|k| f64::from(2 * k - 1)).map(|odd| (-odd * odd * unit).exp()).sum();
        return 1.0 - (2.0 * PI).sqrt() / lambda * sum;
    }
    let term = |k: i32| (-2.0 * f64::from(k * k) * lambda * lambda).exp();
    2.0 * (1..=5).rev().map(|k| if k % 2 == 1 { term(k) } else { -term(k) }).sum::<f64>()
}

/// P(X >= x) for X binomial over `n` tries of chance `p`, all three real: the regularised
/// incomplete beta function I_p(x, n - x + 1). Counts that carry weights need not be whole.
pub fn binomial_at_least(x: f64, n: f64, p: f64) -> f64 {
    if x <= 0.0 { 1.0 } else { beta_i(x, n - x + 1.0, p) }
}

/// P(X <= x), as [`binomial_at_least`].
pub fn binomial_at_most(x: f64, n: f64, p: f64) -> f64 {
    if x >= n { 1.0 } else { beta_i(n - x, x + 1.0, 1.0 - p) }
}

/// The regularised incomplete beta function I_x(a, b), for a and b > 0.
pub fn beta_i(a: f64, b: f64, x: f64) -> f64 {
    if a.is_nan() || b.is_nan() || x.is_nan() || a <= 0.0 || b <= 0.0 {
        return f64::NAN;
    }
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * (-x).ln_1p();
    if x < (a + 1.0) / (a + b + 2.0) {
        front.exp() * beta_fraction(a, b, x) / a
    } else {
        1.0 - front.exp() * beta_fraction(b, a, 1.0 - x) / b
    }
}

/// The sum of x^k / (a (a+1) .. (a+k)).
fn lower_series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum) = (1.0 / a, 1.0 / a);
    for k in 1..MOST_TERMS {
        term *= x / (a + k as f64);
        sum += term;
        if term < sum * SMALL {
            break;
        }
    }
    sum
}

/// Legendre's continued fraction for Q(a, x) without its front factor, by Lentz's method.
fn upper_fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / TINY, 1.0 / b);
    let mut value = d;
    for k in 1..MOST_TERMS {
        let k = k as f64;
        let an = -k * (k - a);
        b += 2.0;
        d = 1.0 / kept_from_zero(an * d + b);
        c = kept_from_zero(b + an / c);
        value *= c * d;
        if (c * d - 1.0).abs() < 2.0 * SMALL {
            break;
        }
    }
    value
}

/// The continued fraction of the incomplete beta function, by Lentz's method.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let (mut c, mut d) = (1.0, 1.0 / kept_from_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = d;
    for k in 1..MOST_TERMS {
        let k = k as f64;
        let even = k * (b - k) * x / ((a + 2.0 * k - 1.0) * (a + 2.0 * k));
        let odd = -(a + k) * (a + b + k) * x / ((a + 2.0 * k) * (a + 2.0 * k + 1.0));
        let before = value;
        for term in [even, odd] {
            d = 1.0 / kept_from_zero(1.0 + term * d);
            c = kept_from_zero(1.0 + term / c);
            value *= c * d;
        }
        if (value - before).abs() <= value.abs() * SMALL {
            break;
        }
    }
    value
}

fn kept_from_zero(x: f64) -> f64 {
    if x.abs() < TINY { TINY } else { x }
}

/// A ratio of polynomials, coefficients from the constant up.
fn ratio(x: f64, of: &[[f64; 8]; 2]) -> f64 {
    let [above, below] = of.map(|coefficients| coefficients.iter().rev().fold(0.0, |sum, a| sum * x + a));
    above / below
}

const CENTRE: [[f64; 8]; 2] = [
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ],
];
const MIDDLE: [[f64; 8]; 2] = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_545,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_8e-9,
    ],
];
const FAR: [[f64; 8]; 2] = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        0.599_832_206_555_887_9,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_7e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
];

#[cfg(test)]
#[path = "special_tests.rs"]
mod tests;
