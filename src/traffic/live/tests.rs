//! Units and their arms: properties that hold for every plan.

use super::*;
use crate::traffic::tally::Outcome;
use crate::traffic::testing::Draws;
use proptest::prelude::*;
use serde_json::{Value, json};

fn live(model: &str, document: &Value) -> Live {
    let plan = Plan::read(document, |_| false).expect("a good plan");
    Live::new(model, Arc::new(plan), None, None).expect("it fits")
}

fn split(weight: u32) -> Value {
    json!({"split": {"1": BUCKETS - weight, "2": weight}, "sticky": {"header": "u"}})
}

proptest! {
    #[test]
    fn ramping_up_never_moves_a_unit_out_of_the_treatment(small in 0..=BUCKETS, more in 0..=BUCKETS, units in proptest::collection::vec(any::<u64>(), 50)) {
        let large = (small + more).min(BUCKETS);
        let (before, after) = (live("m", &split(small)), live("m", &split(large)));
        for unit in units {
            let unit = unit.to_string();
            if before.assign(Some(unit.as_bytes())).arm == 1 {
                prop_assert_eq!(after.assign(Some(unit.as_bytes())).arm, 1);
            }
        }
    }

    #[test]
    fn raising_the_coverage_moves_nobody_who_took_part(small in 0..=BUCKETS, more in 0..=BUCKETS, units in proptest::collection::vec(any::<u64>(), 50)) {
        let covered = |coverage: u32| {
            let mut document = split(5000);
            document["coverage"] = coverage.into();
            live("m", &document)
        };
        let (before, after) = (covered(small), covered((small + more).min(BUCKETS)));
        for unit in units {
            let unit = unit.to_string();
            let was = before.assign(Some(unit.as_bytes()));
            if was.why == Why::Dealt {
                prop_assert_eq!(after.assign(Some(unit.as_bytes())), was);
            }
        }
    }

    #[test]
    fn replicas_agree_and_every_unit_has_an_arm(weight in 0..=BUCKETS, unit in proptest::collection::vec(any::<u8>(), 0..300)) {
        let plans = [live("m", &split(weight)), live("m", &split(weight))];
        let arms = plans.each_ref().map(|plan| plan.assign(Some(&unit)));
        prop_assert_eq!(arms[0], arms[1]);
        prop_assert!(arms[0].arm < 2);
    }
}

#[test]
fn a_split_has_its_shares_over_a_million_units() {
    let live = live("churn", &json!({"split": {"a": 5000, "b": 3000, "c": 2000}, "sticky": {"header": "u"}}));
    let mut counts = [0_u32; 3];
    for unit in 0..1_000_000 {
        counts[live.assign(Some(unit.to_string().as_bytes())).arm] += 1;
    }
    let expected = [500_000.0, 300_000.0, 200_000.0];
    let chi: f64 = counts.iter().zip(expected).map(|(got, want)| (f64::from(*got) - want).powi(2) / want).sum();
    // Two degrees of freedom: 0.9999 of all draws are below 18.4.
    assert!(chi < 18.4, "{counts:?}");
}

#[test]
fn models_and_phases_are_dealt_independently() {
    let phase = |phase: u32| {
        let mut document = split(5000);
        document["phase"] = phase.into();
        document
    };
    let plans = [live("m", &split(5000)), live("other", &split(5000)), live("m", &phase(2))];
    for other in &plans[1..] {
        let both = (0..100_000).filter(|unit: &u32| {
            let unit = unit.to_string();
            plans[0].assign(Some(unit.as_bytes())).arm == 1 && other.assign(Some(unit.as_bytes())).arm == 1
        });
        let both = both.count();
        // A quarter; the standard deviation is 137.
        assert!((24_400..25_600).contains(&both), "{both}");
    }
}

#[test]
fn layers_exclude_each_other_and_holdouts_all() {
    let in_layer = |slots: [u32; 2]| {
        let mut document = split(10_000);
        document["layer"] = json!({"name": "page", "slots": slots});
        document["holdout"] = 500.into();
        document
    };
    let (one, two) = (live("one", &in_layer([0, 500])), live("two", &in_layer([500, 1000])));
    let mut held = 0;
    for unit in 0..20_000 {
        let unit = unit.to_string();
        let both = [&one, &two].map(|live| live.assign(Some(unit.as_bytes())));
        assert!(both.iter().filter(|to| to.why == Why::Dealt).count() <= 1, "{unit}: {both:?}");
        let out = both.map(|to| to.why == Why::Holdout);
        assert_eq!(out[0], out[1], "{unit}");
        held += u32::from(out[0]);
    }
    assert!((850..1150).contains(&held), "{held} of 20000");
}

#[test]
fn the_forced_and_the_unknown_are_kept_out_of_the_counts() {
    let mut document = split(10_000);
    document["forced"] = json!({"ann": "1"});
    let live = live("m", &document);
    assert_eq!(live.assign(Some(b"ann")), Assignment { why: Why::Forced, arm: 0, ..live.assign(Some(b"ann")) });
    assert_eq!((live.assign(None).arm, live.assign(None).why), (0, Why::Missing));
    for unit in [Some(b"ann".as_slice()), None, Some(b"bob")] {
        live.tally.record(live.assign(unit), &Outcome::default());
    }
    let counted: Vec<u64> = live.tally.arms.iter().map(|arm| arm.requests.get()).collect();
    assert_eq!(counted, [0, 1]);
    assert_eq!(live.tally.outside.iter().map(|counter| counter.get()).collect::<Vec<_>>(), [1, 1, 0, 0, 0]);
}

#[test]
fn counts_go_on_over_a_ramp_and_begin_anew_in_a_new_phase() {
    let before = live("m", &split(1000));
    let next = |document: Value| {
        let plan = Arc::new(Plan::read(&document, |_| false).expect("a good plan"));
        Live::new("m", plan, None, Some(&before)).expect("it fits")
    };
    assert!(Arc::ptr_eq(&before.tally, &next(split(2000)).tally));
    let mut phase = split(2000);
    phase["phase"] = 2.into();
    assert!(!Arc::ptr_eq(&before.tally, &next(phase).tally));
}

#[test]
fn growthbook_users_stay_in_their_variant() {
    // Of its own cases: seed "seed", "a" is at 0.0505 and "b" at 0.2696.
    let document =
        json!({"split": {"0": 1000, "1": 9000}, "hash": "growthbook_v2", "salt": "seed", "sticky": {"header": "u"}});
    let live = live("m", &document);
    assert_eq!([b"a", b"b"].map(|unit| live.assign(Some(unit)).arm), [0, 1]);
}

#[test]
fn errors_of_a_unit_count_once() {
    let live = live("m", &split(5000));
    let mut draws = Draws::new(1);
    for _ in 0..1000 {
        let unit = (draws.next() % 10).to_string();
        live.tally.record(live.assign(Some(unit.as_bytes())), &Outcome { error: true, ..Outcome::default() });
    }
    let counts = live.tally.counts();
    assert_eq!(counts.requests.iter().sum::<u64>(), 1000);
    assert_eq!(counts.events[0].iter().sum::<u64>(), 10);
}
