//! The commands, one file each.

mod check;
mod health;
mod log;
mod serve;
mod usage;

use clap::{Arg, Command};
use std::process::ExitCode;

/// Bad usage or configuration (BSD's `EX_USAGE`).
const USAGE: u8 = 64;
/// Any other failure.
const FAILURE: u8 = 1;

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            let asked = !error.use_stderr();
            let _ = error.print();
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    match matches.subcommand() {
        Some(("serve", arguments)) => serve::run(arguments),
        Some(("check", arguments)) => check::run(arguments),
        Some(("health", arguments)) => health::run(arguments),
        _ => ExitCode::from(USAGE),
    }
}

fn command() -> Command {
    Command::new("tidegate")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves trained models over HTTP at the speed of the machine")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(usage::serve())
        .subcommand(
            Command::new("check")
                .about("Load a model, test it against its golden cases, print its signature; exit 1 on any failure")
                .arg(
                    Arg::new("model")
                        .value_name("MODEL")
                        .required(true)
                        .help("a model file, a model directory, or a directory of models"),
                ),
        )
        .subcommand(
            Command::new("health").about("Exit 0 when a server is ready").arg(
                Arg::new("url")
                    .value_name("URL")
                    .default_value("http://127.0.0.1:8080/readyz")
                    .help("what to ask; a bare host and port asks for /readyz"),
            ),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }
}
