//! `tidegate check`: the gate in front of a deployment.

use super::{offline, say};
use crate::registry::{FoundVersion, Version};

pub fn show(version: &Version, _: &FoundVersion) {
    let ms = version.load_time.as_secs_f64() * 1e3;
    say!("ok {} version {} ({:.1} ms, {})", version.model, version.number, ms, version.golden_words());
    say!("  {:<10} {}: {}", "engine", version.loaded.choice.engine, version.loaded.choice.reason);
    offline::show_signature(version);
    for note in &version.notes {
        say!("  {:<10} {note}", "note");
    }
}
