//! The tables of `docs/reference.md` that the code knows better: settings, errors and metrics.
//!
//! Each stands between two marks (`<!-- settings -->`, `<!-- /settings -->`) and is written from
//! the code's own tables, so the page cannot fall behind them.

use std::fs;
use std::path::PathBuf;
use tidegate::config::{KEYS, Key};
use tidegate::front::Cause;
use tidegate::metrics::names;

/// Set to 1, this variable has the tables written instead of compared.
const WRITE: &str = "TIDEGATE_WRITE_DOCS";

#[test]
fn the_tables_are_those_of_the_code() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let tables = [("settings", settings()), ("errors", errors()), ("metrics", metrics())];
    let wanted = tables.iter().fold(page.clone(), |page, (mark, table)| put(&page, mark, table));
    if std::env::var(WRITE).is_ok_and(|value| value == "1") {
        fs::write(&path, wanted).expect("the page can be written");
        return;
    }
    assert!(
        page == wanted,
        "docs/reference.md is behind the code (- stands there, + should):\n{}\nTo write the tables: {WRITE}=1 cargo test --test reference",
        difference(&page, &wanted)
    );
}

/// The page with the table between its marks.
fn put(page: &str, mark: &str, table: &str) -> String {
    let (open, close) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let parts = page.split_once(&open).and_then(|(before, rest)| Some((before, rest.split_once(&close)?.1)));
    let (before, after) = parts.unwrap_or_else(|| panic!("docs/reference.md has no marks for '{mark}'"));
    format!("{before}{open}{table}{close}{after}")
}

/// Lines that only one of the two has.
fn difference(there: &str, wanted: &str) -> String {
    let lacks = |text: &str, line: &&str| !text.lines().any(|other| other == *line);
    let gone = there.lines().filter(|line| lacks(wanted, line)).map(|line| format!("- {line}"));
    let new = wanted.lines().filter(|line| lacks(there, line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect::<Vec<_>>().join("\n")
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|{}\n", " --- |".repeat(head.len()));
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    [line(&head), rule].into_iter().chain(rows.map(|row| line(&row))).collect()
}

/// As code, in a table, whose cells end at a bar.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn settings() -> String {
    table(&["flag", "variable", "key in the file", "default", "meaning"], KEYS.iter().map(setting))
}

fn setting(key: &Key) -> Vec<String> {
    // Paths are given without a flag.
    let flag = match key.name {
        "models" => code("PATH.."),
        name => code(&format!("--{name} {}", key.value)),
    };
    let file = if key.in_file { code(key.name) } else { String::new() };
    let several = if key.many { "; several" } else { "" };
    vec![flag, code(&key.variable()), file, default(key.default), format!("{}{several}", key.help)]
}

/// A value as code; words that stand for one as they are.
fn default(text: &str) -> String {
    if text.is_empty() || text.contains(' ') || text == "none" { text.to_owned() } else { code(text) }
}

/// Every cause with when it is answered. A cause that is missing here does not compile.
macro_rules! causes {
    ($($cause:ident: $when:literal,)*) => {
        const CAUSES: &[(Cause, &str)] = &[$((Cause::$cause, $when)),*];

        #[allow(dead_code, reason = "it only has to compile")]
        fn all_are_there(cause: Cause) {
            match cause { $(Cause::$cause => {})* }
        }
    };
}

causes! {
    BadRequest: "the request is wrong, or the model cannot compute with its values; the words say where",
    Unauthenticated: "admin port: no token, or not the right one",
    Forbidden: "admin port: `/api` is closed, as it can be reached from elsewhere and there is no token",
    NotFound: "no such path, model or version; or the version is on disk but not loaded",
    Method: "the path does not take this method",
    Conflict: "admin port: the request does not go together with `--model-control`, or something else happened to the version first",
    Stale: "admin port: the plan has changed since the one that `if-match` names",
    LoadFailed: "admin port: the version that was to be loaded has failed; the words say why",
    SlowRequest: "the body was not there within `--body-timeout`, or within `x-timeout-ms`",
    TooLarge: "the body, packed or unpacked, is over `--max-body`; or the request alone has more rows or bytes than may ever wait",
    MediaType: "a content type that the path does not read, or packed in a way that is not read",
    Contract: "a value breaks a rule of the model's contract (`[input]` in `model.toml`), which is enforced",
    QueueFull: "too much is waiting already, too much to answer this in time, or too many connections are open",
    NotReady: "the model is known, but what was asked for does not serve now",
    Deadline: "no answer within the deadline",
    Stopping: "the process is stopping",
    Internal: "the engine failed, with inputs that it is known to take too",
}

fn errors() -> String {
    let row = |(cause, when): &(Cause, &str)| {
        let row = cause.row();
        let again = if row.retry { "yes" } else { "no" };
        vec![row.status.as_u16().to_string(), code(row.code), (*when).to_owned(), again.to_owned()]
    };
    let mut causes = CAUSES.to_vec();
    causes.sort_by_key(|(cause, _)| cause.row().status);
    table(&["status", "code", "when", "try again"], causes.iter().map(row))
}

const VERSION: &str = "`model`, `version`";

/// Every family with its kind and its labels.
const METRICS: &[(names::Family, &str, &[&str])] = &[
    (
        names::REQUESTS,
        "counter",
        &[VERSION, "`protocol` (`plain`, `oip`, `grpc`, `v1`, `mlflow`)", "`code` (499: the caller left)"],
    ),
    (names::PREDICTIONS, "counter", &[VERSION, "`variant` (of a split, else the version)"]),
    (names::VARIANT_REQUESTS, "counter", &[VERSION, "`variant`", "`result` (`ok`, `error`)"]),
    (names::VARIANT_WEIGHT, "gauge", &["`model`", "`variant`"]),
    (names::NOT_COMPARED, "counter", &["`model`", "`reason`"]),
    (names::SHADOW_AGREEMENT, "gauge", &["`model`", "`version` (of the shadow)"]),
    (names::SHADOW_REQUESTS, "counter", &["`model`", "`version` (of the shadow)", "`result`"]),
    (names::LATENCY, "histogram", &[VERSION]),
    (names::QUEUE, "histogram", &[VERSION]),
    (names::COMPUTE, "histogram", &[VERSION]),
    (names::BATCH_ROWS, "histogram", &[VERSION]),
    (names::BATCHES, "counter", &[VERSION, "`close_reason`"]),
    (names::DROPPED, "counter", &[VERSION, "`reason`"]),
    (names::SHED, "counter", &[VERSION]),
    (names::ENGINE_FAILURES, "counter", &[VERSION, "`kind`"]),
    (names::QUEUE_ROWS, "gauge", &[VERSION]),
    (names::IN_FLIGHT, "gauge", &[VERSION]),
    (names::MODEL_LOAD, "gauge", &[VERSION]),
    (names::MODEL_MEMORY, "gauge", &[VERSION]),
    (names::MODEL_INFO, "gauge", &[VERSION, "`engine`", "`device`", "`digest`", "`state`"]),
    (names::MODEL_READY, "gauge", &["`model`"]),
    (names::GPU_STATUS, "gauge", &["`gpu` (`cuda:0`, or `none`)", "`status`"]),
    (names::GPU_BATCHES, "counter", &["`gpu`", "`result`"]),
    (names::GPU_ROWS, "counter", &["`gpu`"]),
    (names::GPU_MEMORY, "gauge", &["`gpu`", "`what` (`held`, `total`)"]),
    (names::SAMPLES, "counter", &[VERSION]),
    (names::SAMPLES_DROPPED, "counter", &[VERSION, "`reason` (`ring`, `request`)"]),
    (names::SAMPLING, "gauge", &[VERSION]),
    (names::DRIFT_SCORE, "gauge", &[VERSION, "`feature`", "`statistic`"]),
    (names::MISSING, "gauge", &[VERSION, "`feature`"]),
    (names::DRIFT_STATUS, "gauge", &[VERSION, "`window` (`5m`, `1h`, `24h`)"]),
    (names::DRIFTED, "gauge", &[VERSION, "`window`"]),
    (names::VIOLATIONS, "counter", &[VERSION, "`feature`", "`kind` (`missing`, `type`, `range`, `value`)"]),
    (names::STREAM_CHANGES, "counter", &[VERSION, "`feature`", "`detector` (`adwin`, `page-hinkley`)"]),
    (names::SERIES_DROPPED, "gauge", &[]),
    (names::REJECTED, "counter", &["`reason` (a code of the table of errors)"]),
    (names::SWAPS, "counter", &["`result` (`ok`, `failed`)"]),
    (names::CONNECTIONS, "counter", &["`port` (`data`, `admin`)"]),
];

fn metrics() -> String {
    let row = |((name, help), kind, labels): &(names::Family, &str, &[&str])| {
        vec![code(name), (*kind).to_owned(), labels.join(", "), (*help).to_owned()]
    };
    table(&["name", "kind", "labels", "meaning"], METRICS.iter().map(row))
}

#[test]
fn every_metric_is_in_the_table() {
    let source = include_str!("../src/metrics/names.rs");
    let named: Vec<&str> = source.split('"').filter(|text| text.starts_with("tidegate_")).collect();
    let there = |name: &&str| METRICS.iter().any(|((known, _), ..)| known == name);
    let missing: Vec<&str> = named.into_iter().filter(|name| !there(name)).collect();
    assert!(missing.is_empty(), "give them a line in METRICS here: {}", missing.join(", "));
}
