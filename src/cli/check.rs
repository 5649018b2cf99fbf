//! `tidegate check`: the gate in front of a deployment.

use super::{FAILURE, log};
use crate::batcher::Pool;
use crate::config::LogFormat;
use crate::engine::TensorSpec;
use crate::registry::{self, Manifest, ModelName, Order, Version};
use clap::ArgMatches;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Prints a line; nobody reading is no reason to fail.
macro_rules! say {
    ($($part:tt)*) => {{ let _ = writeln!(std::io::stdout(), $($part)*); }};
}

pub fn run(arguments: &ArgMatches) -> ExitCode {
    log::start(LogFormat::Auto, "warn");
    let path = arguments.get_one::<String>("model").map(PathBuf::from).unwrap_or_default();
    let found = registry::find(std::slice::from_ref(&path));
    let mut failures = found.unreadable.len();
    for (path, reason) in &found.unreadable {
        say!("FAILED {}: {reason}", path.display());
    }
    for words in &found.passed_over {
        say!("passed over {words}");
    }
    let pool = match Pool::new(1) {
        Ok(pool) => pool,
        Err(error) => {
            eprintln!("tidegate: {error}");
            return ExitCode::from(FAILURE);
        }
    };
    for (name, model) in &found.models {
        failures += check_model(name, model, &pool);
    }
    if found.models.is_empty() && failures == 0 {
        say!("FAILED {}: no model found there", path.display());
        failures += 1;
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) }
}

/// Checks every version of a model; answers how many failed.
fn check_model(name: &ModelName, model: &registry::FoundModel, pool: &Pool) -> usize {
    let manifest = match registry::read_manifest(model) {
        Ok(manifest) => Arc::new(manifest),
        Err(reason) => {
            say!("FAILED {name}: {reason}");
            return 1;
        }
    };
    if model.versions.is_empty() {
        say!("FAILED {name}: no versions: expected a directory named by a number");
        return 1;
    }
    let missing = manifest.aliases.iter().filter(|(_, number)| !model.has_on_disk(**number));
    let mut failures = 0;
    for (alias, number) in missing {
        say!("FAILED {name}: alias '{alias}' names version {number}, which is not there");
        failures += 1;
    }
    failures + model.versions.values().filter(|found| !check_version(name, found, &manifest, pool)).count()
}

fn check_version(name: &ModelName, found: &registry::FoundVersion, manifest: &Arc<Manifest>, pool: &Pool) -> bool {
    let order = Order {
        model: name.clone(),
        found: found.clone(),
        manifest: manifest.clone(),
        generation: 1,
        in_service: None,
    };
    match registry::load(&order, &registry::Settings::default(), pool) {
        Ok(version) => {
            show(&version);
            true
        }
        Err(failure) => {
            say!("FAILED {name} version {}: {failure}", found.number);
            false
        }
    }
}

fn show(version: &Version) {
    let ms = version.load_time.as_secs_f64() * 1e3;
    say!("ok {} version {} ({:.1} ms, {})", version.model, version.number, ms, version.golden_words());
    say!("  engine   {}: {}", version.loaded.choice.engine, version.loaded.choice.reason);
    for (side, specs) in [("input", &version.signature().inputs), ("output", &version.signature().outputs)] {
        for spec in specs {
            say!("  {side:<8} {}", line(spec));
        }
    }
    for note in &version.notes {
        say!("  note     {note}");
    }
}

fn line(spec: &TensorSpec) -> String {
    let labels = spec.labels.as_ref().map(|labels| format!(" ({})", labels.join(", "))).unwrap_or_default();
    format!("{} {} {}{labels}", spec.name, spec.dtype, spec.shape_text())
}
