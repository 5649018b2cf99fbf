//! What is refused, in which words, and that a plan reads as it was written.

use super::*;
use proptest::prelude::*;

fn read(document: &Value) -> Result<Plan, Fault> {
    Plan::read(document, |name| name == "1")
}

#[test]
fn a_plan_is_written_as_it_is_read() {
    let document = json!({
        "split": {"1": 7000, "2": 2000, "10": 1000}, "slots": {"2": 5000, "10": 4000},
        "sticky": {"header": "X-User-Id"}, "salt": "s", "phase": 3, "coverage": 5000,
        "layer": {"name": "page", "slots": [0, 500]}, "holdout": 100, "forced": {"ann": "2"},
        "shadow": [{"version": 3, "sample": 0.25}],
    });
    let plan = read(&document).expect("a good plan");
    assert_eq!(plan.split.iter().map(|arm| arm.name.as_str()).collect::<Vec<_>>(), ["1", "2", "10"]);
    assert_eq!(plan.sticky, Some(Sticky::Header("x-user-id".into())));
    assert_eq!(Plan::read(&plan.document(), |_| false), Ok(plan));
    let steps = json!([{"weight": 100, "min_time": "1s", "gate": "manual"}]);
    let plan = read(&json!({"canary": {"version": "2", "steps": steps, "slo": "250ms"}})).expect("a good plan");
    assert_eq!(Plan::read(&plan.document(), |_| false), Ok(plan));
    assert_eq!(read(&json!({})), Ok(Plan::default()));
}

#[test]
fn the_control_is_named_or_the_champion_or_the_default_or_the_first() {
    let control = |document: Value| read(&document).expect("a good plan").split[0].name.clone();
    assert_eq!(control(json!({"split": {"1": 10, "2": 9990}, "control": "2"})), "2");
    assert_eq!(control(json!({"split": {"champion": 10, "1": 9990}})), "champion");
    assert_eq!(control(json!({"split": {"0": 10, "1": 9990}})), "1");
    assert_eq!(control(json!({"split": {"b": 10, "a": 9990}})), "a");
}

#[test]
fn every_refusal_names_its_field() {
    let two = |more: Value| {
        let mut document = json!({"split": {"1": 5000, "2": 5000}, "sticky": {"header": "a"}});
        more.as_object().expect("members").iter().for_each(|(name, value)| document[name] = value.clone());
        document
    };
    let ramp = |more: Value| {
        let mut canary = json!({"version": "2"});
        more.as_object().expect("members").iter().for_each(|(name, value)| canary[name] = value.clone());
        json!({"canary": canary})
    };
    for (document, field, words) in [
        (json!([]), "body", "expected an object"),
        (json!({"spilt": {}}), "spilt", "did you mean 'split'?"),
        (json!({"split": {"1": 9000, "2": 999}}), "split", "9999 in all"),
        (json!({"split": {"1": 9000.5}}), "split.1", "a whole number from 0 to 10000"),
        (json!({"split": [1]}), "split", "expected an object"),
        (json!({"split": {"1": 10_000}, "control": "2"}), "control", "not in the split"),
        (json!({"split": {"1": 1000, "2": 6000, "3": 2000, "4": 1000}}), "split.2", "give 'slots'"),
        (two(json!({"slots": {"1": 5}})), "slots.1", "needs no slot"),
        (two(json!({"slots": {"2": 4000}})), "split.2", "give 'slots'"),
        (json!({"sticky": {}}), "sticky", "expected one of"),
        (json!({"sticky": {"header": "x y"}}), "sticky.header", "a header's name"),
        (json!({"sticky": {"pointer": "user"}}), "sticky.pointer", "such as /user"),
        (json!({"sticky": {"header": "a", "pointer": "/b"}}), "sticky", "expected one of"),
        (json!({"hash": "md5"}), "hash", "expected one of xxh3"),
        (json!({"hash": "growthbook_v2"}), "hash", "give 'sticky'"),
        (two(json!({"hash": "statsig_sha256", "coverage": 5})), "coverage", "leave it out"),
        (json!({"phase": 0}), "phase", "from 1 to"),
        (json!({"coverage": 10_001}), "coverage", "from 0 to 10000"),
        (two(json!({"layer": {"name": "l", "slots": [500, 500]}})), "layer.slots", "START < END"),
        (json!({"layer": {"name": "l", "slots": [0, 5]}}), "layer", "give 'sticky'"),
        (json!({"holdout": 5}), "holdout", "give 'sticky'"),
        (two(json!({"forced": {"ann": "7"}})), "forced.ann", "not in the split"),
        (json!({"shadow": [{"version": "2", "sample": 1.5}]}), "shadow[0].sample", "from 0 to 1"),
        (json!({"shadow": [{"version": "2"}, {"version": 2}]}), "shadow[1].version", "already"),
        (json!({"shadow": [{}]}), "shadow[0].version", "is missing"),
        (json!({"canary": {}}), "canary.version", "is missing"),
        (ramp(json!({"steps": []})), "canary.steps", "at least one"),
        (ramp(json!({"steps": [{"weight": 0}]})), "canary.steps[0].weight", "from 1 to 10000"),
        (ramp(json!({"steps": [{"weight": 5}, {"weight": 5}]})), "canary.steps[1].weight", "rise"),
        (ramp(json!({"max_hold": "1s"})), "canary.steps[0].min_time", "given up"),
        (ramp(json!({"alpha": 0})), "canary.alpha", "1e-9"),
        (ramp(json!({"check_every": "soon"})), "canary.check_every", "a duration"),
        (json!({"canary": {"version": "2"}, "split": {"1": 10_000}}), "split", "leave 'split' out"),
    ] {
        let fault = read(&document).expect_err("a bad plan");
        assert_eq!(fault.field, field, "{document}: {fault}");
        assert!(fault.words.contains(words), "{document}: {fault}");
    }
}

/// Any JSON, with the plan's own member names in it.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9/~:]{0,6}".prop_map(Value::from),
        Just(json!("10m")),
        Just(json!(10_000)),
    ];
    let name = prop_oneof![
        prop::sample::select(MEMBERS).prop_map(str::to_owned),
        prop::sample::select(vec![
            "version", "steps", "weight", "min_time", "sample", "header", "pointer", "name", "1", "2"
        ])
        .prop_map(str::to_owned),
        "[a-z0-9]{0,3}",
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let map = prop::collection::btree_map(name.clone(), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            map.prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_is_a_plan_or_a_named_mistake(document in any_json()) {
        match Plan::read(&document, |name| name == "1") {
            Ok(plan) => prop_assert_eq!(Plan::read(&plan.document(), |_| false), Ok(plan)),
            Err(fault) => prop_assert!(!fault.field.is_empty() && !fault.words.is_empty()),
        }
    }

    #[test]
    fn any_split_that_is_read_deals_every_unit(weights in prop::collection::btree_map("[a-c0-9]{1,2}", 0..4000_u32, 1..8), units in prop::collection::vec(any::<u64>(), 20)) {
        let document = json!({"split": weights, "sticky": {"header": "u"}});
        if let Ok(plan) = Plan::read(&document, |_| false) {
            let live = crate::traffic::Live::new("m", std::sync::Arc::new(plan), None, None).expect("it was checked");
            for unit in units {
                prop_assert!(live.assign(Some(&unit.to_le_bytes())).arm < weights.len());
            }
        }
    }
}
