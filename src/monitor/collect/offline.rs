//! Files of panes, of one or of many replicas, as one version under watch.

use super::baseline::{Baseline, blank, is_blank};
use super::opinion::{Judged, alone, cell_name, outcomes};
use super::view::{View, before};
use crate::monitor::drift::{Judge, Rule};
use crate::monitor::history::keep::{self, KeepError, Label};
use crate::monitor::history::{Detail, History, HistoryError, Span};
use crate::monitor::reference::{self, Profile, ReferenceError};
use crate::monitor::sketch::Shape;
use crate::monitor::{Column, Kind, Role};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why files give no report. Each error names the file.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: expected a directory of panes, or a file that ends in .recent or .hours", .0.display())]
    NoPanes(PathBuf),
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("{}: {reason}, unlike in {}", path.display(), other.display())]
    Differs { path: PathBuf, other: PathBuf, reason: String },
    #[error("there are panes of {}: name one by --model and --version", .0.join(", "))]
    Several(Vec<String>),
    #[error("no panes of that model and version; there are {}", .0.join(", "))]
    None(Vec<String>),
}

/// One version, as all replicas together have seen it.
#[derive(Debug)]
pub struct Replicas {
    pub label: Label,
    pub history: History,
    /// The files, without their endings.
    pub bases: Vec<PathBuf>,
    /// Columns that the replicas have counted on edges or values of their own: only counters and
    /// moments of these can be added up.
    unlike: BTreeSet<usize>,
}

/// Which version is meant, where there are several.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    pub model: Option<&'a str>,
    pub version: Option<&'a str>,
}

impl Replicas {
    /// Reads and adds up what is kept under these paths: directories, or single files.
    pub fn read(paths: &[PathBuf], wanted: Wanted<'_>) -> Result<Self, OfflineError> {
        let mut all: Vec<Self> = Vec::new();
        for base in bases(paths)? {
            let Some(kept) = keep::read(&base)? else { continue };
            let same = |one: &&mut Self| one.label.model == kept.label.model && one.label.version == kept.label.version;
            match all.iter_mut().find(same) {
                Some(one) => one.add(base, &kept.label, kept.history)?,
                None => all.push(Self {
                    label: kept.label,
                    history: kept.history,
                    bases: vec![base],
                    unlike: BTreeSet::new(),
                }),
            }
        }
        let name = |one: &Self| format!("{} version {}", one.label.model, one.label.version);
        let names = all.iter().map(name).collect();
        let is = |wanted: Option<&str>, name: &str| wanted.is_none_or(|wanted| wanted == name);
        let meant = |one: &Self| is(wanted.model, &one.label.model) && is(wanted.version, &one.label.version);
        let mut meant: Vec<Self> = all.into_iter().filter(meant).collect();
        match (meant.pop(), meant.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(_), false) => Err(OfflineError::Several(names)),
            (None, _) => Err(OfflineError::None(names)),
        }
    }

    /// Adds what another replica has kept. Without training data for a column every replica makes a
    /// reference of its own first rows, as for answers and latency: these columns keep what does not
    /// depend on edges.
    fn add(&mut self, base: PathBuf, label: &Label, mut history: History) -> Result<(), OfflineError> {
        let (path, other) = (base.clone(), self.bases.first().cloned().unwrap_or_default());
        let differs = move |reason: String| OfflineError::Differs { path, other, reason };
        if label.columns != self.label.columns {
            return Err(differs("it has other columns".into()));
        }
        let kinds: Vec<Kind> = self.columns().iter().map(|column| column.kind).collect();
        let merged = loop {
            match self.history.merge(&history) {
                Err(HistoryError::Shape { at }) if self.unlike.insert(at) => {
                    let shape = blank(kinds.get(at).copied().unwrap_or(Kind::Numeric));
                    self.history.reshape(at, shape.clone());
                    history.reshape(at, shape);
                }
                // It was made alike before; the next replica has to follow.
                Err(HistoryError::Shape { at }) if history.shapes().get(at).is_some_and(|shape| !is_blank(shape)) => {
                    history.reshape(at, blank(kinds.get(at).copied().unwrap_or(Kind::Numeric)));
                }
                merged => break merged,
            }
        };
        merged.map_err(|error| differs(error.to_string()))?;
        self.bases.push(base);
        Ok(())
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!("added up from {} files: {}", self.bases.len(), shown(&self.bases))];
        let names: Vec<&str> =
            self.unlike.iter().filter_map(|at| Some(self.label.columns.get(*at)?.name.as_str())).collect();
        if !names.is_empty() {
            notes.push(format!(
                "not compared, as each replica counted on edges or values of its own: {}",
                names.join(", ")
            ));
        }
        notes
    }

    /// The columns, each of the kind that was counted.
    pub fn columns(&self) -> Vec<Column> {
        let role = |name: &str| {
            [Role::Output, Role::Latency].into_iter().find(|role| role.name() == name).unwrap_or(Role::Input)
        };
        let kind = |shape: &Shape| match shape {
            Shape::Numeric(_) => Kind::Numeric,
            Shape::Categorical(_) => Kind::Categorical,
        };
        let shapes = self.history.shapes();
        let columns = self.label.columns.iter().zip(shapes);
        columns.map(|(named, shape)| Column::new(named.name.clone(), role(&named.role), kind(shape))).collect()
    }

    /// The references in order of rank: the one that is given, then those that the server has made.
    pub fn references(&self, given: Option<&Path>) -> Result<Vec<Arc<Profile>>, OfflineError> {
        let mut profiles = Vec::new();
        if let Some(path) = given {
            profiles.push(Arc::new(reference::open(path, &self.columns(), &mut |_, _| {})?.profile));
        }
        for ending in ["promoted.json", "own.json"] {
            let mut name = self.bases.first().map(|base| base.as_os_str().to_owned()).unwrap_or_default();
            name.push(".");
            name.push(ending);
            let path = PathBuf::from(name);
            if path.is_file() {
                profiles.push(Arc::new(reference::read(&path).map_err(|fault| fault.of_file(&path))?));
            }
        }
        Ok(profiles)
    }

    /// All about the last `span` that was counted.
    pub fn view(&self, profiles: Vec<Arc<Profile>>, span: Span, rule: &Rule) -> View {
        let columns = self.columns();
        let (baseline, _) = Baseline::new(profiles, &columns);
        // Panes are kept when they close: a little later the last one lies within its span.
        let now = self.history.last_end(Span::FiveMinutes) + Span::FiveMinutes.milliseconds();
        let window = self.history.window(span, now, Detail::Full);
        let outcomes = outcomes(&baseline, &window, 1.0);
        let (previous, last_week) = before(&self.history, span);
        View {
            model: self.label.model.clone(),
            version: self.label.version.clone(),
            digest: String::new(),
            span,
            rule: rule.clone(),
            alone: alone(rule, &baseline, &outcomes),
            judged: self.judged(&baseline, span, rule),
            sampling: if window.rows > 0.0 { window.sampled as f64 / window.rows } else { 1.0 },
            notes: self.notes(),
            columns,
            baseline,
            window,
            outcomes,
            previous,
            last_week,
            rows: Vec::new(),
            streams: Vec::new(),
        }
    }

    /// What the judge would have said of the windows that have closed; `None` where these are too few
    /// to tell what persists.
    fn judged(&self, baseline: &Baseline, span: Span, rule: &Rule) -> Option<Judged> {
        let mut judge = Judge::new(rule.clone());
        let (mut judged, mut last) = (0, None);
        let steps = Span::Day.milliseconds() / span.milliseconds();
        for back in (0..=steps).rev() {
            let end = self.history.last_end(span).checked_sub(back * span.milliseconds());
            let closed = end.and_then(|end| self.history.closed(span, end, Detail::Counts));
            let Some(window) = closed else { continue };
            let outcomes = outcomes(baseline, &window, 1.0);
            let verdict = judge.judge(&outcomes, &|column, cell| cell_name(baseline, column, cell));
            last = Some(Judged { start_ms: window.start_ms, end_ms: window.end_ms, verdict });
            judged += 1;
        }
        last.filter(|_| judged >= rule.of)
    }
}

/// Files that are named of many.
const SHOWN: usize = 4;

fn shown(bases: &[PathBuf]) -> String {
    let names: Vec<String> = bases.iter().take(SHOWN).map(|base| base.display().to_string()).collect();
    match bases.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn bases(paths: &[PathBuf]) -> Result<Vec<PathBuf>, OfflineError> {
    let mut bases = Vec::new();
    for path in paths {
        let found = match path.is_dir() {
            true => keep::find(path).map_err(|source| OfflineError::Io { path: path.clone(), source })?,
            false if !path.exists() => {
                return Err(OfflineError::Io { path: path.clone(), source: io::ErrorKind::NotFound.into() });
            }
            false if path.extension().is_some_and(|ending| ending == "recent" || ending == "hours") => {
                vec![path.with_extension("")]
            }
            false => Vec::new(),
        };
        if found.is_empty() {
            return Err(OfflineError::NoPanes(path.clone()));
        }
        bases.extend(found);
    }
    bases.sort();
    bases.dedup();
    Ok(bases)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::drift::Status;
    use crate::monitor::history::keep::{Keeper, Named};
    use crate::monitor::history::{Pane, WindowColumn};
    use crate::monitor::reference::Profile;
    use crate::monitor::sketch::{Edges, Summary};
    use tempfile::TempDir;

    const HOUR: u64 = 3_600_000;

    fn shapes(top: f64) -> Vec<Shape> {
        let edges: Vec<f64> = (1..20).map(f64::from).chain([top]).collect();
        vec![Shape::Numeric(Some(Arc::new(Edges::new(edges).expect("edges"))))]
    }

    /// A thousand rows, the same every time.
    fn pane(hour: u64, shift: f64, shapes: &[Shape]) -> Pane {
        let mut pane = Pane::new(hour * HOUR, 0, 0, shapes);
        for row in 0..1000u32 {
            if let Some(Summary::Numeric(numbers)) = pane.columns.first_mut() {
                numbers.update(f64::from(row * 7919 % 1000) / 50.0 + shift, true);
            }
        }
        (pane.rows, pane.offered, pane.end_ms) = (1000, 1000, hour * HOUR + 59_000);
        pane
    }

    /// A reference, and the shapes that a server makes of it.
    fn reference() -> (Arc<Profile>, Vec<Shape>) {
        let mut history = History::new(shapes(20.0));
        history.push(&pane(0, 0.0, &shapes(20.0))).expect("a pane of these shapes");
        let window = history.window(Span::Hour, HOUR, Detail::Full);
        let columns = [Column::new("age", Role::Input, Kind::Numeric)];
        let profile = Arc::new(Profile::from_window(&window, &columns, "first".into(), String::new()).profile);
        let (_, shapes) = Baseline::new(vec![profile.clone()], &columns);
        (profile, shapes)
    }

    /// What a replica has kept: a pane of a thousand rows in each of these hours, shifted by so much.
    fn replica(dir: &TempDir, name: &str, version: &str, hours: &[(u64, f64)], shapes: Vec<Shape>) -> PathBuf {
        let base = dir.path().join(name).join("churn").join(version);
        std::fs::create_dir_all(base.parent().expect("a folder")).expect("made");
        let columns = vec![Named { role: "input".into(), name: "age".into() }];
        let label = Label { model: "churn".into(), version: version.into(), columns };
        let (mut keeper, mut history, aside) = Keeper::open(&base, label, shapes.clone());
        assert!(aside.is_empty());
        for (hour, shift) in hours {
            history.push(&pane(*hour, *shift, &shapes)).expect("a pane of these shapes");
        }
        keeper.save(&history).expect("kept");
        base
    }

    fn read(dir: &TempDir) -> Result<Replicas, String> {
        Replicas::read(&[dir.path().to_path_buf()], Wanted::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn replicas_are_added_up_and_judged() {
        let dir = tempfile::tempdir().expect("a directory");
        let hours = [(0, 0.0), (1, 0.0), (2, 5.0), (3, 5.0), (4, 5.0)];
        let (profile, shapes) = reference();
        replica(&dir, "a", "2", &hours, shapes.clone());
        replica(&dir, "b", "2", &hours, shapes);
        let replicas = read(&dir).expect("two replicas");
        assert_eq!(replicas.bases.len(), 2);
        let view = replicas.view(vec![profile.clone()], Span::Hour, &Rule::default());
        assert_eq!((view.window.sampled, view.model.as_str(), view.version.as_str()), (2000, "churn", "2"));
        let judged = view.judged.as_ref().expect("four hours have closed");
        assert_eq!(judged.verdict.status, Status::Critical);
        let report = view.report();
        assert_eq!((report.summary.judged.by, report.summary.drifted, report.features.len()), ("closed", 1, 1));
        assert_eq!(report.model.digest, None);
        let day = replicas.view(vec![profile], Span::Day, &Rule::default());
        assert_eq!(day.window.sampled, 10_000);
        assert!(day.judged.is_none(), "no day has closed");
    }

    #[test]
    fn without_a_reference_there_is_a_report_without_a_verdict() {
        let dir = tempfile::tempdir().expect("a directory");
        replica(&dir, "a", "2", &[(0, 0.0)], shapes(20.0));
        let report = read(&dir).expect("a replica").view(Vec::new(), Span::Hour, &Rule::default()).report();
        assert_eq!((report.summary.status, report.summary.monitored), (Status::Insufficient, 0));
        assert_eq!(report.reference, None);
    }

    #[test]
    fn columns_counted_on_other_edges_keep_what_does_not_depend_on_them() {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, top) in [("a", 20.0), ("b", 21.0), ("c", 22.0)] {
            replica(&dir, name, "2", &[(0, 0.0)], shapes(top));
        }
        let view = read(&dir).expect("three replicas").view(Vec::new(), Span::Hour, &Rule::default());
        let Some(WindowColumn::Numeric(age)) = view.window.columns.first() else { panic!("a column of numbers") };
        assert_eq!((age.counters.finite, age.moments.n, age.cells.len()), (3000.0, 3000.0, 0));
        let told = "not compared, as each replica counted on edges or values of its own: age";
        assert!(view.notes.iter().any(|note| note == told), "{:?}", view.notes);
    }

    #[test]
    fn of_several_versions_one_has_to_be_named() {
        let dir = tempfile::tempdir().expect("a directory");
        replica(&dir, "a", "2", &[(0, 0.0)], shapes(20.0));
        replica(&dir, "a", "3", &[(0, 0.0)], shapes(21.0));
        let refused = read(&dir).expect_err("two versions");
        assert_eq!(refused, "there are panes of churn version 2, churn version 3: name one by --model and --version");
        let all = [dir.path().to_path_buf()];
        let of = |version| Replicas::read(&all, Wanted { model: None, version: Some(version) });
        assert_eq!(of("3").expect("one of them").label.version, "3");
        assert!(of("4").is_err_and(|error| error.to_string().starts_with("no panes of that model and version")));
    }

    #[test]
    fn paths_without_panes_and_damaged_files_are_refused_by_name() {
        let dir = tempfile::tempdir().expect("a directory");
        let refused = read(&dir).expect_err("nothing there");
        assert!(
            refused.ends_with("expected a directory of panes, or a file that ends in .recent or .hours"),
            "{refused}"
        );
        let gone = dir.path().join("gone");
        let error = Replicas::read(std::slice::from_ref(&gone), Wanted::default()).expect_err("not there").to_string();
        assert!(error.starts_with(&gone.display().to_string()), "{error}");
        let base = replica(&dir, "a", "2", &[(0, 0.0)], shapes(20.0));
        let file = base.with_extension("recent");
        let bytes = std::fs::read(&file).expect("kept");
        std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("cut");
        let refused = read(&dir).expect_err("cut short");
        assert!(refused.contains("2.recent: "), "{refused}");
    }
}
