//! `tidegate report`: drift and quality from files of panes, with no server.

use super::{FAILURE, USAGE, say};
use crate::monitor::collect::offline::{OfflineError, Replicas, Wanted};
use crate::monitor::drift::Rule;
use crate::monitor::history::Span;
use crate::monitor::report::{self, Report};
use crate::registry::Manifest;
use clap::{Arg, ArgMatches, Command};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const ABOUT: &str = "Report drift and data quality from the files that servers keep, those of many replicas added up";

pub fn command() -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("report")
        .about(ABOUT)
        .arg(
            Arg::new("files")
                .value_name("FILE")
                .required(true)
                .num_args(1..)
                .help("a server's state directory, a directory within it, or a file that ends in .recent or .hours"),
        )
        .arg(option("reference", "FILE", "what to compare with: a profile, or the data that one is made from"))
        .arg(option(
            "rule",
            "FILE",
            "the model.toml whose [monitor.rule] says what is drift; without it, the default rule",
        ))
        .arg(option("model", "NAME", "the model, where there are several"))
        .arg(option("version", "VERSION", "the version, where there are several"))
        .arg(
            option("window", "LENGTH", "how much of what was counted last")
                .value_parser(Span::ALL.map(Span::name))
                .default_value(Span::Day.name()),
        )
        .arg(option("out", "FILE", "where the report goes: .html or .json").default_value("report.html"))
}

pub fn run(arguments: &ArgMatches) -> ExitCode {
    let text = |name: &str| arguments.get_one::<String>(name).map(String::as_str);
    let out = PathBuf::from(text("out").unwrap_or_default());
    let Some(write) = writer(&out) else {
        eprintln!("tidegate: --out: expected a name that ends in .html or .json, got '{}'", out.display());
        return ExitCode::from(USAGE);
    };
    let paths: Vec<PathBuf> = arguments.get_many::<String>("files").into_iter().flatten().map(PathBuf::from).collect();
    let wanted = Wanted { model: text("model"), version: text("version") };
    let span = Span::ALL.into_iter().find(|span| Some(span.name()) == text("window")).unwrap_or(Span::Day);
    let made = rule(text("rule").map(Path::new)).and_then(|rule| {
        make(&paths, wanted, text("reference").map(Path::new), span, &rule).map_err(|error| error.to_string())
    });
    let kept = made.and_then(|report| {
        let written = std::fs::write(&out, write(&report));
        written.map(|()| report).map_err(|error| format!("{}: cannot be written: {error}", out.display()))
    });
    match kept {
        Ok(report) => {
            show(&report, &out);
            ExitCode::SUCCESS
        }
        Err(words) => {
            eprintln!("tidegate: {words}");
            ExitCode::from(FAILURE)
        }
    }
}

/// How a report is written into a file of this name.
fn writer(out: &Path) -> Option<fn(&Report) -> String> {
    match out.extension()?.to_str()? {
        "html" => Some(report::html),
        "json" => Some(Report::to_json),
        _ => None,
    }
}

/// The rule of a model's owner.
fn rule(manifest: Option<&Path>) -> Result<Rule, String> {
    let Some(path) = manifest else { return Ok(Rule::default()) };
    let told = |error: String| format!("--rule: {}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
    Manifest::parse(&text).map(|manifest| manifest.monitor.rule).map_err(told)
}

fn make(
    paths: &[PathBuf],
    wanted: Wanted<'_>,
    reference: Option<&Path>,
    span: Span,
    rule: &Rule,
) -> Result<Report, OfflineError> {
    let replicas = Replicas::read(paths, wanted)?;
    let profiles = replicas.references(reference)?;
    Ok(replicas.view(profiles, span, rule).report())
}

fn show(report: &Report, out: &Path) {
    let (model, window) = (&report.model, &report.window);
    say!("{} version {}, {} to {}: {:.0} rows", model.name, model.version, window.start, window.end, window.n);
    say!("{}", report.summary.status.name());
    for reason in &report.summary.reasons {
        say!("  {reason}");
    }
    for violation in &report.quality.violations {
        say!("  {}: {}", violation.column, violation.violation.words);
    }
    for warning in &report.warnings {
        say!("note: {warning}");
    }
    say!("-> {}", out.display());
}
