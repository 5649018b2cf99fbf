//! Replicas add up, and the verdict says what the figures say.

use super::*;
use crate::traffic::Plan;
use crate::traffic::tally::Outcome;
use crate::traffic::testing::Draws;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn live() -> Live {
    let document = json!({"split": {"1": 5000, "2": 5000}, "sticky": {"header": "u"}});
    let plan = Arc::new(Plan::read(&document, |_| false).expect("a good plan"));
    Live::new("m", plan, None, None).expect("it fits")
}

fn snapshot(live: &Live) -> Snapshot {
    Snapshot::of("m", live, |_| (None, Vec::new()))
}

/// A request of a unit whose scores depend on its arm by `shift`.
fn serve(live: &Live, unit: u64, draws: &mut Draws, shift: f64, errors: [f64; 2]) {
    let to = live.assign(Some(unit.to_string().as_bytes()));
    let score = draws.fraction() + shift * to.arm as f64;
    let error = draws.chance(errors[to.arm]);
    let latency = Duration::from_micros(100 + draws.next() % 1000);
    let outcome = Outcome {
        latency,
        rows: 1,
        error,
        score: Some((score * 64.0).round() / 64.0),
        class: Some(to.arm),
        ..Outcome::default()
    };
    live.tally.record(to, &outcome);
}

#[test]
fn replicas_merge_to_the_report_of_one_that_saw_all() {
    let (one, replicas) = (live(), [live(), live(), live()]);
    let (mut draws, mut again, mut route) = (Draws::new(1), Draws::new(1), Draws::new(2));
    for _ in 0..5000 {
        let unit = route.next() % 400;
        serve(&one, unit, &mut draws, 0.1, [0.01, 0.02]);
        serve(&replicas[(route.next() % 3) as usize], unit, &mut again, 0.1, [0.01, 0.02]);
    }
    let mut merged = snapshot(&replicas[0]);
    for replica in &replicas[1..] {
        let text = serde_json::to_string(&snapshot(replica)).expect("JSON");
        let other: Snapshot = serde_json::from_str(&text).expect("its own");
        merged.merge(&other).expect("the same experiment");
    }
    let mut whole = snapshot(&one);
    whole.since = merged.since;
    assert_eq!(merged.report(), whole.report());
    let other = Snapshot { phase: 2, ..whole.clone() };
    assert!(whole.merge(&other).expect_err("another phase").contains("not the same experiment"));
}

#[test]
fn the_verdict_names_what_is_shown_and_what_is_not() {
    let verdict = |shift: f64, errors: [f64; 2]| {
        let (live, mut draws) = (live(), Draws::new(4));
        (0..4000).for_each(|unit| serve(&live, unit, &mut draws, shift, errors));
        snapshot(&live).report()["verdict"].as_str().expect("words").to_owned()
    };
    let same = verdict(0.0, [0.05, 0.05]);
    assert!(same.contains("no difference of the score") && same.contains("no difference of the error rate"), "{same}");
    let better = verdict(0.2, [0.05, 0.05]);
    assert!(better.contains("the score of 2 is higher than that of 1 by 0."), "{better}");
    let broken = verdict(0.0, [0.01, 0.2]);
    assert!(broken.contains("the error rate of 2 is higher than that of 1"), "{broken}");
    assert_eq!(snapshot(&live()).report()["verdict"], "too little has been seen to compare");
}

#[test]
fn a_broken_assignment_is_told_before_anything_else() {
    let (live, mut draws) = (live(), Draws::new(4));
    for unit in 0..4000 {
        // A cache in front answers half of the second arm's units.
        let to = live.assign(Some(unit.to_string().as_bytes()));
        if to.arm == 0 || unit % 2 == 0 {
            serve(&live, unit, &mut draws, 0.5, [0.0, 0.0]);
        }
    }
    let report = snapshot(&live).report();
    assert_eq!(report["sample_ratio"]["alarm"], true, "{report}");
    assert!(report["verdict"].as_str().expect("words").starts_with("do not trust"), "{report}");
}
