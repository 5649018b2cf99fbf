//! Tests of the special functions: scipy 1.17's figures, and what holds for any argument.

use super::*;
use proptest::prelude::*;

fn close(got: f64, wanted: f64, within: f64) {
    assert!((got - wanted).abs() <= within * wanted.abs(), "{got:e}, expected {wanted:e}");
}

#[test]
fn kolmogorov_as_scipy() {
    for (lambda, wanted) in [
        (0.3, 0.9999906941986655),
        (0.5, 0.9639452436648751),
        (1.0, 0.26999967167735456),
        (1.25, 0.08786641394169108),
        (1.358, 0.05002679733444698),
        (1.628, 0.009975522431181053),
        (1.949, 0.0010037073145687607),
        (5.0, 3.8574996959278356e-22),
    ] {
        close(kolmogorov_sf(lambda), wanted, 1e-12);
    }
    assert_eq!((kolmogorov_sf(0.0), kolmogorov_sf(-1.0), kolmogorov_sf(100.0)), (1.0, 1.0, 0.0));
}

#[test]
fn chi_square_as_scipy() {
    for (x, df, wanted) in [
        (27.877, 9.0, 0.001000063357757273),
        (43.82, 19.0, 0.0010000623145601166),
        (58.301, 29.0, 0.0010000487064093858),
        (16.919, 9.0, 0.049999640848349826),
        (1.622409, 5.0, 0.8985262349563191),
        (500.0, 19.0, 5.587489434461123e-94),
        (0.001, 3.0, 0.9999915920809419),
        (1e-08, 1.0, 0.9999202115440526),
    ] {
        close(chi2_sf(x, df), wanted, 1e-12);
    }
    assert_eq!((chi2_sf(7.0, 0.0), chi2_sf(0.0, 3.0), chi2_sf(f64::INFINITY, 3.0)), (1.0, 1.0, 0.0));
}

#[test]
fn normal_as_scipy() {
    for (z, wanted) in
        [(0.0, 0.5), (1.0, 0.15865525393145707), (8.0, 6.22096057427174e-16), (37.0, 5.7255712225239266e-300)]
    {
        close(normal_sf(z), wanted, 1e-12);
    }
    for (p, wanted) in [
        (0.975, 1.959963984540054),
        (0.001, -3.090232306167813),
        (1e-10, -6.361340902404056),
        (1e-300, -37.0470962993612),
    ] {
        close(normal_quantile(p), wanted, 1e-12);
    }
    assert_eq!(
        (normal_quantile(0.5), normal_quantile(0.0), normal_quantile(1.0)),
        (0.0, -f64::INFINITY, f64::INFINITY)
    );
}

#[test]
fn binomial_as_scipy() {
    for (x, n, p, wanted) in [
        (10.0, 10.0, 1.0 / 11.0, 3.855432894295319e-11),
        (5.0, 100.0, 0.01, 0.0034323215877545207),
        (1.0, 7.0, 0.3, 0.9176457),
        (50.0, 100.0, 0.5, 0.5397946186935889),
    ] {
        close(binomial_at_least(x, n, p), wanted, 1e-12);
        close(1.0 - binomial_at_most(x - 1.0, n, p), wanted, 1e-4);
    }
    close(beta_i(200.0, 300.0, 0.4), 0.5024286163199315, 1e-12);
    close(beta_i(3.5, 2.25, 0.9), 0.9562449703967085, 1e-12);
}

#[test]
fn no_number_is_no_answer() {
    assert!(kolmogorov_sf(f64::NAN).is_nan() && gamma_q(f64::NAN, 1.0).is_nan() && gamma_q(-1.0, 1.0).is_nan());
    assert!(beta_i(0.0, 1.0, 0.5).is_nan() && normal_quantile(1.5).is_nan() && normal_sf(f64::NAN).is_nan());
}

/// Both ways to compute each function meet where one gives over to the other.
#[test]
fn the_halves_meet() {
    let below = kolmogorov_sf(1.0 - 1e-15);
    close(below, kolmogorov_sf(1.0), 1e-13);
    for a in [0.5, 3.0, 9.5, 120.0] {
        close(gamma_q(a, (a + 1.0) * (1.0 - 1e-15)), gamma_q(a, a + 1.0), 1e-12);
    }
}

proptest! {
    /// Q(1, x) is exp(-x), and Q(1/2, x) the complementary error function of its root.
    #[test]
    fn gamma_has_known_cases(x in 1e-6..600.0f64) {
        prop_assert!((gamma_q(1.0, x) / (-x).exp() - 1.0).abs() < 1e-12);
        prop_assert!((gamma_q(0.5, x) / libm::erfc(x.sqrt()) - 1.0).abs() < 1e-12);
    }

    /// Q(a + 1, x) = Q(a, x) + x^a exp(-x) / Gamma(a + 1).
    #[test]
    fn gamma_recurs(a in 0.1..150.0f64, x in 1e-3..400.0f64) {
        let step = (a * x.ln() - x - libm::lgamma(a + 1.0)).exp();
        let (next, wanted) = (gamma_q(a + 1.0, x), gamma_q(a, x) + step);
        prop_assert!((next - wanted).abs() <= 1e-12 * wanted.max(1e-3), "{} {}", next, wanted);
    }

    #[test]
    fn beta_is_symmetric(a in 0.05..400.0f64, b in 0.05..400.0f64, x in 0.0..=1.0f64) {
        let (here, there) = (beta_i(a, b, x), beta_i(b, a, 1.0 - x));
        prop_assert!((0.0..=1.0 + 1e-12).contains(&here) && (here + there - 1.0).abs() < 1e-11, "{} {}", here, there);
    }

    #[test]
    fn the_quantile_undoes_the_tail(z in -37.0..37.0f64) {
        let p = normal_sf(-z);
        prop_assume!(p < 0.999);
        prop_assert!((normal_quantile(p) - z).abs() < 1e-9 * z.abs().max(1.0));
    }

    #[test]
    fn tails_fall(at in 0.0..30.0f64, step in 0.0..3.0f64) {
        prop_assert!(kolmogorov_sf(at + step) <= kolmogorov_sf(at) + 1e-13);
        prop_assert!(chi2_sf(at + step, 19.0) <= chi2_sf(at, 19.0) + 1e-13);
    }
}
