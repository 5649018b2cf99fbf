//! What the traffic control wants of a model, joined with its manifest.

use super::Tracked;
use crate::registry::directive::{self, Directive};
use crate::registry::source::VersionNumber;
use crate::traffic::Live;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Tracked {
    pub(super) fn live_of_manifest(&mut self) -> Option<Arc<Live>> {
        let plan = self.manifest.traffic.as_ref()?.without_canary()?;
        let before = self.own_live.take();
        if let Some(same) = before.as_ref().filter(|before| before.plan == plan) {
            return Some(same.clone());
        }
        match Live::new(self.name.as_str(), plan, None, before.as_deref()) {
            Ok(live) => Some(Arc::new(live)),
            Err(fault) => {
                self.problem = Some(format!("model.toml: traffic.{fault}"));
                None
            }
        }
    }

    /// Takes in what the traffic control wants.
    pub fn direct(&mut self, directive: Directive) {
        self.directive = directive;
        self.join_aliases();
    }

    pub(super) fn join_aliases(&mut self) {
        let mut aliases = self.manifest.aliases.clone();
        for (alias, to) in &self.directive.aliases {
            match to {
                Some(number) => drop(aliases.insert(alias.clone(), *number)),
                None => drop(aliases.remove(alias)),
            }
        }
        self.aliases = aliases;
    }

    /// The plan in force.
    pub(super) fn live(&self) -> Option<&Arc<Live>> {
        self.directive.live.as_ref().or(self.own_live.as_ref())
    }

    /// Versions that the traffic control names.
    pub(super) fn directed(&self) -> BTreeSet<VersionNumber> {
        let moved = self.directive.aliases.values().flatten().copied();
        let mut directed: BTreeSet<VersionNumber> = moved.chain(self.directive.hold.iter().copied()).collect();
        if let Some(live) = &self.directive.live {
            directed.extend(directive::numbers(live, &self.aliases));
        }
        directed
    }
}
