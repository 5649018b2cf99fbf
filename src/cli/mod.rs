//! The commands, one file each.

mod admin;
mod check;
mod health;
mod http;
mod inspect;
mod log;
mod measure;
mod offline;
mod profile;
mod report;
mod serve;
mod table;
mod traffic;
mod usage;

use clap::{Arg, Command};
use std::process::ExitCode;

/// Bad usage or configuration (BSD's `EX_USAGE`).
const USAGE: u8 = 64;
/// Any other failure.
const FAILURE: u8 = 1;

/// Prints a line; nobody reading is no reason to fail.
macro_rules! say {
    ($($part:tt)*) => {{ let _ = std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{}\n", format_args!($($part)*))); }};
}
use say;

const CHECK: &str = "Load a model, test it against its golden cases, print its signature; exit 1 on any failure";
const INSPECT: &str = "Show all about a model: inputs, outputs, operators, engine, memory, measured cost per row";
const LOAD: &str = "Have a running server load a version and keep it in service; exit 1 where it cannot";
const UNLOAD: &str = "Have a running server take a version out of service and leave it out";

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
        Some(("check", arguments)) => offline::run(arguments, check::show),
        Some(("inspect", arguments)) => offline::run(arguments, inspect::show),
        Some(("models", arguments)) => admin::models(arguments),
        Some((verb @ ("load" | "unload"), arguments)) => admin::control(verb, arguments),
        Some(("traffic", arguments)) => traffic::traffic(arguments),
        Some(("promote", arguments)) => traffic::promote(arguments),
        Some(("rollback", arguments)) => traffic::rollback(arguments),
        Some(("canary", arguments)) => traffic::canary(arguments),
        Some(("experiment", arguments)) => traffic::experiment(arguments),
        Some(("profile", arguments)) => profile::run(arguments),
        Some(("report", arguments)) => report::run(arguments),
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
        .subcommand(offline::command("check", CHECK))
        .subcommand(offline::command("inspect", INSPECT))
        .subcommand(profile::command())
        .subcommand(report::command())
        .subcommand(admin::models_command())
        .subcommand(admin::control_command("load", LOAD, "number or alias [default: what model.toml wants]"))
        .subcommand(admin::control_command("unload", UNLOAD, "number or alias [default: all of them]"))
        .subcommand(traffic::traffic_command())
        .subcommand(traffic::promote_command())
        .subcommand(traffic::rollback_command())
        .subcommand(traffic::canary_command())
        .subcommand(traffic::experiment_command())
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
