//! `tidegate profile`: a reference profile from training data.

use super::table::table;
use super::{FAILURE, say};
use crate::monitor::reference::{self, Built, Choice, ColumnProfile, Profile, ProfileSummary};
use clap::{Arg, ArgMatches, Command};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const ABOUT: &str = "Sum up training data as a reference profile, with which live data is compared";

pub fn command() -> Command {
    let list = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("NAME,..").value_delimiter(',').num_args(1).help(help)
    };
    Command::new("profile")
        .about(ABOUT)
        .arg(
            Arg::new("data").value_name("DATA").required(true).help(
                "a file of rows with named columns: .csv, .tsv, .jsonl or .ndjson, each also with .gz, or .parquet",
            ),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .value_name("FILE")
                .default_value("reference.json")
                .help("where the profile goes; in a version's directory it is found by the name reference.json"),
        )
        .arg(list("columns", "take these columns only [default: all]"))
        .arg(list("label", "leave these columns out: what is to be predicted, ids"))
        .arg(list("outputs", "these columns hold answers of the model, not inputs"))
}

pub fn run(arguments: &ArgMatches) -> ExitCode {
    let path = |name: &str| arguments.get_one::<String>(name).map(PathBuf::from).unwrap_or_default();
    let names = |name: &str| arguments.get_many::<String>(name).map(|names| names.cloned().collect::<Vec<_>>());
    let choice = Choice {
        only: names("columns"),
        without: names("label").unwrap_or_default(),
        outputs: names("outputs").unwrap_or_default(),
        known: Vec::new(),
    };
    let (data, out) = (path("data"), path("out"));
    match profile(&data, &choice).and_then(|built| keep(&built.profile, &out).map(|()| built)) {
        Ok(built) => {
            show(&built, &data, &out);
            ExitCode::SUCCESS
        }
        Err(words) => {
            eprintln!("tidegate: {words}");
            ExitCode::from(FAILURE)
        }
    }
}

fn profile(data: &Path, choice: &Choice) -> Result<Built, String> {
    let bar = bar();
    let mut progress = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let built = reference::build(data, choice, &mut progress);
    bar.finish_and_clear();
    built.map_err(|error| error.to_string())
}

/// A bar on a terminal, nothing elsewhere.
fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {binary_bytes_per_sec}, {eta} to go");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Writes the profile beside its place, then moves it there: nobody ever reads half of one.
fn keep(profile: &Profile, out: &Path) -> Result<(), String> {
    let mut name = out.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let part = out.with_file_name(name);
    let written = std::fs::File::create(&part)
        .and_then(|mut file| {
            file.write_all(profile.to_json().as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&part, out));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&part);
        format!("{}: cannot be written: {error}", out.display())
    })
}

fn show(built: &Built, data: &Path, out: &Path) {
    let head = ["COLUMN", "ROLE", "KIND", "MISSING", "DISTINCT", "VALUES"].map(str::to_owned);
    let rows: Vec<[String; 6]> = [head].into_iter().chain(built.profile.columns.iter().map(row)).collect();
    say!("{}", table(&rows).trim_end());
    for note in &built.notes {
        say!("note: {note}");
    }
    say!("{} rows of {} -> {}", built.profile.rows, data.display(), out.display());
}

fn row(column: &ColumnProfile) -> [String; 6] {
    let (missing, distinct, values) = match &column.summary {
        ProfileSummary::Numeric(numeric) => {
            let range = match (numeric.min, numeric.max) {
                (Some(min), Some(max)) => format!("{} to {}", short(min), short(max)),
                _ => "none".to_owned(),
            };
            (numeric.null + numeric.nan, numeric.distinct, range)
        }
        ProfileSummary::Categorical(texts) => {
            let shown: Vec<String> = texts.values.iter().take(3).map(|text| crate::text::shorten(text, 20)).collect();
            let more = if texts.values.len() > shown.len() { ", .." } else { "" };
            (texts.null, texts.distinct, format!("{}{more}", shown.join(", ")))
        }
    };
    let (role, kind) = (column.role.name().to_owned(), column.kind().name().to_owned());
    [column.name.clone(), role, kind, missing.to_string(), format!("{distinct:.0}"), values]
}

/// Six digits are enough to recognise a value.
fn short(value: f64) -> String {
    let plain = format!("{value}");
    if plain.len() <= 9 { plain } else { format!("{value:.5e}") }
}
