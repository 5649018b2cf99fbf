//! Tests of the judge: persistence, hysteresis, shortage, and its words.

use super::*;
use crate::monitor::drift::{Counts, NumericSide, numeric};

/// A comparison of 120 equal reference cells with current cells tilted so that PSI is about `psi`.
fn compared(psi: f64) -> Compared {
    compared_of(psi, 100_000.0)
}

fn compared_of(psi: f64, rows: f64) -> Compared {
    let edges: Vec<f64> = (1..120).map(f64::from).collect();
    let reference = vec![rows / 120.0; 120];
    // A density that grows as exp(t u) over u in -1..1 has PSI t (coth t - 1 / t), about t^2 / 3.
    let tilt = (3.0 * psi).sqrt();
    let grown: Vec<f64> = (0..120).map(|at| (tilt * (f64::from(at) - 59.5) / 59.5).exp()).collect();
    let all: f64 = grown.iter().sum();
    let current: Vec<f64> = grown.iter().map(|cell| rows * cell / all).collect();
    let side = |cells, mean| NumericSide {
        counts: Counts { cells, missing: 0.0, n_eff: rows },
        edges: &edges,
        mean,
        std: 34.64,
        min: 0.0,
        max: 120.0,
    };
    numeric(&side(&reference, 60.0), &side(&current, 60.0 + 20.0 * tilt), 1.0).expect("both have rows")
}

fn name(column: usize, cell: usize) -> String {
    format!("'{column}/{cell}'")
}

/// The standings of a single column through windows of these effects.
fn standings(judge: &mut Judge, effects: &[f64]) -> Vec<Status> {
    effects.iter().map(|psi| judge.judge(&[Ok(compared(*psi))], &name).columns[0].status).collect()
}

use Status::{Critical, Insufficient, Notice, Warning};
const OK: Status = Status::Ok;

#[test]
fn one_window_is_not_enough_and_two_of_three_are() {
    let mut judge = Judge::default();
    assert_eq!(standings(&mut judge, &[0.0, 0.15, 0.0, 0.15]), [OK, OK, OK, Warning]);
    let mut judge = Judge::default();
    assert_eq!(standings(&mut judge, &[0.15, 0.0, 0.0, 0.15, 0.0]), [OK; 5]);
}

#[test]
fn the_level_is_what_enough_windows_reach() {
    let mut judge = Judge::default();
    assert_eq!(standings(&mut judge, &[0.05, 0.4, 0.4, 0.4]), [OK, Notice, Critical, Critical]);
}

#[test]
fn an_alarm_resolves_after_three_clean_windows() {
    let mut judge = Judge::default();
    let seen = standings(&mut judge, &[0.15, 0.15, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(seen, [OK, Warning, Warning, Warning, OK, OK]);
}

#[test]
fn an_effect_just_below_the_floor_holds_the_alarm() {
    let mut judge = Judge::default();
    assert_eq!(standings(&mut judge, &[0.15, 0.15, 0.09, 0.09, 0.09, 0.09])[5], Warning);
    assert_eq!(standings(&mut judge, &[0.05, 0.05, 0.05])[2], Notice, "a lower one is taken after three");
}

#[test]
fn chance_alone_raises_nothing() {
    let small = compared_of(0.03, 120.0);
    assert!(small.psi > 0.02, "the effect is there: {small:?}");
    let mut judge = Judge::default();
    for _ in 0..5 {
        assert_eq!(judge.judge(&[Ok(small.clone())], &name).status, OK);
    }
}

#[test]
fn too_little_is_a_state_and_does_not_forget() {
    let mut judge = Judge::default();
    standings(&mut judge, &[0.4, 0.4]);
    let few = Compared { n_cur: 20.0, ..compared(0.0) };
    let verdict = judge.judge(&[Ok(few)], &name);
    let finding = &verdict.columns[0];
    assert_eq!((verdict.status, finding.standing, verdict.monitored), (Insufficient, Critical, 0));
    assert_eq!(finding.reasons, ["20 rows in this window; 100 are needed", "critical when last judged"]);
    let lost = judge.judge(&[Err(Shortage::Lost { share: 0.2 })], &name);
    assert!(lost.columns[0].reasons[0].starts_with("20.0 % of the sample was lost"), "{lost:?}");
    assert_eq!(standings(&mut judge, &[0.4]), [Critical]);
}

#[test]
fn p_values_are_adjusted_over_the_columns_that_can_be_judged() {
    let mut judge = Judge::default();
    let doubtful = Compared { p: 0.004, ..compared(0.15) };
    let window = |others: usize| {
        let quiet = (0..others).map(|_| Ok(Compared { p: 0.9, ..compared(0.0) }));
        [Ok(doubtful.clone()), Err(Shortage::Incomparable)].into_iter().chain(quiet).collect::<Vec<Outcome>>()
    };
    let alone = judge.judge(&window(0), &name);
    assert_eq!((alone.monitored, alone.columns[0].window), (1, Warning));
    let among = judge.judge(&window(9), &name);
    assert_eq!((among.monitored, among.columns[0].window), (10, OK));
    assert!((among.columns[0].p_adjusted.expect("judged") - 0.04).abs() < 1e-12);
}

#[test]
fn reasons_tell_numbers_and_direction() {
    let mut judge = Judge::default();
    standings(&mut judge, &[0.15]);
    let verdict = judge.judge(&[Ok(compared(0.15))], &name);
    let told = verdict.columns[0].reasons.join("\n");
    for part in [
        "above the floor of 0.1 for warning",
        "more than chance: p 0",
        "2 of the last 2",
        "values lie higher (mean +0.39",
    ] {
        assert!(told.contains(part), "'{part}' in:\n{told}");
    }
    assert_eq!((verdict.drifted, verdict.share, verdict.status), (1, 1.0, Warning));
}

#[test]
fn a_restart_keeps_the_standing() {
    let mut judge = Judge::default();
    standings(&mut judge, &[0.15]);
    let kept = serde_json::to_string(&judge).expect("plain values");
    let mut judge: Judge = serde_json::from_str(&kept).expect("what was just written");
    assert_eq!(standings(&mut judge, &[0.15]), [Warning]);
}
