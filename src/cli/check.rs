//! `tidegate check`: the gate in front of a deployment.

use super::{offline, say};
use crate::registry::{FoundVersion, Version};

pub fn show(version: &Version, _: &FoundVersion) {
    say!("ok {} version {} ({})", version.model, version.number, version.load_words());
    say!("  {:<10} {}: {}", "engine", version.loaded.choice.engine, version.loaded.choice.reason);
    offline::show_signature(version);
    for note in &version.notes {
        say!("  {:<10} {note}", "note");
    }
}
