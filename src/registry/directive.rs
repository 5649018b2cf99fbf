//! What the traffic control wants of a model beside what its files say, and a plan with the versions
//! that its names mean.

use super::slot::Serving;
use super::source::VersionNumber;
use super::stats::VariantCells;
use super::version::Version;
use crate::traffic::{Assignment, Live, Why};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Wishes for one model. Versions that it names are loaded and kept, as long as they are there.
#[derive(Clone, Default)]
pub struct Directive {
    /// Where aliases point other than in `model.toml`; `None` for one that is to be gone.
    pub aliases: BTreeMap<String, Option<VersionNumber>>,
    /// The plan in force instead of that of `model.toml`.
    pub live: Option<Arc<Live>>,
    /// Versions to keep loaded: to go back to, or about to be named.
    pub hold: BTreeSet<VersionNumber>,
}

/// A plan beside the loaded versions of its arms.
pub struct Routing {
    pub live: Arc<Live>,
    arms: Vec<Option<Target>>,
    /// In the order of the plan's shadows.
    pub shadows: Vec<Option<Arc<Version>>>,
}

/// What an arm's name means now.
#[derive(Clone)]
pub struct Target {
    pub version: Arc<Version>,
    pub cells: Arc<VariantCells>,
}

/// The numbers that a plan's names mean.
pub(super) fn numbers(live: &Live, aliases: &BTreeMap<String, VersionNumber>) -> BTreeSet<VersionNumber> {
    let number = |name: &str| aliases.get(name).copied().or_else(|| name.parse().ok());
    let arms = live.names.iter().filter_map(|name| number(name));
    arms.chain(live.plan.named().iter().filter_map(|(_, name)| number(name))).collect()
}

impl Routing {
    pub(super) fn new(live: Arc<Live>, serving: &Serving) -> Self {
        let arms = live.names.iter().map(|name| {
            let version = serving.find(name)?.clone();
            let cells = version.stats.variant(name);
            Some(Target { version, cells })
        });
        let arms = arms.collect();
        let shadows = live.mirrors.iter().map(|mirror| serving.find(&mirror.shadow.version).cloned()).collect();
        Self { live, arms, shadows }
    }

    /// The arm of a unit with its version. An arm whose version is not in service is answered by the
    /// control, and where that is not either there is no answer from the plan.
    pub fn choose(&self, unit: Option<&[u8]>) -> Option<(Assignment, &Target)> {
        let to = self.live.assign(unit);
        match self.arms.get(to.arm)? {
            Some(target) => Some((to, target)),
            None => {
                let control = self.arms.first()?.as_ref()?;
                Some((Assignment { arm: 0, why: Why::Coverage, ..to }, control))
            }
        }
    }

    /// The version of an arm, where it is in service.
    pub fn version(&self, arm: usize) -> Option<&Arc<Version>> {
        self.arms.get(arm)?.as_ref().map(|target| &target.version)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        let version = |target: &Option<Target>| target.as_ref().map(|target| Arc::as_ptr(&target.version));
        let shadow = |version: &Option<Arc<Version>>| version.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.live, &other.live)
            && self.arms.iter().map(version).eq(other.arms.iter().map(version))
            && self.shadows.iter().map(shadow).eq(other.shadows.iter().map(shadow))
    }
}
