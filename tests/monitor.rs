//! What was sent over sockets is what monitoring has counted, and a change in it is found.

mod common;

use common::client::{Client, Request};
use common::garden::{self, Garden};
use common::{Server, good};
use serde_json::{Value, json};
use tidegate::monitor::collect::View;
use tidegate::monitor::drift::Status;
use tidegate::monitor::history::WindowColumn;
use tidegate::registry::Control;

/// Rows of the training data, as the reference has them.
fn reference(model: &str) -> Vec<Vec<f64>> {
    let path = common::models().join(model).join("1/reference.csv");
    let mut reader = csv::Reader::from_path(path).expect("a reference");
    let number = |text: &str| text.parse().expect("a number");
    reader.records().map(|row| row.expect("a row").iter().map(number).collect()).collect()
}

fn send(client: &mut Client, model: &str, rows: &[Vec<f64>]) {
    let path = format!("/models/{model}/predict");
    good("a prediction", &client.ask(&Request::post(&path, json!({"features": rows}).to_string())));
}

fn column(view: &View, name: &str) -> usize {
    let names: Vec<&str> = view.columns.iter().map(|column| column.name.as_str()).collect();
    names.iter().position(|one| *one == name).unwrap_or_else(|| panic!("no '{name}' in {names:?}"))
}

#[test]
fn every_row_is_counted_with_its_answer() {
    let server = Server::start();
    let rows = reference("diabetes");
    let mut client = server.client();
    send(&mut client, "diabetes", &rows[..100]);
    rows[100..].iter().for_each(|row| send(&mut client, "diabetes", std::slice::from_ref(row)));
    let view = server.view("diabetes", "1");
    assert_eq!((view.window.sampled, view.window.offered, view.window.dropped), (200, 200, 0));
    for (at, name) in ["age", "sex", "bmi"].iter().enumerate() {
        let WindowColumn::Numeric(seen) = &view.window.columns[column(&view, name)] else {
            panic!("{name} is numeric")
        };
        let sent: Vec<f64> = rows.iter().map(|row| f64::from(row[at] as f32)).collect();
        let mean = sent.iter().sum::<f64>() / 200.0;
        assert!((seen.moments.mean - mean).abs() < 1e-12, "{name}: {} for {mean}", seen.moments.mean);
        let extreme = |of: fn(f64, f64) -> f64| sent.iter().copied().reduce(of).expect("rows");
        assert_eq!((seen.moments.min, seen.moments.max), (extreme(f64::min), extreme(f64::max)));
        assert_eq!(seen.cells.iter().sum::<f64>(), 200.0);
    }
    let latency = &view.window.columns[column(&view, "latency")];
    assert!(matches!(latency, WindowColumn::Numeric(seen) if seen.moments.n == 200.0 && seen.moments.min > 0.0));
    drop(client);
    server.stop();
}

#[test]
fn a_shift_is_found_where_it_is_and_nowhere_else() {
    let server = Server::start();
    let mut client = server.client();
    let rows = reference("diabetes");
    send(&mut client, "diabetes", &rows);
    let inputs = 0..10;
    let statuses = |view: &View| inputs.clone().map(|at| view.alone.columns[at].status).collect::<Vec<_>>();
    assert_eq!(statuses(&server.view("diabetes", "1")), [Status::Ok; 10]);
    let mut moved = rows.clone();
    moved.iter_mut().for_each(|row| row[2] += 5.0);
    for _ in 0..4 {
        send(&mut client, "diabetes", &moved);
    }
    let view = server.view("diabetes", "1");
    let found = statuses(&view);
    assert!(found[2] > Status::Notice, "{found:?}");
    assert!(found.iter().enumerate().all(|(at, status)| at == 2 || *status == Status::Ok), "{found:?}");
    assert!(view.judged.is_none(), "no window has closed yet");
    drop(client);
    server.stop();
}

#[test]
fn texts_are_counted_by_value() {
    let server = Server::start();
    let mut client = server.client();
    let row = |contract: &str| {
        json!({"tenure_months": 3, "monthly_charges": 40.5, "support_calls": 1, "data_usage_gb": null,
               "contract": contract, "payment_method": "card", "region": "east"})
    };
    let rows: Vec<Value> = ["one-year", "two-year", "lifelong", "one-year"].iter().map(|text| row(text)).collect();
    good("a prediction", &client.ask(&Request::post("/models/churn/predict", json!(rows).to_string())));
    let view = server.view("churn", "1");
    let WindowColumn::Categorical(seen) = &view.window.columns[column(&view, "contract")] else {
        panic!("contract is text")
    };
    let count = |value: &str| seen.dictionary.code_of(value).map(|code| seen.codes[usize::from(code)]);
    assert_eq!((count("one-year"), count("two-year"), count("lifelong")), (Some(2.0), Some(1.0), None));
    assert_eq!(seen.other, 1.0);
    let unseen = seen.unseen.as_ref().expect("kept").top(5);
    assert_eq!(unseen.iter().map(|item| item.text.as_str()).collect::<Vec<_>>(), ["lifelong"]);
    let WindowColumn::Numeric(usage) = &view.window.columns[column(&view, "data_usage_gb")] else {
        panic!("data_usage_gb is a number")
    };
    assert_eq!(usage.counters.nan, 4.0);
    drop(client);
    server.stop();
}

#[test]
fn a_contract_is_kept_as_the_owner_says() {
    let garden = Garden::new();
    garden.plant("diabetes/1", "gate/1");
    let rules = "[input.rules.f2]\nmax = 0.1\n";
    garden.write("gate/model.toml", format!("[input]\nmode = 'enforce'\n{rules}").as_bytes());
    garden.plant("diabetes/1", "tally/1");
    garden.write("tally/model.toml", rules.as_bytes());
    let server = garden.serve_with(Control::None);
    let mut client = server.client();
    let ask = |bmi: f64| Request::post("/models/gate/predict", json!([[0, 0, bmi, 0, 0, 0, 0, 0, 0, 0]]).to_string());
    good("an allowed value", &client.ask(&ask(0.05)));
    let refused = client.ask(&ask(0.5));
    assert_eq!(refused.status, 422, "{refused}");
    let body: Value = serde_json::from_slice(&refused.body).expect("JSON");
    assert_eq!((body["code"].as_str(), body["field"].as_str()), (Some("CONTRACT_VIOLATED"), Some("f2")));
    let words = "row 0, column 'f2': expected any number to 0.1, got 0.5 (rule range of the model's contract)";
    assert_eq!(body["error"], words);
    let path = "/models/tally/predict";
    good("a counted value", &client.ask(&Request::post(path, json!([[0, 0, 0.5, 0, 0, 0, 0, 0, 0, 0]]).to_string())));
    let metrics = String::from_utf8(server.admin().ask(&Request::get("/metrics")).body).expect("text");
    for model in ["gate", "tally"] {
        let line = format!(
            "tidegate_data_quality_violations_total{{model=\"{model}\",version=\"1\",feature=\"f2\",kind=\"range\"}} 1"
        );
        assert!(metrics.contains(&line), "no {line}");
    }
    // What was refused was not predicted, and is not counted as seen.
    assert_eq!(server.view("gate", "1").window.sampled, 1);
    drop(client);
    server.stop();
}

#[test]
fn a_restart_forgets_nothing_that_was_closed() {
    let state = tempfile::tempdir().expect("a directory");
    let serve = || Server::with(|config| config.state = state.path().to_owned());
    let rows = reference("diabetes");
    let server = serve();
    let mut client = server.client();
    send(&mut client, "diabetes", &rows);
    let before = server.view("diabetes", "1");
    drop(client);
    server.stop();
    let server = serve();
    let after = server.view("diabetes", "1");
    assert_eq!((before.window.sampled, after.window.sampled), (200, 200));
    for (before, after) in before.window.columns.iter().zip(&after.window.columns) {
        if let (WindowColumn::Numeric(before), WindowColumn::Numeric(after)) = (before, after) {
            assert_eq!((&before.cells, &before.moments), (&after.cells, &after.moments));
        }
    }
    server.stop();
    let file = walk(state.path())
        .into_iter()
        .find(|path| path.extension().is_some_and(|ending| ending == "recent"))
        .expect("a file");
    std::fs::write(&file, b"this is no history").expect("written");
    let server = serve();
    let view = server.view("diabetes", "1");
    assert_eq!(view.window.sampled, 0);
    assert!(view.notes.iter().any(|note| note.contains("set aside")), "{:?}", view.notes);
    let kept =
        walk(state.path()).into_iter().any(|path| std::fs::read(path).is_ok_and(|it| it == b"this is no history"));
    assert!(kept, "what was set aside is still there");
    server.stop();
}

#[test]
fn drift_is_told_as_json_and_as_a_page() {
    let server = Server::start();
    let mut client = server.client();
    let rows = reference("diabetes");
    send(&mut client, "diabetes", &rows);
    let report = good("drift", &server.admin().ask(&Request::get("/api/models/diabetes/drift?window=5m")));
    assert_eq!(report["window"]["sampled"], 200);
    assert_eq!(report["reference"]["kind"], "file");
    assert_eq!(report["features"].as_array().map(Vec::len), Some(10));
    let page = server.admin().ask(&Request::get("/api/models/diabetes/report.html?window=24h"));
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    for (path, status) in [
        ("/api/models/nobody/drift", 404),
        ("/api/models/diabetes/drift?window=2h", 400),
        ("/api/models/diabetes/drift?version=9", 404),
    ] {
        assert_eq!(server.admin().ask(&Request::get(path)).status, status, "{path}");
    }
    // What is too little is not taken; what is enough is what later windows are compared with.
    let order = Request::post("/api/models/diabetes/reference", "");
    assert_eq!(server.admin().ask(&order).status, 409);
    (0..3).for_each(|_| send(&mut client, "diabetes", &rows));
    let taken = good("a reference", &server.admin().ask(&order));
    assert_eq!(taken["reference"]["rows"], 800);
    let report = good("drift", &server.admin().ask(&Request::get("/api/models/diabetes/drift?window=5m")));
    assert_eq!(report["reference"]["kind"], "window");
    drop(client);
    server.stop();
}

#[test]
fn a_profile_names_the_columns_and_a_new_one_is_taken() {
    let (garden, aside) = (Garden::new(), Garden::new());
    let profile = |lines: &str| {
        let data = aside.path("train.csv");
        std::fs::write(&data, lines).expect("written");
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["profile".as_ref(), data.as_os_str(), "--out".as_ref(), aside.path("reference.json").as_os_str()])
            .output()
            .expect("it runs");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        std::fs::read(aside.path("reference.json")).expect("a profile")
    };
    let csv = std::fs::read_to_string(common::models().join("diabetes/1/reference.csv")).expect("a reference");
    let first = profile(&csv);
    garden.plant("diabetes/1", "m/1");
    garden.write("m/1/reference.json", &first);
    let server = garden.serve();
    let view = server.view("m", "1");
    assert_eq!(view.columns[0].name, "age");
    assert!(view.baseline.sides[0].is_some(), "{:?}", view.baseline.notes);
    let generation = || garden::lines(&server, "m", "1").iter().filter_map(|line| line["generation"].as_u64()).max();
    let before = generation();
    let half: Vec<&str> = csv.lines().take(120).collect();
    let second = profile(&half.join("\n"));
    garden.write("m/1/reference.json", &second);
    garden::until("the new reference is taken", || (generation() > before).then_some(()));
    drop(view);
    server.stop();
}

/// All files below a directory.
fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// Rows of ten numbers, of which the second to the sixth go with the first as far as `together` says.
fn related(rows: usize, together: f64, seed: u64) -> Vec<Vec<f64>> {
    let mut state = seed;
    let mut draw = || {
        // The sum of twelve uniform numbers is nearly normal.
        let uniform = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..12).map(uniform).sum::<f64>() - 6.0
    };
    let row = |_| {
        let mut row: Vec<f64> = (0..10).map(|_| draw()).collect();
        for at in 1..6 {
            row[at] = together * row[0] + (1.0 - together * together).sqrt() * row[at];
        }
        row
    };
    (0..rows).map(row).collect()
}

#[test]
fn rows_as_a_whole_and_streams_are_watched_where_the_owner_asks() {
    let garden = Garden::new();
    garden.plant("diabetes/1", "gate/1");
    let options = "[monitor.rows]\npca = true\nmmd = true\nlearn = 2000\nvariance = 0.9\n\
                   [monitor.streams]\ncolumns = ['f7', 'latency', 'f77']\n";
    garden.write("gate/model.toml", options.as_bytes());
    let state = tempfile::tempdir().expect("a directory");
    let serve = || {
        Server::with(|config| {
            config.registry.paths = vec![garden.path("")];
            config.state = state.path().to_owned();
        })
    };
    let server = serve();
    let mut client = server.client();
    let drift = |server: &Server| good("drift", &server.admin().ask(&Request::get("/api/models/gate/drift?window=1h")));
    let statuses = |report: &Value| -> Vec<String> {
        let rows = report["rows"].as_array().expect("a list").iter();
        rows.map(|one| format!("{} {}", one["method"].as_str().expect("a name"), one["status"].as_str().expect("one")))
            .collect()
    };
    related(1000, 0.95, 1).chunks(100).for_each(|rows| send(&mut client, "gate", rows));
    let learning = drift(&server);
    assert_eq!(statuses(&learning), ["pca insufficient", "mmd insufficient"]);
    assert!(learning["rows"][0]["reason"].as_str().is_some_and(|words| words.starts_with("learns from")), "{learning}");
    let notes = learning["warnings"].as_array().expect("a list");
    assert!(
        notes.iter().any(|note| note.as_str().is_some_and(|words| words.contains("no column 'f77'"))),
        "{learning}"
    );
    related(3000, 0.95, 2).chunks(100).for_each(|rows| send(&mut client, "gate", rows));
    assert_eq!(statuses(&drift(&server)), ["pca ok", "mmd ok"]);
    // No column alone changes but the eighth; the first six no longer go together.
    let mut broken = related(12_000, 0.0, 3);
    broken.iter_mut().for_each(|row| row[7] += 3.0);
    broken.chunks(100).for_each(|rows| send(&mut client, "gate", rows));
    let report = drift(&server);
    assert_eq!(statuses(&report), ["pca warning", "mmd warning"], "{}", report["rows"]);
    let changes = |column: &str, detector: &str| {
        let all = report["streams"].as_array().expect("a list").iter();
        let found = all.clone().find(|one| one["column"] == column && one["detector"] == detector);
        found.and_then(|one| one["changes"].as_u64()).expect("followed")
    };
    assert!(changes("f7", "adwin") > 0 && changes("f7", "page-hinkley") > 0, "{}", report["streams"]);
    let metrics = String::from_utf8(server.admin().ask(&Request::get("/metrics")).body).expect("text");
    let series = r#"tidegate_data_drift_score{model="gate",version="1",feature="(rows)",statistic="pca"}"#;
    for start in [
        series.to_owned(),
        r#"tidegate_stream_changes_total{model="gate",version="1",feature="f7",detector="adwin"}"#.to_owned(),
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(&start)), "{start} in {metrics}");
    }
    let page = server.admin().ask(&Request::get("/api/models/gate/report.html"));
    assert!(String::from_utf8_lossy(&page.body).contains("Rows as a whole"));
    drop(client);
    server.stop();
    // What was learnt stays learnt.
    let server = serve();
    assert_eq!(statuses(&drift(&server)), ["pca warning", "mmd warning"]);
    // A new reference begins a new lesson.
    good("promoted", &server.admin().ask(&Request::post("/api/models/gate/reference?window=1h", "")));
    assert_eq!(statuses(&drift(&server)), ["pca insufficient", "mmd insufficient"]);
    server.stop();
}
