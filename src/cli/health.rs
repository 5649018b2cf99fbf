//! `tidegate health`: a probe for images that have no curl.

use super::http::{Ask, Target, send};
use super::{FAILURE, USAGE};
use clap::ArgMatches;
use std::process::ExitCode;
use std::time::Duration;

/// Probes are impatient.
const PATIENCE: Duration = Duration::from_secs(3);
/// Enough of an answer to read its first line and reason.
const ENOUGH: u64 = 4096;

pub fn run(arguments: &ArgMatches) -> ExitCode {
    let url = arguments.get_one::<String>("url").map_or("", String::as_str);
    let Some(target) = Target::read(url, 8080, "/readyz") else {
        eprintln!("tidegate: expected http://HOST:PORT[/PATH], got '{url}'");
        return ExitCode::from(USAGE);
    };
    match send(&target, &Ask { method: "GET", token: None, if_match: None, body: "", patience: PATIENCE, most: ENOUGH })
    {
        Ok((200, _)) => ExitCode::SUCCESS,
        Ok((status, body)) => {
            eprintln!("tidegate: {url} answered {status}: {body}");
            ExitCode::from(FAILURE)
        }
        Err(error) => {
            eprintln!("tidegate: {url}: {error}");
            ExitCode::from(FAILURE)
        }
    }
}
