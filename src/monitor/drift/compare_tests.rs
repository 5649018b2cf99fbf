//! Tests of comparisons: known counts, odd sides, and properties that hold for any.

use super::*;
use proptest::prelude::*;

fn side<'a>(cells: &'a [f64], missing: f64, edges: &'a [f64]) -> NumericSide<'a> {
    let rows = cells.iter().sum::<f64>() + missing;
    NumericSide { counts: Counts { cells, missing, n_eff: rows }, edges, mean: 0.0, std: 1.0, min: -3.0, max: 3.0 }
}

fn categories(cells: &[f64], missing: f64) -> CategoricalSide<'_> {
    CategoricalSide { counts: Counts { cells, missing, n_eff: cells.iter().sum::<f64>() + missing } }
}

/// scipy's figures.
#[test]
fn known_counts() {
    let (p, q) = ([16.0, 18.0, 16.0, 14.0, 12.0, 12.0, 0.0], [16.0, 16.0, 16.0, 16.0, 16.0, 8.0, 0.0]);
    let found = categorical(&categories(&p, 0.0), &categories(&q, 0.0), 1.0).expect("both have rows");
    for (got, wanted) in [
        (found.psi, 0.037_218_4),
        (found.js, 0.068_048_2),
        (found.hellinger, 0.068_127_7),
        (found.linf, 0.045_454_5),
        (found.chi2, 1.622_409),
        (found.p_chi2, 0.898_526),
    ] {
        assert!((got - wanted).abs() < 5e-7, "{got}, expected {wanted}: {found:?}");
    }
    assert_eq!((found.bins, found.df, found.psi_corrected), (6, 5, 0.0));
}

#[test]
fn missing_values_are_a_bin_and_a_test() {
    let cells = vec![100.0; 100];
    let current = vec![9.8; 100];
    let edges: Vec<f64> = (1..100).map(f64::from).collect();
    let found = numeric(&side(&cells, 0.0, &edges), &side(&current, 20.0, &edges), 1.0).expect("both have rows");
    assert!(found.p < 1e-15 && found.p_ks.is_some_and(|p| p > 0.99), "{found:?}");
    assert!(found.psi > 0.1, "{found:?}");
    assert!(found.moved.cell.is_none() && (found.missing_cur - 0.02).abs() < 1e-12, "{found:?}");
}

#[test]
fn unseen_values_are_found_however_few_are_expected() {
    let found = categorical(&categories(&[5000.0, 5000.0, 0.0], 0.0), &categories(&[240.0, 240.0, 20.0], 0.0), 1.0);
    let found = found.expect("both have rows");
    assert!(found.p_chi2 > 0.99 && found.p_rare.is_some_and(|p| p < 1e-20) && found.p < 1e-20, "{found:?}");
    assert_eq!(found.moved, Moved { cell: Some(2), from: 0.0, to: 0.04 });
}

#[test]
fn overdispersion_makes_evidence_weaker_and_not_the_effect() {
    let (p, q) = ([1000.0, 1000.0], [1100.0, 900.0]);
    let plain = categorical(&categories(&p, 0.0), &categories(&q, 0.0), 1.0).expect("rows");
    let crowded = categorical(&categories(&p, 0.0), &categories(&q, 0.0), 4.0).expect("rows");
    assert!((crowded.chi2 - plain.chi2 / 4.0).abs() < 1e-12 && crowded.p > plain.p);
    assert!((crowded.psi - plain.psi).abs() < 1e-12 && crowded.psi_corrected < plain.psi_corrected);
    let wrong = categorical(&categories(&p, 0.0), &categories(&q, 0.0), f64::NAN).expect("rows");
    assert_eq!(wrong, plain);
}

#[test]
fn sides_of_one_row_or_one_value_or_only_missing() {
    let edges = [0.0];
    let one = numeric(&side(&[1.0, 0.0], 0.0, &edges), &side(&[0.0, 1.0], 0.0, &edges), 1.0).expect("rows");
    assert!(one.ks == Some(1.0) && one.p > 0.05, "{one:?}");
    let constant = numeric(&side(&[500.0, 0.0], 0.0, &edges), &side(&[500.0, 0.0], 0.0, &edges), 1.0).expect("rows");
    assert_eq!((constant.p, constant.psi, constant.location), (1.0, 0.0, None));
    let gone = numeric(&side(&[500.0, 500.0], 0.0, &edges), &side(&[0.0, 0.0], 500.0, &edges), 1.0).expect("rows");
    assert!(gone.p < 1e-100 && gone.ks.is_none() && gone.psi > 1.0, "{gone:?}");
    let nothing = numeric(&side(&[0.0, 0.0], 9.0, &edges), &side(&[0.0, 0.0], 9.0, &edges), 1.0).expect("rows");
    assert_eq!((nothing.p, nothing.psi), (1.0, 0.0));
    assert!(numeric(&side(&[0.0, 0.0], 0.0, &edges), &side(&[1.0, 1.0], 0.0, &edges), 1.0).is_none());
}

/// Not one false alarm in a thousand comparisons may be a chance; the seed is fixed, the law is not.
#[test]
fn p_values_are_honest_where_nothing_has_changed() {
    let mut state = 20_260_101_u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let edges: Vec<f64> = (1..120).map(f64::from).collect();
    let mut draw = |rows: usize| {
        let mut cells = vec![0.0; 120];
        (0..rows).for_each(|_| cells[uniform() % 120] += 1.0);
        cells
    };
    for (n, m) in [(1000, 100), (500, 500), (2000, 1000)] {
        let mut small = [0; 2];
        for _ in 0..2000 {
            let (p, q) = (draw(n), draw(m));
            let found = numeric(&side(&p, 0.0, &edges), &side(&q, 0.0, &edges), 1.0).expect("rows");
            small[0] += usize::from(found.p <= 0.05);
            small[1] += usize::from(found.p <= 0.001);
        }
        // 100 and 2 are the means at the nominal level; the law of the counts leaves these for chance.
        assert!(small[0] <= 140 && small[1] <= 9, "{small:?} of 2000 at {n} against {m}");
        assert!(small[0] >= 20, "so few are no test: {small:?} of 2000 at {n} against {m}");
    }
}

/// The Kolmogorov-Smirnov statistic of the rows themselves.
fn exact_ks(p: &[f64], q: &[f64]) -> f64 {
    let below = |rows: &[f64], x: f64| rows.iter().filter(|row| **row <= x).count() as f64 / rows.len() as f64;
    p.iter().chain(q).map(|x| (below(p, *x) - below(q, *x)).abs()).fold(0.0, f64::max)
}

/// Whole and broken numbers, so that some rows are tied and some lie on an edge.
fn rows() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![(-20i32..20).prop_map(f64::from), -20.0..20.0f64], 1..80)
}

fn counts() -> impl Strategy<Value = (Vec<f64>, Vec<f64>, f64, f64)> {
    let count = || prop_oneof![3 => 0u32..40, 1 => Just(0), 1 => 0u32..100_000].prop_map(f64::from);
    (2usize..130).prop_flat_map(move |cells| {
        (prop::collection::vec(count(), cells), prop::collection::vec(count(), cells), count(), count())
    })
}

proptest! {
    #[test]
    fn what_holds_for_any_counts((p, q, missing_p, missing_q) in counts()) {
        let edges: Vec<f64> = (1..p.len()).map(|at| at as f64).collect();
        let ordered = numeric(&side(&p, missing_p, &edges), &side(&q, missing_q, &edges), 1.0);
        let unordered = categorical(&categories(&p, missing_p), &categories(&q, missing_q), 1.0);
        let rows = |cells: &[f64], missing| cells.iter().sum::<f64>() + missing;
        let sound = rows(&p, missing_p) > 0.0 && rows(&q, missing_q) > 0.0;
        prop_assert!(ordered.is_some() == sound && unordered.is_some() == sound);
        for found in [ordered, unordered].into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&found.p) && found.p <= 8.0 * found.p_chi2, "{:?}", found);
            prop_assert!(found.psi >= 0.0 && found.psi.is_finite() && found.psi_corrected <= found.psi);
            prop_assert!(found.linf <= 2.0 * found.tvd + 1e-12 && found.tvd <= 1.0 + 1e-12);
            prop_assert!(found.hellinger.powi(2) <= found.tvd + 1e-12);
            prop_assert!(found.js <= 2f64.ln().sqrt() + 1e-12);
            if let (Some(ks), Some(upper)) = (found.ks, found.ks_upper) {
                prop_assert!((0.0..=1.0 + 1e-12).contains(&ks) && ks <= upper + 1e-12);
            }
        }
    }

    #[test]
    fn ks_of_the_rows_is_within_the_bounds_of_the_cells(p in rows(), q in rows(), step in 0.3..15.0f64) {
        let edges: Vec<f64> = (0..).map(|at| -18.0 + step * f64::from(at)).take_while(|edge| *edge < 18.0).collect();
        let counted = |rows: &[f64]| {
            let mut cells = vec![0.0; edges.len() + 1];
            rows.iter().for_each(|x| cells[edges.partition_point(|edge| edge < x)] += 1.0);
            cells
        };
        let (cells_p, cells_q) = (counted(&p), counted(&q));
        let found = numeric(&side(&cells_p, 0.0, &edges), &side(&cells_q, 0.0, &edges), 1.0).expect("rows");
        let (exact, ks) = (exact_ks(&p, &q), found.ks.expect("values"));
        prop_assert!(ks <= exact + 1e-12, "{} above {}", ks, exact);
        prop_assert!(found.ks_upper.is_some_and(|upper| exact <= upper + 1e-12), "{} above {:?}", exact, found.ks_upper);
    }

    #[test]
    fn sides_may_be_exchanged((p, q, missing_p, missing_q) in counts()) {
        let there = categorical(&categories(&p, missing_p), &categories(&q, missing_q), 1.0);
        let back = categorical(&categories(&q, missing_q), &categories(&p, missing_p), 1.0);
        if let (Some(there), Some(back)) = (there, back) {
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(1.0);
            prop_assert!(close(there.psi, back.psi) && close(there.js, back.js) && close(there.chi2, back.chi2));
            prop_assert!(close(there.p_chi2, back.p_chi2) && there.df == back.df);
        }
    }

    #[test]
    fn a_side_beside_itself_has_not_changed((p, _, missing, _) in counts()) {
        let edges: Vec<f64> = (1..p.len()).map(|at| at as f64).collect();
        if let Some(found) = numeric(&side(&p, missing, &edges), &side(&p, missing, &edges), 1.0) {
            prop_assert!(found.p > 0.99 && found.psi < 1e-12 && found.tvd == 0.0 && found.ks.is_none_or(|d| d == 0.0));
            prop_assert_eq!(found.psi_corrected, 0.0);
        }
    }
}
