//! Versions that come, go, change and fail under load: nothing half-written is ever served, no
//! request is lost, and every answer is whole.

mod common;

use common::client::{Client, Request};
use common::garden::{Garden, bundled, lines, until, until_state};
use common::{Server, good, json, models, text};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use tidegate::registry::{Control, Settings};

/// How long the swap test puts a new version in place every [`EVERY`].
const SWAPPING: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(100);
/// Requests per second and client.
const RATE: u32 = 200;

const CUSTOMER: &str = r#"{"features": {"tenure_months": 3, "monthly_charges": 89.5, "support_calls": 4,
    "data_usage_gb": null, "contract": "month-to-month", "payment_method": "card", "region": "north"}}"#;

fn answered_by(client: &mut Client, model: &str) -> String {
    let reply = client.ask(&Request::post(&format!("/models/{model}/predict"), CUSTOMER));
    text(&good(model, &reply), "/version").to_owned()
}

/// What the two bundled churn versions answer to the same customer.
fn probabilities(server: &Server, version: &str) -> Value {
    let path = format!("/models/churn/versions/{version}/predict");
    good(&path, &server.client().ask(&Request::post(&path, CUSTOMER)))["probabilities"].clone()
}

#[test]
fn a_new_version_every_100_ms_loses_no_request() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    garden.plant("churn/2", "churn/2");
    garden.write("churn/model.toml", b"versions = \"all\"\n");
    let server = garden.serve();
    // Odd versions are one model and even ones the other: an answer tells which it came from.
    let answers = [probabilities(&server, "2"), probabilities(&server, "1")];
    assert_ne!(answers[0], answers[1]);
    garden.write("churn/model.toml", b"");

    let (newest, over) = (AtomicU64::new(2), AtomicBool::new(false));
    let seen = thread::scope(|scope| {
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(|| ask_steadily(&server, &answers, &newest, &over))).collect();
        swap(&garden, &newest);
        over.store(true, SeqCst);
        clients.into_iter().map(|client| client.join().expect("no request failed")).collect::<Vec<_>>()
    });
    let asked: u64 = seen.iter().map(|(asked, _)| asked).sum();
    let versions: BTreeSet<u64> = seen.into_iter().flat_map(|(_, versions)| versions).collect();
    println!("{asked} requests, answered by {} of {} versions", versions.len(), newest.load(SeqCst));
    assert!(versions.len() > 20, "too few swaps were seen to mean anything: {}", versions.len());
    server.stop();
}

/// Puts a new version in place every 100 ms and takes the oldest away.
fn swap(garden: &Garden, newest: &AtomicU64) {
    let started = Instant::now();
    let mut next = started + EVERY;
    while started.elapsed() < SWAPPING {
        let number = newest.load(SeqCst) + 1;
        // Told before it is there, so that no client can see it earlier.
        newest.store(number, SeqCst);
        garden.plant(if number % 2 == 1 { "churn/1" } else { "churn/2" }, &format!("churn/{number}"));
        if number > 6 {
            garden.remove(&format!("churn/{}", number - 5));
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
        next += EVERY;
    }
}

/// Asks at a constant rate; answers how often, and which versions answered.
fn ask_steadily(server: &Server, answers: &[Value; 2], newest: &AtomicU64, over: &AtomicBool) -> (u64, BTreeSet<u64>) {
    static HIGHEST_ANSWERED: AtomicU64 = AtomicU64::new(0);
    let mut client = server.client();
    let (mut asked, mut versions) = (0, BTreeSet::new());
    let mut next = Instant::now();
    while !over.load(SeqCst) {
        // A version that has answered was in service before this request was sent, and versions
        // only go up: whatever answers now must not be older.
        let at_least = HIGHEST_ANSWERED.load(SeqCst);
        let answer = good("predict", &client.ask(&Request::post("/models/churn/predict", CUSTOMER)));
        let version: u64 = text(&answer, "/version").parse().expect("a number");
        assert!(version >= at_least, "version {version} answered after {at_least}");
        assert!(version <= newest.load(SeqCst), "version {version} was never put in place");
        assert_eq!(answer["probabilities"], answers[usize::from(version % 2 == 1)], "version {version}");
        HIGHEST_ANSWERED.fetch_max(version, SeqCst);
        versions.insert(version);
        asked += 1;
        next += Duration::from_secs(1) / RATE;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    (asked, versions)
}

#[test]
fn a_file_written_byte_by_byte_is_not_loaded_before_it_is_whole() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    let server = garden.serve();
    let mut client = server.client();
    let number = in_time(|round| {
        // Another one in each round: the one before may have been taken for whole.
        let version = (round + 2).to_string();
        garden.write(&format!("churn/{version}/golden.json"), &bundled("churn/2/golden.json"));
        let whole = bundled("churn/2/model.onnx");
        let mut written = Instant::now();
        let mut file = fs::File::create(garden.path(&format!("churn/{version}/model.onnx"))).expect("made");
        for piece in whole.chunks(whole.len().div_ceil(60)) {
            let before = Instant::now();
            file.write_all(piece).expect("written");
            kept_pace(written)?;
            written = before;
            // The writer's pace: slower than a look at the disk, faster than the settle time.
            thread::sleep(Duration::from_millis(25));
            let states: Vec<Value> =
                lines(&server, "churn", &version).into_iter().map(|line| line["state"].clone()).collect();
            let answered = answered_by(&mut client, "churn");
            kept_pace(written)?;
            assert!(states.iter().all(|state| state == "unloaded"), "half-written, yet {states:?}");
            assert_ne!(answered, version);
        }
        Some(version)
    });
    until_state(&server, "churn", &number, "ready");
    assert_eq!(answered_by(&mut client, "churn"), number);
    drop(client);
    server.stop();
}

/// Nothing where the settle time may have passed since then. On a machine that stands still for that long,
/// a test that needs a writer's pace says nothing about the server.
fn kept_pace(since: Instant) -> Option<()> {
    (since.elapsed() < settle()).then_some(())
}

/// How long files have to be quiet for the servers of these tests.
fn settle() -> Duration {
    Settings::default().settle
}

/// Repeats what needs a pace until the machine has let it be kept.
fn in_time<T>(mut round: impl FnMut(usize) -> Option<T>) -> T {
    (0..20).find_map(&mut round).expect("the machine stood still in each of 20 rounds")
}

#[test]
fn corrupt_models_stay_out_and_say_why_while_the_rest_serve() {
    let garden = Garden::new();
    garden.plant("churn/1", "good/1");
    let whole = bundled("wine/1/model.onnx");
    garden.write("half.onnx", &whole[..whole.len() / 2]);
    garden.write("noise.onnx", b"this is no model");
    garden.write("lies/1/model.onnx", &whole);
    let wrong = String::from_utf8(bundled("wine/1/golden.json")).expect("text").replace("class_0", "class_9");
    garden.write("lies/1/golden.json", wrong.as_bytes());
    garden.write("odd/model.toml", b"verions = 'all'");
    garden.write("odd/1/model.onnx", &whole);
    let server = garden.serve();

    for (model, words) in [("half", "cut short"), ("noise", "protobuf"), ("lies", "golden.json")] {
        let line = until_state(&server, model, "1", "failed");
        assert!(text(&line, "/reason").contains(words), "{model}: {line}");
    }
    let mut client = server.client();
    assert_eq!(answered_by(&mut client, "good"), "1");
    for (model, words) in [("lies", "golden.json"), ("odd", "did you mean 'versions'")] {
        let reply = client.ask(&Request::post(&format!("/models/{model}/predict"), "[1]"));
        assert_eq!(reply.status, 503, "{reply}");
        assert!(text(&json(model, &reply), "/error").contains(words), "{reply}");
        assert!(reply.header("retry-after").is_some());
    }
    let ready = good("ready", &client.ask(&Request::get("/readyz")));
    assert_eq!((&ready["ready"], &ready["degraded"]), (&Value::Bool(true), &Value::Bool(true)));
    let metrics = server.admin().ask(&Request::get("/metrics"));
    let metrics = String::from_utf8(metrics.body).expect("text");
    assert!(metrics.contains("tidegate_model_ready{model=\"lies\"} 0"), "{metrics}");
    let failed = |line: &&str| line.contains("model=\"lies\"") && line.contains("state=\"failed\"");
    assert!(metrics.lines().filter(failed).count() == 1, "{metrics}");

    // Mended in place, it serves.
    garden.write("lies/1/golden.json", &bundled("wine/1/golden.json"));
    until_state(&server, "lies", "1", "ready");
    drop(client);
    server.stop();
}

#[test]
fn a_bad_successor_leaves_the_version_in_service_alone() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    let server = garden.serve();
    let mut client = server.client();
    garden.write("churn/2/model.onnx", b"no model");
    until_state(&server, "churn", "2", "failed");
    assert_eq!(answered_by(&mut client, "churn"), "1");
    garden.plant("churn/2", "churn/3");
    until_state(&server, "churn", "3", "ready");
    assert_eq!(answered_by(&mut client, "churn"), "3");
    // Taking a version away rolls back to the highest good one.
    garden.remove("churn/3");
    until("version 1 answers again", || (answered_by(&mut client, "churn") == "1").then_some(()));
    drop(client);
    server.stop();
}

#[test]
fn changed_content_under_one_number_is_a_new_generation() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    let server = garden.serve();
    assert_eq!(until_state(&server, "churn", "1", "ready")["generation"], 1);
    let before = probabilities(&server, "1");
    swap_content(&garden.path("churn"), "churn/2");
    until("generation 2", || lines(&server, "churn", "1").into_iter().find(|line| line["generation"] == 2));
    assert_ne!(probabilities(&server, "1"), before);
    // The same content written again is not loaded again.
    garden.write_again("churn/1/model.onnx");
    garden.plant("churn/2", "other/1");
    until_state(&server, "other", "1", "ready");
    assert!(lines(&server, "churn", "1").iter().all(|line| line["generation"] == 2));
    server.stop();
}

/// Replaces `1` by another bundled version in one step, as an atomic writer would.
fn swap_content(model: &Path, other: &str) {
    let fresh = model.join("fresh");
    fs::create_dir_all(&fresh).expect("made");
    for file in ["model.onnx", "golden.json"] {
        fs::copy(models().join(other).join(file), fresh.join(file)).expect("copied");
    }
    renameat_with(CWD, fresh, CWD, model.join("1"), RenameFlags::EXCHANGE).expect("exchanged");
}

#[test]
fn moving_the_champion_alias_moves_the_traffic() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    garden.plant("churn/2", "churn/2");
    garden.write("churn/model.toml", b"[aliases]\nchampion = \"1\"\n");
    let server = garden.serve();
    let mut client = server.client();
    assert_eq!(answered_by(&mut client, "churn"), "1");
    garden.write("churn/model.toml", b"[aliases]\nchampion = \"2\"\n");
    until("version 2 answers", || (answered_by(&mut client, "churn") == "2").then_some(()));
    // A manifest with a mistake changes nothing that serves.
    garden.write("churn/model.toml", b"[aliases]\nchampion = \"1\"\nverions = 1\n[oops");
    until("the mistake is shown", || {
        let index = good("index", &server.admin().ask(&Request::get("/api/models/churn")));
        index.get("problem").cloned()
    });
    assert_eq!(answered_by(&mut client, "churn"), "2");
    drop(client);
    server.stop();
}

#[test]
fn a_tree_that_is_away_for_a_moment_changes_nothing() {
    let garden = Garden::new();
    garden.plant("churn/1", "tree/churn/1");
    garden.plant("churn/2", "tree/churn/2");
    garden.write("tree/churn/model.toml", b"[aliases]\nchampion = \"1\"\n");
    let server = Server::with(|config| {
        config.registry.paths = vec![garden.path("tree")];
        config.registry.control = Control::Poll;
    });
    let mut client = server.client();
    assert_eq!(answered_by(&mut client, "churn"), "1");
    fs::rename(garden.path("tree"), garden.path("away")).expect("renamed");
    // Longer than the settle time: an unreadable path is no proof that its models are gone.
    let away = Instant::now();
    while away.elapsed() < Duration::from_secs(1) {
        assert_eq!(answered_by(&mut client, "churn"), "1");
    }
    fs::rename(garden.path("away"), garden.path("tree")).expect("renamed");
    garden.plant("churn/1", "tree/other/1");
    until_state(&server, "other", "1", "ready");
    assert!(lines(&server, "churn", "1").iter().all(|line| line["generation"] == 1), "it was loaded again");
    drop(client);
    server.stop();
}

#[test]
fn a_manifest_written_in_parts_is_not_read_before_it_is_whole() {
    let garden = Garden::new();
    garden.plant("churn/1", "churn/1");
    garden.plant("churn/2", "churn/2");
    garden.write("churn/model.toml", b"[aliases]\nchampion = \"1\"\n");
    let server = garden.serve();
    let mut client = server.client();
    for _ in 0..10 {
        in_time(|_| {
            until("the champion", || (answered_by(&mut client, "churn") == "1").then_some(()));
            let written = Instant::now();
            // Truncated first, as a plain copy does it: an empty manifest is a good one, without a champion.
            let mut file = fs::File::create(garden.path("churn/model.toml")).expect("made");
            let mut answered = BTreeSet::new();
            let started = Instant::now();
            while started.elapsed() < settle() / 2 {
                answered.insert(answered_by(&mut client, "churn"));
            }
            file.write_all(b"[aliases]\nchampion = \"1\"\n").expect("written");
            answered.insert(answered_by(&mut client, "churn"));
            kept_pace(written)?;
            assert_eq!(answered, BTreeSet::from(["1".to_owned()]));
            Some(())
        });
    }
    drop(client);
    server.stop();
}

#[test]
fn a_failure_of_the_manifest_is_mended_by_the_manifest() {
    let garden = Garden::new();
    garden.plant("wine/1", "wine/1");
    garden.write("wine/model.toml", b"[input]\ncolumns = [\"one\"]\n");
    let server = garden.serve();
    let line = until_state(&server, "wine", "1", "failed");
    assert!(text(&line, "/reason").contains("names 1 columns"), "{line}");
    garden.write("wine/model.toml", b"[aliases]\nchampion = \"7\"\n");
    until_state(&server, "wine", "1", "ready");
    let index = good("index", &server.admin().ask(&Request::get("/api/models/wine")));
    assert_eq!(index["problem"], "alias 'champion' names version 7, which is not there");
    let reply = server.client().ask(&Request::post("/models/wine/predict", "[1]"));
    assert_eq!(reply.status, 503);
    assert!(text(&json("wine", &reply), "/error").contains("alias 'champion'"), "{reply}");
    server.stop();
}

#[test]
fn a_bad_rewrite_taken_back_leaves_no_failure_behind() {
    let garden = Garden::new();
    garden.plant("wine/1", "wine/1");
    let server = garden.serve();
    garden.write("wine/1/model.onnx", b"junk");
    until_state(&server, "wine", "1", "failed");
    garden.write("wine/1/model.onnx", &bundled("wine/1/model.onnx"));
    until("no failure is left", || {
        let states: Vec<Value> = lines(&server, "wine", "1").into_iter().map(|line| line["state"].clone()).collect();
        (states == ["ready"]).then_some(())
    });
    let ready = good("ready", &server.client().ask(&Request::get("/readyz")));
    assert_eq!(ready["degraded"], false);
    server.stop();
}
