//! Models loaded for a look, with no server: what `check` and `inspect` have in common.

use super::{FAILURE, USAGE, log, say};
use crate::batcher::Pool;
use crate::config::LogFormat;
use crate::engine::TensorSpec;
use crate::engine::cache::{self, Cache};
use crate::engine::device::{self, Device};
use crate::registry::{self, FoundModel, FoundVersion, Manifest, ModelName, Order, Tools, Version};
use crate::text;
use clap::{Arg, ArgMatches, Command};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Shows a version that has been loaded.
type Show = fn(&Version, &FoundVersion);

pub fn command(name: &'static str, about: &'static str) -> Command {
    let help = "a model file, a model directory, or a directory of models";
    let cache = Arg::new("cache-dir").long("cache-dir").value_name("DIR").env("TIDEGATE_CACHE_DIR");
    let device = Arg::new("device").long("device").value_name("DEVICE").env("TIDEGATE_DEVICE");
    let bytes = Arg::new("cache-bytes").long("cache-bytes").value_name("SIZE").env("TIDEGATE_CACHE_BYTES");
    Command::new(name)
        .about(about)
        .arg(Arg::new("model").value_name("MODEL").required(true).help(help))
        .arg(cache.help("take prepared models from this cache, and keep them there"))
        .arg(bytes.help("bytes that the cache may hold [default: 1GiB]"))
        .arg(device.help("auto (a GPU where there is one), cpu, cuda, or cuda:NUMBER").default_value("auto"))
}

/// Loads every version that the path holds, shows each, and exits with 1 if any of them failed.
pub fn run(arguments: &ArgMatches, show: Show) -> ExitCode {
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
    let cache = match cache_settings(arguments) {
        Ok(settings) => Cache::open(&settings),
        Err(words) => {
            eprintln!("tidegate: --cache-bytes: {words}");
            return ExitCode::from(USAGE);
        }
    };
    let device = match device(arguments) {
        Ok(device) => device,
        Err(words) => {
            eprintln!("tidegate: --device: {words}");
            return ExitCode::from(USAGE);
        }
    };
    let tools = Tools { pool: &pool, cache: cache.as_ref(), device: &device, monitor: None };
    for (name, model) in &found.models {
        failures += load_model(name, model, tools, show);
    }
    device.close();
    if found.models.is_empty() && failures == 0 {
        say!("FAILED {}: no model found there", path.display());
        failures += 1;
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) }
}

fn device(arguments: &ArgMatches) -> Result<Device, String> {
    let wish = match arguments.get_one::<String>("device") {
        Some(text) => text.parse().map_err(|error: device::UnknownWish| error.to_string())?,
        None => device::Wish::default(),
    };
    Ok(Device::open(&device::Settings { wish, ..device::Settings::default() }))
}

fn cache_settings(arguments: &ArgMatches) -> Result<cache::Settings, String> {
    let directory = arguments.get_one::<String>("cache-dir").map(PathBuf::from);
    let mut settings = cache::Settings { directory, ..cache::Settings::default() };
    if let Some(text) = arguments.get_one::<String>("cache-bytes") {
        settings.bytes = text::size(text)?;
    }
    Ok(settings)
}

/// Loads every version of a model; answers how many failed.
fn load_model(name: &ModelName, model: &FoundModel, tools: Tools<'_>, show: Show) -> usize {
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
    failures + model.versions.values().filter(|found| !load_version(name, found, &manifest, tools, show)).count()
}

fn load_version(
    name: &ModelName,
    found: &FoundVersion,
    manifest: &Arc<Manifest>,
    tools: Tools<'_>,
    show: Show,
) -> bool {
    let order = Order {
        model: name.clone(),
        found: found.clone(),
        manifest: manifest.clone(),
        generation: 1,
        in_service: None,
    };
    match registry::load(&order, &registry::Settings::default(), tools) {
        Ok(version) => {
            show(&version, found);
            true
        }
        Err(failure) => {
            say!("FAILED {name} version {}: {failure}", found.number);
            false
        }
    }
}

/// Inputs and outputs, a line each.
pub fn show_signature(version: &Version) {
    for (side, specs) in [("input", &version.signature().inputs), ("output", &version.signature().outputs)] {
        for spec in specs {
            say!("  {side:<10} {}", line(spec));
        }
    }
}

fn line(spec: &TensorSpec) -> String {
    let labels = spec.labels.as_ref().map(|labels| format!(" ({})", labels.join(", "))).unwrap_or_default();
    format!("{} {} {}{labels}", spec.name, spec.dtype, spec.shape_text())
}
