//! One model as the watcher knows it: what lies on disk, what is wanted, loaded, failed.
//!
//! Everything here is decided from values and the time, so it is tested without files or threads.

mod asked;
mod directed;

use super::directive::{self, Directive, Routing};
use super::load::Order;
use super::manifest::{Manifest, Versions};
use super::slot::Serving;
use super::source::{FoundModel, FoundVersion, ModelName, Stamp, VersionNumber};
use super::status::{ModelStatus, State, VersionStatus};
use super::version::Version;
use crate::traffic::Live;
use asked::Asked;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A look's point in time, by both clocks, and how long quiet has to last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub now: Instant,
    pub wall: SystemTime,
    pub settle: Duration,
}

/// One version on disk.
struct OnDisk {
    found: FoundVersion,
    /// Since when it has looked like this.
    since: Instant,
    /// Since when it has not been found any more.
    gone: Option<Instant>,
    /// Whether the last look took it for completely written.
    quiet: bool,
}

struct InService {
    files: Vec<Stamp>,
    version: Arc<Version>,
}

struct Failed {
    files: Vec<Stamp>,
    /// The settings it failed under: others may mend it.
    manifest: Arc<Manifest>,
    reason: String,
    /// When to try again, where the cause may pass by itself.
    retry: Option<Instant>,
}

/// A `model.toml`, or its absence, as it was last found.
struct Seen {
    stamp: Option<Stamp>,
    since: Instant,
}

/// How long until an unreadable file is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Why a version that the manifest may well want is not loaded.
const UNLOADED: &str = "unloaded by request";

pub(super) struct Tracked {
    name: ModelName,
    manifest: Arc<Manifest>,
    /// The file that `manifest` was read from; `None` before the first reading.
    manifest_read: Option<Option<Stamp>>,
    manifest_seen: Option<Seen>,
    problem: Option<String>,
    asked: Asked,
    directive: Directive,
    /// Those of the manifest, and what the directive makes of them.
    aliases: BTreeMap<String, VersionNumber>,
    /// The plan of the manifest, put into force.
    own_live: Option<Arc<Live>>,
    disk: BTreeMap<VersionNumber, OnDisk>,
    loaded: BTreeMap<VersionNumber, InService>,
    failed: BTreeMap<VersionNumber, Failed>,
    loading: BTreeSet<VersionNumber>,
    generations: BTreeMap<VersionNumber, u64>,
    default: Option<VersionNumber>,
}

impl Tracked {
    /// `follows`: whether what the manifest wants is loaded without being asked for.
    pub fn new(name: ModelName, follows: bool, directive: Directive) -> Self {
        let mut tracked = Self {
            name,
            manifest: Arc::default(),
            manifest_read: None,
            manifest_seen: None,
            problem: None,
            asked: Asked::new(follows),
            directive,
            aliases: BTreeMap::new(),
            own_live: None,
            disk: BTreeMap::new(),
            loaded: BTreeMap::new(),
            failed: BTreeMap::new(),
            loading: BTreeSet::new(),
            generations: BTreeMap::new(),
            default: None,
        };
        tracked.join_aliases();
        tracked
    }

    /// Takes in what a look found. Versions under `unreadable` paths count as still there.
    pub fn see(&mut self, found: &FoundModel, look: Look, unreadable: impl Fn(&Stamp) -> bool) {
        for (number, version) in &found.versions {
            let same = self.disk.get(number).is_some_and(|disk| disk.found == *version);
            if same {
                self.disk.entry(*number).and_modify(|disk| disk.gone = None);
            } else {
                let disk = OnDisk { found: version.clone(), since: look.now, gone: None, quiet: false };
                self.disk.insert(*number, disk);
            }
        }
        self.disk.retain(|number, disk| {
            if found.versions.contains_key(number) || disk.found.files.iter().any(&unreadable) {
                return true;
            }
            look.now.duration_since(*disk.gone.get_or_insert(look.now)) < look.settle
        });
        self.disk.values_mut().for_each(|disk| disk.quiet = disk.is_quiet(look));
        let disk = &self.disk;
        self.asked.see(|number| disk.get(&number).map(|disk| disk.found.files.as_slice()));
        self.see_manifest(found.manifest.as_ref(), look, &unreadable);
        self.forget_failures(look);
    }

    /// Failures end with their version, with the settings that caused them, and with their time.
    fn forget_failures(&mut self, look: Look) {
        let (disk, manifest) = (&self.disk, &self.manifest);
        self.failed.retain(|number, failed| {
            let due = failed.retry.is_some_and(|retry| look.now >= retry);
            disk.contains_key(number) && same_service(&failed.manifest, manifest) && !due
        });
    }

    /// The manifest waits like a version does: it is read when it has been quiet, and its absence
    /// counts only after it has lasted.
    fn see_manifest(&mut self, stamp: Option<&Stamp>, look: Look, unreadable: &impl Fn(&Stamp) -> bool) {
        if self.manifest_read.as_ref().is_some_and(|read| read.as_ref() == stamp) {
            self.manifest_seen = None;
            return;
        }
        let hidden = self.manifest_read.iter().flatten().any(unreadable);
        if stamp.is_none() && hidden {
            return;
        }
        if self.manifest_seen.as_ref().is_none_or(|seen| seen.stamp.as_ref() != stamp) {
            self.manifest_seen = Some(Seen { stamp: stamp.cloned(), since: look.now });
        }
        let observed = self.manifest_seen.as_ref().is_some_and(|seen| look.now - seen.since >= look.settle);
        let quiet = match stamp {
            Some(stamp) => observed || stamp.quiet_for(look.wall).is_some_and(|quiet| quiet >= look.settle),
            // A model that never had one need not wait for it.
            None => observed || self.manifest_read.is_none(),
        };
        if quiet {
            self.read_manifest(stamp);
        }
    }

    fn read_manifest(&mut self, stamp: Option<&Stamp>) {
        self.manifest_read = Some(stamp.cloned());
        match Manifest::read(stamp) {
            Ok(manifest) => {
                self.manifest = Arc::new(manifest);
                self.problem = None;
                self.own_live = self.live_of_manifest();
                self.join_aliases();
            }
            // The settings in force stay; with none in force nothing is loaded.
            Err(words) => {
                tracing::warn!(model = %self.name, reason = words, "model.toml is not used");
                self.problem = Some(words);
            }
        }
    }

    /// Versions that should be in service: by the manifest, and by what was asked for.
    fn wanted(&self) -> BTreeSet<VersionNumber> {
        let mut wanted = if self.asked.follows() { self.by_manifest() } else { BTreeSet::new() };
        let directed = self.directed();
        let named = self.asked.pinned().chain(directed);
        wanted.extend(named.filter(|number| self.disk.contains_key(number)));
        wanted.retain(|number| !self.asked.is_barred(*number));
        wanted
    }

    fn by_manifest(&self) -> BTreeSet<VersionNumber> {
        let on_disk = || self.disk.keys().copied();
        let mut wanted: BTreeSet<VersionNumber> = match &self.manifest.versions {
            Versions::All => on_disk().collect(),
            Versions::These(list) => list.iter().copied().filter(|number| self.disk.contains_key(number)).collect(),
            Versions::Latest => self.latest(),
        };
        let planned = self.own_live.iter().flat_map(|live| directive::numbers(live, &self.aliases));
        let named = self.aliases.values().copied().chain(planned);
        wanted.extend(named.filter(|number| self.disk.contains_key(number)));
        wanted
    }

    /// The highest version, and as long as that has failed or is still being written, the next
    /// below. So something serves, and versions that come faster than they settle do not keep each
    /// other out for ever.
    fn latest(&self) -> BTreeSet<VersionNumber> {
        let mut latest = BTreeSet::new();
        for (number, disk) in self.disk.iter().rev().filter(|(number, _)| !self.asked.is_barred(**number)) {
            latest.insert(*number);
            let being_written = !disk.quiet && !self.loaded.contains_key(number);
            if !being_written && !self.has_failed(*number) {
                break;
            }
        }
        latest
    }

    /// Whether what lies on disk now is known to be bad.
    fn has_failed(&self, number: VersionNumber) -> bool {
        let files = self.disk.get(&number).map(|disk| &disk.found.files);
        self.failed.get(&number).is_some_and(|failed| Some(&failed.files) == files)
    }

    fn is_current(&self, number: VersionNumber) -> bool {
        let Some(disk) = self.disk.get(&number) else { return false };
        self.loaded.get(&number).is_some_and(|loaded| {
            loaded.files == disk.found.files && same_service(&loaded.version.manifest, &self.manifest)
        })
    }

    /// Wanted, and neither served as it is on disk nor known to be bad.
    fn is_pending(&self, number: VersionNumber) -> bool {
        !self.is_current(number) && !self.has_failed(number)
    }

    /// Versions still to be tried.
    pub fn pending(&self) -> BTreeSet<VersionNumber> {
        if self.manifest_read.is_none() && self.asked.follows() {
            // Which of them are wanted is not known yet.
            return self.disk.keys().copied().collect();
        }
        let wanted = if self.may_load() { self.wanted() } else { BTreeSet::new() };
        wanted.into_iter().filter(|number| self.is_pending(*number)).collect()
    }

    /// A model whose first manifest is wrong, or still being written, loads nothing.
    fn may_load(&self) -> bool {
        self.manifest_read.is_some() && (self.problem.is_none() || !self.loaded.is_empty())
    }

    /// Versions to load now: wanted, pending, quiet for long enough, and not being loaded.
    pub fn orders(&mut self) -> Vec<Order> {
        if !self.may_load() {
            return Vec::new();
        }
        let ready = |number: &VersionNumber| {
            let quiet = self.disk.get(number).is_some_and(|disk| disk.quiet);
            quiet && self.is_pending(*number) && !self.loading.contains(number)
        };
        let numbers: Vec<VersionNumber> = self.wanted().into_iter().filter(ready).collect();
        numbers.into_iter().filter_map(|number| self.order(number)).collect()
    }

    fn order(&mut self, number: VersionNumber) -> Option<Order> {
        let found = self.disk.get(&number)?.found.clone();
        self.loading.insert(number);
        let generation = self.generations.get(&number).copied().unwrap_or(0) + 1;
        let in_service =
            self.loaded.get(&number).filter(|loaded| same_service(&loaded.version.manifest, &self.manifest));
        let in_service = in_service.map(|loaded| loaded.version.digest.clone());
        Some(Order { model: self.name.clone(), found, manifest: self.manifest.clone(), generation, in_service })
    }

    /// Takes in a loaded version; answers the one it replaces.
    pub fn succeeded(&mut self, order: Order, version: Version) -> Option<Arc<Version>> {
        let number = order.found.number;
        self.loading.remove(&number);
        self.failed.remove(&number);
        self.generations.insert(number, order.generation);
        let version = Arc::new(version);
        self.loaded.insert(number, InService { files: order.found.files, version }).map(|old| old.version)
    }

    /// The content on disk is what serves: only its stamps are new.
    pub fn unchanged(&mut self, order: Order) {
        let number = order.found.number;
        self.loading.remove(&number);
        self.failed.remove(&number);
        if let Some(loaded) = self.loaded.get_mut(&number) {
            loaded.files = order.found.files;
        }
    }

    /// It changed under the reader: it is tried again when it is quiet.
    pub fn changed(&mut self, order: &Order, look: Look) {
        self.loading.remove(&order.found.number);
        if let Some(disk) = self.disk.get_mut(&order.found.number) {
            disk.since = look.now;
            disk.quiet = false;
        }
    }

    pub fn failed(&mut self, order: Order, reason: String) {
        self.fail(order, reason, None);
    }

    /// Its files could not be read, which may pass.
    pub fn unreadable(&mut self, order: Order, reason: String, look: Look) {
        self.fail(order, reason, Some(look.now + RETRY));
    }

    fn fail(&mut self, order: Order, reason: String, retry: Option<Instant>) {
        let number = order.found.number;
        self.loading.remove(&number);
        let failed = Failed { files: order.found.files, manifest: order.manifest, reason, retry };
        self.failed.insert(number, failed);
    }

    /// Whether the load that has just ended was somebody's doing; answered once.
    pub fn take_credit(&mut self, number: VersionNumber) -> bool {
        self.asked.take_credit(number)
    }

    /// What serves under a number now.
    pub fn in_service(&self, number: VersionNumber) -> Option<&Arc<Version>> {
        self.loaded.get(&number).map(|at| &at.version)
    }

    /// Whether it is in a loader's hands.
    pub fn is_loading(&self, number: VersionNumber) -> bool {
        self.loading.contains(&number)
    }

    /// Decides what serves now; answers it beside the versions that leave service.
    pub fn serve(&mut self) -> (Serving, Vec<Arc<Version>>) {
        let keep = self.kept();
        let leaving: Vec<VersionNumber> = self.loaded.keys().copied().filter(|number| !keep.contains(number)).collect();
        let left = leaving.iter().filter_map(|number| self.loaded.remove(number)).map(|gone| gone.version).collect();
        self.default = self.choose_default();
        let versions: BTreeMap<_, _> = self.loaded.iter().map(|(number, at)| (*number, at.version.clone())).collect();
        let default = self.default.and_then(|number| versions.get(&number).cloned());
        let mut serving = Serving { versions, aliases: self.aliases.clone(), default, routing: None };
        serving.routing = self.live().map(|live| Arc::new(Routing::new(live.clone(), &serving)));
        (serving, left)
    }

    /// What is wanted, and for as long as its successor is not there, what serves now.
    fn kept(&self) -> BTreeSet<VersionNumber> {
        let mut keep = self.wanted();
        let waiting = keep.iter().any(|number| self.is_pending(*number) && !self.loaded.contains_key(number));
        let target = Serving::default_alias(&self.aliases);
        let target_missing =
            target.is_some_and(|number| !self.loaded.contains_key(&number) && self.asked.may_come(number));
        if !self.disk.is_empty() && (waiting || target_missing) {
            keep.extend(self.default);
            // One that has just come must not go before it ever served: its successors are not there yet.
            keep.extend(self.loaded.keys().next_back());
        }
        keep
    }

    fn choose_default(&self) -> Option<VersionNumber> {
        let still = |number: &VersionNumber| self.loaded.contains_key(number);
        match Serving::default_alias(&self.aliases) {
            Some(target) => Some(target).filter(still).or(self.default.filter(still)),
            None => self.loaded.keys().next_back().copied(),
        }
    }

    /// The index's lines; `draining` are versions that have left service but still answer.
    pub fn status(&self, draining: &[&Arc<Version>]) -> ModelStatus {
        let mut versions: Vec<VersionStatus> = self.loaded.values().map(|at| at.version.status(State::Ready)).collect();
        for number in &self.loading {
            versions.push(VersionStatus::bare(*number, State::Loading, None));
        }
        for (number, failed) in &self.failed {
            versions.push(VersionStatus::bare(*number, State::Failed, Some(failed.reason.clone())));
        }
        versions.extend(draining.iter().map(|version| version.status(State::Draining)));
        for number in self.disk.keys() {
            if !versions.iter().any(|status| status.version == *number) {
                let reason = self.asked.is_barred(*number).then(|| UNLOADED.to_owned());
                versions.push(VersionStatus::bare(*number, State::Unloaded, reason));
            }
        }
        versions.sort_by_key(|status| (status.version, status.generation));
        let canary = self.manifest.traffic.clone().filter(|plan| plan.canary.is_some());
        ModelStatus { problem: self.problem.clone().or_else(|| self.missing_alias()), versions, canary }
    }

    /// An alias that names a version which is not there would refuse requests without a word.
    fn missing_alias(&self) -> Option<String> {
        let missing = self.aliases.iter().find(|(_, number)| !self.disk.contains_key(number));
        missing.map(|(alias, number)| format!("alias '{alias}' names version {number}, which is not there"))
    }

    /// Everything that serves, for a model that is gone.
    pub fn into_versions(self) -> Vec<Arc<Version>> {
        self.loaded.into_values().map(|at| at.version).collect()
    }

    pub fn files(&self) -> impl Iterator<Item = &Stamp> {
        self.disk.values().flat_map(|disk| &disk.found.files)
    }
}

impl OnDisk {
    /// Quiet since long enough, by our own observation or by the file system's word.
    fn is_quiet(&self, look: Look) -> bool {
        let observed = look.now.duration_since(self.since) >= look.settle;
        let by_stamp = |file: &Stamp| file.quiet_for(look.wall).is_some_and(|quiet| quiet >= look.settle);
        // A directory without a model file may get one any moment: only watching tells.
        observed || (self.found.model_file().is_some() && self.found.files.iter().all(by_stamp))
    }
}

/// Whether two manifests make the same service of a version; versions and aliases do not touch it.
fn same_service(a: &Manifest, b: &Manifest) -> bool {
    let bare = |manifest: &Manifest| Manifest {
        versions: Versions::Latest,
        aliases: BTreeMap::new(),
        traffic: None,
        ..manifest.clone()
    };
    bare(a) == bare(b)
}
