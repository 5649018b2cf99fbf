//! What is in service, published whole by one atomic store.

use super::directive::Routing;
use super::source::{ModelName, VersionNumber};
use super::status::ModelStatus;
use super::version::Version;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Aliases that name the version for unqualified requests, the first that exists.
const DEFAULT_ALIASES: [&str; 2] = ["champion", "Production"];

/// One model's versions in service at one moment. Never changed, only replaced.
#[derive(Default)]
pub struct Serving {
    pub versions: BTreeMap<VersionNumber, Arc<Version>>,
    pub aliases: BTreeMap<String, VersionNumber>,
    /// The version for requests that name none, where no plan says otherwise.
    pub default: Option<Arc<Version>>,
    /// The traffic plan, if there is one.
    pub routing: Option<Arc<Routing>>,
}

impl Serving {
    /// The version named by a number or an alias.
    pub fn find(&self, name: &str) -> Option<&Arc<Version>> {
        let number = match self.aliases.get(name) {
            Some(number) => *number,
            None => name.parse().ok()?,
        };
        self.versions.get(&number)
    }

    /// Whether both serve the same loaded versions under the same names.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let address = |version: &Arc<Version>| Arc::as_ptr(version);
        let same_routing = match (&self.routing, &other.routing) {
            (Some(a), Some(b)) => a.is_same(b),
            (a, b) => a.is_none() && b.is_none(),
        };
        same_routing
            && self.aliases == other.aliases
            && self.default.as_ref().map(address) == other.default.as_ref().map(address)
            && self.versions.len() == other.versions.len()
            && self.versions.values().zip(other.versions.values()).all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// The alias that names the default version, with its target, if the model has one.
    pub fn default_alias(aliases: &BTreeMap<String, VersionNumber>) -> Option<VersionNumber> {
        DEFAULT_ALIASES.iter().find_map(|alias| aliases.get(*alias)).copied()
    }
}

/// A model's place: what serves, and what the index shows.
pub struct Slot {
    pub name: ModelName,
    pub serving: ArcSwap<Serving>,
    pub status: ArcSwap<ModelStatus>,
}

impl Slot {
    pub(super) fn new(name: ModelName) -> Self {
        Self { name, serving: ArcSwap::default(), status: ArcSwap::default() }
    }
}

/// All models by name.
#[derive(Clone, Default)]
pub struct Catalog {
    /// Whether the directories have been looked at: before that, a name that is not here may well be there.
    pub looked: bool,
    pub models: HashMap<ModelName, Arc<Slot>>,
}

impl Catalog {
    pub fn get(&self, name: &str) -> Option<&Arc<Slot>> {
        self.models.get(name)
    }

    /// The model for requests that name none: the only one there is.
    pub fn only(&self) -> Option<&Arc<Slot>> {
        match self.models.len() {
            1 => self.models.values().next(),
            _ => None,
        }
    }

    /// In order of name.
    pub fn sorted(&self) -> Vec<&Arc<Slot>> {
        let mut slots: Vec<_> = self.models.values().collect();
        slots.sort_by(|a, b| a.name.cmp(&b.name));
        slots
    }
}
