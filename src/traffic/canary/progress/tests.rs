//! Whole ramps, simulated with a seeded clock.

use super::*;
use crate::traffic::testing::Draws;

/// A version's behaviour: how often it errs.
struct Arm {
    errors: f64,
}

/// A ramp of five steps, checked every ten seconds, at a hundred requests a check.
fn plan() -> Plan {
    Plan { version: "2".into(), slo: None, ..Plan::default() }
}

/// How a simulated ramp ended, with the canary's requests until then.
#[derive(Debug, PartialEq)]
enum End {
    Promoted,
    RolledBack(u64),
}

/// How many of `n` independent events happen: exact where few are expected, as they are here.
fn binomial(draws: &mut Draws, n: u64, p: f64) -> u64 {
    // Geometric gaps between successes.
    let (mut at, mut hits) = (0.0, 0);
    if p <= 0.0 {
        return 0;
    }
    loop {
        at += 1.0 + (draws.fraction().max(1e-300).ln() / (1.0 - p).ln()).floor();
        if at > n as f64 {
            return hits;
        }
        hits += 1;
    }
}

fn ramp(draws: &mut Draws, arms: &[Arm; 2], per_check: u64) -> End {
    let plan = plan();
    let mut progress = Progress::new(0, None);
    let (mut now, mut counts, mut canary) = (0, Counts::default(), 0);
    loop {
        now += 10_000;
        let share = plan.share(progress.step);
        let mine = (share * per_check as f64).round() as u64;
        let requests = [per_check - mine, mine];
        canary += mine;
        for arm in 0..2 {
            counts.requests[arm] += requests[arm];
            counts.events[0][arm] += binomial(draws, requests[arm], arms[arm].errors);
        }
        match progress.judge(&plan, now, &counts, None) {
            Verdict::Hold(words) => (progress.checked, progress.words) = (now, words),
            Verdict::RollBack(_) => return End::RolledBack(canary),
            Verdict::Promote(_) => return End::Promoted,
            Verdict::Begin(_) => panic!("nobody was to let it in"),
            Verdict::Advance(words) => {
                progress.advance(&plan, now, &counts, words);
                counts = Counts::default();
            }
        }
    }
}

#[test]
fn without_harm_a_ramp_is_promoted() {
    let (mut draws, runs) = (Draws::new(20), 30_000);
    let harmless = [Arm { errors: 0.005 }, Arm { errors: 0.005 }];
    let back = (0..runs).filter(|_| ramp(&mut draws, &harmless, 1000) != End::Promoted).count();
    // Stated: 0.001.
    assert!(back as f64 <= 0.001 * f64::from(runs), "{back} of {runs} rolled back");
}

#[test]
fn an_improvement_is_promoted() {
    let (mut draws, better) = (Draws::new(21), [Arm { errors: 0.02 }, Arm { errors: 0.001 }]);
    assert!((0..100).all(|_| ramp(&mut draws, &better, 1000) == End::Promoted));
}

#[test]
fn harm_is_rolled_back_early() {
    let (mut draws, runs) = (Draws::new(22), 300);
    let harmful = [Arm { errors: 0.005 }, Arm { errors: 0.05 }];
    let mut requests: Vec<u64> = (0..runs)
        .map(|_| match ramp(&mut draws, &harmful, 1000) {
            End::RolledBack(requests) => requests,
            End::Promoted => u64::MAX,
        })
        .collect();
    requests.sort_unstable();
    // The table says 148 for the ledger alone at 1 %; errors have half of the chance of a false alarm.
    assert!(requests[150] < 220, "median {} requests of the canary", requests[150]);
    assert!(requests[299] < 1000, "all within the first step: {}", requests[299]);
}

#[test]
fn no_data_holds_and_neither_passes_nor_fails() {
    let (plan, progress) = (plan(), Progress::new(0, None));
    for hours in [1, 24, 24 * 365] {
        let verdict = progress.judge(&plan, hours * 3_600_000, &Counts::default(), None);
        assert!(matches!(&verdict, Verdict::Hold(words) if words.contains("no data")), "{verdict:?}");
    }
    let few = Counts { requests: [9000, 499], ..Counts::default() };
    assert!(
        matches!(progress.judge(&plan, 3_600_000, &few, None), Verdict::Hold(words) if words.contains("499 of 500"))
    );
}

#[test]
fn who_waits_to_be_let_in_has_no_traffic_and_then_begins_anew() {
    let plan = plan();
    let mut progress = Progress { awaiting: true, ..Progress::new(0, Some(7)) };
    assert_eq!(progress.weight(&plan), 0);
    let busy = Counts { requests: [90_000, 0], events: [[500, 0]; 3] };
    assert!(matches!(progress.judge(&plan, 1, &busy, None), Verdict::Begin(_)), "nothing is held against it");
    progress.paused = true;
    assert!(matches!(progress.judge(&plan, 1, &busy, None), Verdict::Hold(_)));
    progress.begin(9000, "let in".into());
    let begun = (progress.weight(&plan), progress.entered, progress.slow_over, progress.awaiting);
    assert_eq!(begun, (plan.weight(0), 9000, Some(7), false));
}

#[test]
fn time_requests_and_words_are_all_waited_for() {
    let mut plan = plan();
    plan.steps[0].manual = true;
    plan.max_hold = Some(std::time::Duration::from_secs(7200));
    let mut progress = Progress::new(0, None);
    let enough = Counts { requests: [50_000, 500], ..Counts::default() };
    let hold = |progress: &Progress, now| match progress.judge(&plan, now, &enough, None) {
        Verdict::Hold(words) => words,
        other => panic!("{other:?}"),
    };
    assert!(hold(&progress, 20_000).contains("of 600 s"));
    assert!(hold(&progress, 700_000).contains("approved"));
    progress.approved = true;
    assert!(matches!(progress.judge(&plan, 700_000, &enough, None), Verdict::Advance(_)));
    progress.paused = true;
    assert!(hold(&progress, 700_000).contains("paused"));
    assert!(
        matches!(progress.judge(&plan, 7_200_000, &enough, None), Verdict::RollBack(words) if words.contains("max_hold"))
    );
}

#[test]
fn nan_slowness_and_shifted_predictions_are_harm() {
    let (plan, progress) = (plan(), Progress::new(0, None));
    let mut counts = Counts { requests: [99_000, 1000], ..Counts::default() };
    assert!(matches!(progress.judge(&plan, 1, &counts, Some(0.2)), Verdict::Hold(_)));
    assert!(
        matches!(progress.judge(&plan, 1, &counts, Some(0.3)), Verdict::RollBack(words) if words.contains("shifted"))
    );
    counts.events[2] = [0, 4];
    assert!(matches!(progress.judge(&plan, 1, &counts, None), Verdict::RollBack(words) if words.contains("NaN")));
    counts.events = [[0, 0], [990, 90], [0, 0]];
    assert!(matches!(progress.judge(&plan, 1, &counts, None), Verdict::RollBack(words) if words.contains("slow")));
}

#[test]
fn heavy_units_raise_no_false_alarm_where_each_counts_once() {
    // Units with one to a thousand requests, one in twenty of them with errors throughout: by request
    // that looks like harm time and again, by unit it is chance.
    let (mut draws, runs, mut by_unit, mut by_request) = (Draws::new(23), 2000, 0, 0);
    let plan = plan();
    let progress = Progress { step: 2, ..Progress::new(0, None) };
    for _ in 0..runs {
        let (mut units, mut requests) = (Counts::default(), Counts::default());
        let mut tripped = [false; 2];
        for _ in 0..600 {
            let arm = usize::from(draws.chance(plan.share(2)));
            // Pareto with exponent 1.
            let weight = (1.0 / (1.0 - draws.fraction())).min(1000.0) as u64;
            if draws.chance(0.05) {
                units.events[0][arm] += 1;
                requests.events[0][arm] += weight;
            }
            for (trip, counts) in tripped.iter_mut().zip([&units, &requests]) {
                *trip |= matches!(progress.judge(&plan, 1, counts, None), Verdict::RollBack(_));
            }
        }
        by_unit += u32::from(tripped[0]);
        by_request += u32::from(tripped[1]);
    }
    assert!(f64::from(by_unit) <= 0.001 * f64::from(runs), "{by_unit} of {runs} by unit");
    assert!(by_request > 50 * by_unit.max(1), "{by_request} of {runs} by request: the trap is real");
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let plan = plan();
    let mut before = Progress::new(1000, Some(5_000_000));
    before.advance(&plan, 2000, &Counts { requests: [9, 9], events: [[90, 3], [0, 0], [0, 0]] }, "on".into());
    before.carried = Counts { requests: [400, 100], events: [[7, 1], [2, 0], [0, 0]] };
    let text = serde_json::to_string(&before).expect("JSON");
    let after: Progress = serde_json::from_str(&text).expect("its own");
    assert_eq!(after, before);
    let counts = after.carried.plus(Counts { requests: [0, 5], ..Counts::default() });
    assert_eq!(counts.requests, [400, 105]);
    assert_eq!(after.judge(&plan, 2500, &counts, None), before.judge(&plan, 2500, &counts, None));
}
