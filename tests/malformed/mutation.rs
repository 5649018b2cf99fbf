//! Good bodies with random damage: always an answer, never the server's fault.

use super::{INFER, PREDICT, WINE, ask_good, refusal, server};
use crate::common::client::{Client, Request};
use crate::common::golden::version;
use crate::common::good;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use std::time::SystemTime;

/// Repeats a run: the seed that a failed one has printed.
const SEED: &str = "TIDEGATE_TEST_SEED";
const CASES: u32 = 1500;

/// One way to damage a body; places are fractions of its length.
#[derive(Clone, Debug)]
enum Damage {
    Flip { at: f64, bit: u8 },
    Put { at: f64, byte: u8 },
    Cut { at: f64 },
    Drop { from: f64, len: usize },
    Repeat { from: f64, len: usize, times: usize },
    Swap { from: f64, to: f64 },
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = || 0.0..1.0f64;
    let letters = "[]{}:,\"\\-+.0123456789eEnNtfI \u{1}\u{7f}".as_bytes().to_vec();
    prop_oneof![
        3 => (at(), 0..8u8).prop_map(|(at, bit)| Damage::Flip { at, bit }),
        3 => (at(), prop_oneof![proptest::sample::select(letters), any::<u8>()]).prop_map(|(at, byte)| Damage::Put { at, byte }),
        1 => at().prop_map(|at| Damage::Cut { at }),
        2 => (at(), 1..20usize).prop_map(|(from, len)| Damage::Drop { from, len }),
        2 => (at(), 1..60usize, 1..50usize).prop_map(|(from, len, times)| Damage::Repeat { from, len, times }),
        1 => (at(), at()).prop_map(|(from, to)| Damage::Swap { from, to }),
    ]
}

impl Damage {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn apply(&self, body: &mut Vec<u8>) {
        if body.is_empty() {
            return;
        }
        let len = body.len();
        let place = |at: f64| ((at * len as f64) as usize).min(len - 1);
        match *self {
            Self::Flip { at, bit } => body[place(at)] ^= 1 << bit,
            Self::Put { at, byte } => body.insert(place(at), byte),
            Self::Cut { at } => body.truncate(place(at)),
            Self::Drop { from, len: count } => drop(body.drain(place(from)..(place(from) + count).min(len))),
            Self::Repeat { from, len: count, times } => {
                let part = body[place(from)..(place(from) + count).min(len)].repeat(times);
                body.splice(place(from)..place(from), part);
            }
            Self::Swap { from, to } => body.swap(place(from), place(to)),
        }
    }
}

/// Bodies that are answered, each with its path.
fn bodies() -> Vec<(&'static str, String)> {
    let (wine, churn, digits) = (version("wine", "1"), version("churn", "1"), version("digits", "1"));
    let infer = |inputs| json!({"id": "7", "inputs": inputs, "outputs": [], "parameters": {}}).to_string();
    vec![
        (PREDICT, WINE.to_owned()),
        (PREDICT, json!({"features": wine.cases[2].features()}).to_string()),
        ("/models/churn/predict", churn.cases[2].features().to_string()),
        ("/models/digits/predict", digits.cases[0].features().to_string()),
        (INFER, infer(wine.cases[0].infer_inputs(false))),
        (INFER, infer(wine.cases[2].infer_inputs(true))),
        ("/v2/models/churn/infer", infer(churn.cases[2].infer_inputs(false))),
        ("/v1/models/wine:predict", json!({"instances": wine.cases[2].features()}).to_string()),
        ("/v1/models/churn:predict", json!({"inputs": churn.cases[2].inputs}).to_string()),
    ]
}

/// The seed that was asked for, else one of this moment.
fn seed() -> u64 {
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    std::env::var(SEED).ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| now().into())
}

/// Sends a damaged body: it is still good, or it is refused in words.
fn survive(client: &mut Client, path: &str, body: Vec<u8>) {
    let reply = client.ask(&Request::post(path, body));
    let what = format!("a damaged body for {path}");
    if reply.status == 200 {
        good(&what, &reply);
    } else {
        refusal(&what, &reply);
    }
    assert!(!reply.closes(), "{what} has cost the connection: {reply}");
}

#[test]
fn damaged_bodies_are_answered_and_never_blamed_on_the_server() {
    let seed = seed();
    println!("{SEED}={seed} repeats this run");
    let server = server();
    let bodies = bodies();
    let client = std::cell::RefCell::new(server.client());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed.to_le_bytes(); 4].concat());
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let cases = (0..bodies.len(), vec(damage(), 1..6));
    let outcome = runner.run(&cases, |(which, damages)| {
        let (path, good) = &bodies[which];
        let mut body = good.clone().into_bytes();
        damages.iter().for_each(|damage| damage.apply(&mut body));
        let shown = String::from_utf8_lossy(&body).into_owned();
        let mut client = client.borrow_mut();
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| survive(&mut client, path, body)));
        if tried.is_err() {
            // What is left on this connection belongs to the failed case.
            *client = server.client();
        }
        prop_assert!(tried.is_ok(), "{path}: {shown}");
        Ok(())
    });
    drop(client);
    outcome.unwrap_or_else(|failure| panic!("{SEED}={seed}: {failure}"));
    for (path, body) in &bodies {
        good(path, &server.client().ask(&Request::post(path, body.clone())));
    }
    ask_good("the damage", &mut server.client());
    server.stop();
}
