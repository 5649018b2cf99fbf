//! Where logs go and what they look like: standard error, for people on a terminal, else JSON.

use crate::config::LogFormat;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging; a second call (as in tests) changes nothing.
pub fn start(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let base = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A line that cannot be written, as on a full disk, is lost. To say so on standard error, where it
    // was to go, would fail as well, and that is a panic.
    let base = base.log_internal_errors(false);
    let human = match format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let started = if human {
        base.with_target(false).try_init()
    } else {
        base.json().flatten_event(true).with_current_span(false).try_init()
    };
    drop(started);
    // A contained panic belongs in the log, on one line, and not on a terminal in the middle of it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic: {}", panic.payload_as_str().unwrap_or("no message"));
    }));
}
