//! `tidegate traffic`, `promote`, `rollback`, `canary` and `experiment`: who gets which version, and what came
//! of it, from a shell.

use super::admin::{Fault, Server, encoded, ended, shared};
use crate::traffic::experiment::Snapshot;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// `tidegate traffic`.
pub fn traffic_command() -> Command {
    let set = Arg::new("set").long("set").value_name("NAME=WEIGHT").action(ArgAction::Append).value_delimiter(',');
    let sticky = Arg::new("sticky").long("sticky").value_name("KIND:NAME").requires("set");
    let file = Arg::new("file").long("file").value_name("FILE").conflicts_with("set");
    let command = Command::new("traffic")
        .about("Show a model's traffic plan on a running server, or write a new one")
        .arg(name())
        .arg(set.help("the split in basis points, for example 1=9000,2=1000"))
        .arg(sticky.help("what stays with its variant: header:x-user-id, pointer:/user or parameter:user"))
        .arg(file.help("a whole plan as JSON"));
    shared(terms(command))
}

/// `tidegate promote`.
pub fn promote_command() -> Command {
    let command = Command::new("promote")
        .about("Have a version answer all requests of a model: the champion, without a split")
        .arg(name())
        .arg(Arg::new("version").value_name("VERSION").required(true).help("number or alias"));
    shared(terms(command))
}

/// `tidegate rollback`.
pub fn rollback_command() -> Command {
    shared(terms(Command::new("rollback").about("Take the last change of a model's aliases and plan back").arg(name())))
}

/// `tidegate canary`.
pub fn canary_command() -> Command {
    let action = Arg::new("action").value_name("ACTION").value_parser(["approve", "pause", "resume"]);
    let command = Command::new("canary")
        .about("Show how a model's canary stands, or steer it")
        .arg(name())
        .arg(action.help("approve the step, so that it waits for no gate; pause; or resume"));
    shared(terms(command))
}

/// `tidegate experiment`.
pub fn experiment_command() -> Command {
    let with = Arg::new("with").long("with").value_name("URL").action(ArgAction::Append);
    let command = Command::new("experiment")
        .about("Show what came of a model's split, also of several replicas together")
        .arg(name())
        .arg(with.help("admin port of a further replica, whose counts are added"));
    shared(command)
}

pub fn experiment(arguments: &ArgMatches) -> ExitCode {
    ended(merged(arguments), |report| {
        super::say!("{report:#}");
        ExitCode::SUCCESS
    })
}

/// The report of a server, or of several that read one plan.
fn merged(arguments: &ArgMatches) -> Result<Value, Fault> {
    let path = format!("/api/models/{}/experiment", encoded(text(arguments, "name")));
    let first = Server::of(arguments)?;
    let Some(others) = arguments.get_many::<String>("with") else { return first.get(&path) };
    let counts = |server: &Server| {
        let answer = server.get(&format!("{path}?counts=true"))?;
        let read: Option<Snapshot> =
            serde_json::from_value(answer).map_err(|error| Fault::Failed(error.to_string()))?;
        read.ok_or_else(|| Fault::Failed("a replica has no traffic plan for this model".to_owned()))
    };
    let mut whole = counts(&first)?;
    for url in others {
        whole.merge(&counts(&first.at(url)?)?).map_err(Fault::Failed)?;
    }
    Ok(whole.report())
}

fn name() -> Arg {
    Arg::new("name").value_name("NAME").required(true).help("the model")
}

fn terms(command: Command) -> Command {
    let dry_run = Arg::new("dry-run").long("dry-run").action(ArgAction::SetTrue);
    let if_match = Arg::new("if-match").long("if-match").value_name("TAG");
    command
        .arg(dry_run.help("only say what would change"))
        .arg(if_match.help("change nothing if the plan is not at this tag any more"))
}

pub fn traffic(arguments: &ArgMatches) -> ExitCode {
    let path = format!("/api/models/{}/traffic", encoded(text(arguments, "name")));
    match plan(arguments) {
        Err(words) => ended(Err(Fault::Usage(words)), |_| ExitCode::SUCCESS),
        Ok(None) => ended(Server::of(arguments).and_then(|server| server.get(&path)), |answer| {
            super::say!("{answer:#}");
            ExitCode::SUCCESS
        }),
        Ok(Some(plan)) => change(arguments, "PUT", &path, &plan.to_string()),
    }
}

pub fn promote(arguments: &ArgMatches) -> ExitCode {
    let path = format!("/api/models/{}/promote", encoded(text(arguments, "name")));
    change(arguments, "POST", &path, &json!({"version": text(arguments, "version")}).to_string())
}

pub fn rollback(arguments: &ArgMatches) -> ExitCode {
    change(arguments, "POST", &format!("/api/models/{}/rollback", encoded(text(arguments, "name"))), "{}")
}

pub fn canary(arguments: &ArgMatches) -> ExitCode {
    let path = format!("/api/models/{}", encoded(text(arguments, "name")));
    match arguments.get_one::<String>("action") {
        Some(action) => change(arguments, "POST", &format!("{path}/canary"), &json!({"action": action}).to_string()),
        None => ended(Server::of(arguments).and_then(|server| server.get(&format!("{path}/traffic"))), |answer| {
            match &answer["status"]["canary"] {
                Value::Null => super::say!("no canary now; the last one: {}", answer["status"]["last_canary"]),
                canary => super::say!("{canary:#}"),
            }
            ExitCode::SUCCESS
        }),
    }
}

fn change(arguments: &ArgMatches, method: &str, path: &str, body: &str) -> ExitCode {
    let dry_run = arguments.get_flag("dry-run");
    let path = if dry_run { format!("{path}?dry_run=true") } else { path.to_owned() };
    let if_match = arguments.get_one::<String>("if-match").map(|tag| format!("\"{}\"", tag.trim_matches('"')));
    let answer = Server::of(arguments).and_then(|server| server.ask(method, &path, body, if_match.as_deref()));
    ended(answer, |answer| {
        let changes = answer["changes"].as_array().map_or(&[][..], Vec::as_slice);
        let head = if dry_run { "would change" } else { "changed" };
        super::say!("{head} {} (tag {})", answer["model"].as_str().unwrap_or_default(), answer["tag"]);
        changes.iter().filter_map(Value::as_str).for_each(|line| super::say!("  {line}"));
        ExitCode::SUCCESS
    })
}

/// The plan that the command line gives; `None` where it only asks.
fn plan(arguments: &ArgMatches) -> Result<Option<Value>, String> {
    if let Some(path) = arguments.get_one::<String>("file") {
        let text = std::fs::read_to_string(path).map_err(|error| format!("--file: {path}: {error}"))?;
        return serde_json::from_str(&text).map(Some).map_err(|error| format!("--file: {path}: {error}"));
    }
    let Some(parts) = arguments.get_many::<String>("set") else { return Ok(None) };
    let mut split = Map::new();
    for part in parts {
        let weight = part.split_once('=').and_then(|(name, weight)| Some((name, weight.parse::<u32>().ok()?)));
        let (name, weight) =
            weight.ok_or_else(|| format!("--set: expected NAME=WEIGHT such as 2=1000, got '{part}'"))?;
        split.insert(name.to_owned(), weight.into());
    }
    let mut plan = json!({"split": split});
    if let Some(sticky) = arguments.get_one::<String>("sticky") {
        let (kind, name) = sticky
            .split_once(':')
            .ok_or_else(|| format!("--sticky: expected KIND:NAME such as header:x-user-id, got '{sticky}'"))?;
        plan["sticky"] = json!({kind: name});
    }
    Ok(Some(plan))
}

fn text<'a>(arguments: &'a ArgMatches, id: &str) -> &'a str {
    arguments.get_one::<String>(id).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(arguments: &[&str]) -> Result<Option<Value>, String> {
        plan(&traffic_command().try_get_matches_from([&["traffic", "m"], arguments].concat()).expect("well-formed"))
    }

    #[test]
    fn a_plan_can_be_typed() {
        assert_eq!(planned(&[]), Ok(None));
        let typed = planned(&["--set", "1=9000,2=1000", "--sticky", "header:x-user-id"]);
        let wanted = json!({"split": {"1": 9000, "2": 1000}, "sticky": {"header": "x-user-id"}});
        assert_eq!(typed, Ok(Some(wanted)));
        assert!(planned(&["--set", "1"]).is_err() && planned(&["--set", "1=9", "--sticky", "x"]).is_err());
        assert!(planned(&["--file", "/nonesuch"]).is_err());
    }
}
