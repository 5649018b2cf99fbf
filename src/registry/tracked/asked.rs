//! What was asked for of a model beside its manifest: versions to keep in service, and versions to
//! leave out.
//!
//! A version that was unloaded counts as not being there until its files change or it is asked for
//! again; so the versions that remain take its place as if its directory had been removed.

use super::{Tracked, Versions};
use crate::registry::control::{ControlError, Standing, Verb};
use crate::registry::source::{Stamp, VersionNumber};
use crate::text;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Asked {
    /// Whether the manifest's versions are loaded without being asked for.
    follows: bool,
    /// In service whatever the manifest says, as long as they are there.
    pinned: BTreeSet<VersionNumber>,
    /// Out of service as long as their files are these.
    barred: BTreeMap<VersionNumber, Vec<Stamp>>,
    /// Whose next load is somebody's doing.
    credited: BTreeSet<VersionNumber>,
}

impl Asked {
    pub fn new(follows: bool) -> Self {
        Self { follows, pinned: BTreeSet::new(), barred: BTreeMap::new(), credited: BTreeSet::new() }
    }

    pub fn follows(&self) -> bool {
        self.follows
    }

    pub fn pinned(&self) -> impl Iterator<Item = VersionNumber> {
        self.pinned.iter().copied()
    }

    pub fn is_barred(&self, number: VersionNumber) -> bool {
        self.barred.contains_key(&number)
    }

    /// Whether a version that is not loaded may be, once it is there.
    pub fn may_come(&self, number: VersionNumber) -> bool {
        !self.is_barred(number) && (self.follows || self.pinned.contains(&number))
    }

    /// Forgets what was asked of versions that are gone, and the bars of those that have changed.
    pub fn see<'a>(&mut self, files: impl Fn(VersionNumber) -> Option<&'a [Stamp]>) {
        self.pinned.retain(|number| files(*number).is_some());
        self.credited.retain(|number| files(*number).is_some());
        self.barred.retain(|number, barred| files(*number) == Some(barred.as_slice()));
    }

    /// Whether the load that has just ended was somebody's doing; answered once.
    pub fn take_credit(&mut self, number: VersionNumber) -> bool {
        self.credited.remove(&number)
    }
}

impl Tracked {
    /// The versions that a request means: the one it names by number or alias; else all of them to
    /// unload, and those that the manifest wants to load.
    pub fn named(&self, verb: Verb, version: Option<&str>) -> Result<BTreeSet<VersionNumber>, ControlError> {
        let found: BTreeSet<VersionNumber> = match (version, verb) {
            (Some(name), _) => self.number(name).into_iter().collect(),
            (None, Verb::Load) => self.first_choice(),
            (None, Verb::Unload) => self.known().collect(),
        };
        if !found.is_empty() {
            return Ok(found);
        }
        let aliases = self.aliases.iter().filter(|(_, number)| self.is_known(**number));
        Err(ControlError::UnknownVersion {
            model: self.name.to_string(),
            version: text::shorten(version.unwrap_or("latest"), 60),
            known: self.known().map(|number| number.to_string()).chain(aliases.map(|(name, _)| name.clone())).collect(),
        })
    }

    fn number(&self, name: &str) -> Option<VersionNumber> {
        let number = self.aliases.get(name).copied().or_else(|| name.parse().ok());
        number.filter(|number| self.is_known(*number))
    }

    fn known(&self) -> impl Iterator<Item = VersionNumber> {
        let all: BTreeSet<VersionNumber> = self.disk.keys().chain(self.loaded.keys()).copied().collect();
        all.into_iter()
    }

    fn is_known(&self, number: VersionNumber) -> bool {
        self.disk.contains_key(&number) || self.loaded.contains_key(&number)
    }

    /// What the manifest wants, without a substitute for a latest version that has failed.
    fn first_choice(&self) -> BTreeSet<VersionNumber> {
        let latest = || self.disk.keys().next_back().copied().into_iter().collect();
        let mut chosen: BTreeSet<VersionNumber> = match &self.manifest.versions {
            Versions::Latest => latest(),
            Versions::All => self.disk.keys().copied().collect(),
            Versions::These(list) => list.iter().copied().collect(),
        };
        chosen.extend(self.aliases.values().copied());
        chosen.retain(|number| self.disk.contains_key(number));
        chosen
    }

    /// Takes a request in. `named`: whether it named its version, which is then kept though the
    /// manifest does not want it.
    pub fn ask(&mut self, verb: Verb, versions: &BTreeSet<VersionNumber>, named: bool) {
        let wanted = self.wanted();
        for number in versions {
            // A failure is tried again when it is asked for, and forgotten when it is not wanted any more.
            self.failed.remove(number);
            match verb {
                Verb::Load => self.pin(*number, named),
                Verb::Unload => self.bar(*number),
            }
        }
        // A version that takes the place of one that was unloaded comes by the same word.
        let successors =
            self.wanted().into_iter().filter(|number| !wanted.contains(number) && !self.is_current(*number));
        let successors: Vec<VersionNumber> = successors.collect();
        self.asked.credited.extend(successors);
    }

    fn pin(&mut self, number: VersionNumber, named: bool) {
        self.asked.barred.remove(&number);
        if named || !self.asked.follows {
            self.asked.pinned.insert(number);
        }
        if !self.is_current(number) {
            self.asked.credited.insert(number);
        }
    }

    fn bar(&mut self, number: VersionNumber) {
        self.asked.pinned.remove(&number);
        self.asked.credited.remove(&number);
        if let Some(disk) = self.disk.get(&number) {
            self.asked.barred.insert(number, disk.found.files.clone());
        }
    }

    /// How far a request has come with a version. One that is out of service may still be answering.
    pub fn standing(&self, verb: Verb, number: VersionNumber) -> Standing {
        let wanted = self.wanted().contains(&number);
        match verb {
            Verb::Load if !self.disk.contains_key(&number) => Standing::Overtaken("was removed"),
            Verb::Load if !wanted => Standing::Overtaken("was unloaded, or gave way to a newer one,"),
            Verb::Load => self.progress(number),
            Verb::Unload if wanted => Standing::Overtaken("changed, or was asked for again,"),
            Verb::Unload if self.loaded.contains_key(&number) || self.is_loading(number) => Standing::Waiting,
            Verb::Unload => Standing::Done,
        }
    }

    fn progress(&self, number: VersionNumber) -> Standing {
        if self.is_current(number) {
            return Standing::Done;
        }
        let failed = self.failed.get(&number).filter(|_| self.has_failed(number));
        let problem = self.problem.as_ref().filter(|_| !self.may_load());
        match (failed, problem) {
            (Some(failed), _) => Standing::Failed(format!("version {number}: {}", failed.reason)),
            (None, Some(problem)) => Standing::Failed(problem.clone()),
            (None, None) => Standing::Waiting,
        }
    }
}
