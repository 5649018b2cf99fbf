//! The flags of `serve`, made from the table of settings.

use crate::config::{KEYS, Key, Sources};
use clap::{Arg, ArgAction, ArgMatches, Command};

/// Flag of the table that is given by position.
const PATHS: &str = "models";

pub fn serve() -> Command {
    let command = Command::new("serve").about("Serve models; without PATH those in ./models");
    let command = command.arg(
        Arg::new("paths")
            .value_name("PATH")
            .num_args(0..)
            .help("a model file, a model directory, or a directory of models"),
    );
    KEYS.iter().filter(|key| key.name != PATHS).fold(command, |command, key| command.arg(flag(key)))
}

fn flag(key: &'static Key) -> Arg {
    let default = if key.default.is_empty() { String::new() } else { format!(" [default: {}]", key.default) };
    let action = if key.many { ArgAction::Append } else { ArgAction::Set };
    let help = format!("{}{default} [env: {}]", key.help, key.variable());
    Arg::new(key.name).long(key.name).value_name(key.value).action(action).help(help)
}

/// What was given, for the configuration to check.
pub fn sources(arguments: &ArgMatches) -> Sources {
    let mut sources = Sources { environment: std::env::vars().collect(), ..Sources::default() };
    for key in KEYS {
        let id = if key.name == PATHS { "paths" } else { key.name };
        if let Some(texts) = arguments.get_many::<String>(id) {
            sources.flags.insert(key.name, texts.cloned().collect());
        }
    }
    sources
}
