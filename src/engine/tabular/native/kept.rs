//! A tree model in the cache: all that its file said, so that the file is not parsed again.

use super::lines::LinearTrees;
use super::link::{Answer, Head};
use super::model::{Engine, Inner, LeafLine, Linear};
use super::names::Names;
use crate::engine::cache::{self, Entry, Place, Section, Writer};
use crate::engine::tabular::forest::ensemble::{Ensemble, MOST_TARGETS};
use crate::engine::tabular::forest::{self, Forest};
use crate::engine::{Format, Options, Unknown, Words};
use rkyv::{Archive, Deserialize, Serialize};
use std::io;

/// The head of an entry.
#[derive(Archive, Serialize, Deserialize)]
struct Kept {
    scorer: Scorer,
    head: Head,
    features: u64,
    columns: Vec<String>,
    categories: Vec<u32>,
    classes: Classes,
    words: Vec<Dictionary>,
    reason: String,
}

/// The words of a column.
#[derive(Archive, Serialize, Deserialize)]
struct Dictionary {
    column: u64,
    words: Vec<String>,
    /// Whether others count as missing.
    missing: bool,
}

impl Dictionary {
    fn of((column, words): &(usize, Words)) -> Self {
        let missing = words.unknown() == Unknown::Missing;
        Self { column: *column as u64, words: words.list().map(str::to_owned).collect(), missing }
    }

    fn revive(self, features: usize) -> Result<(usize, Words), String> {
        let column = usize::try_from(self.column).ok().filter(|column| *column < features);
        let column = column.ok_or("its words are for a column that is not there")?;
        let unknown = if self.missing { Unknown::Missing } else { Unknown::Refused };
        Words::new(&self.words, unknown).map(|words| (column, words))
    }
}

/// What the classes are called.
#[derive(Archive, Serialize, Deserialize)]
enum Classes {
    Counted,
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

impl From<&Names> for Classes {
    fn from(names: &Names) -> Self {
        match names {
            Names::Counted => Self::Counted,
            Names::Ints(ids) => Self::Ints(ids.clone()),
            Names::Texts(texts) => Self::Texts(texts.iter().map(ToString::to_string).collect()),
        }
    }
}

impl From<Classes> for Names {
    fn from(classes: Classes) -> Self {
        match classes {
            Classes::Counted => Self::Counted,
            Classes::Ints(ids) => Self::Ints(ids),
            Classes::Texts(texts) => Self::Texts(texts.into_iter().map(Into::into).collect()),
        }
    }
}

/// Sections are archives of what the names say.
#[derive(Archive, Serialize, Deserialize)]
enum Scorer {
    Trees(Box<forest::Kept>),
    LinearTrees { ensemble: Section, lines: Section },
    Linear(Section),
}

/// The entry's name: by the file's content, and for which rows it was laid out.
fn name(place: Place<'_>, format: Format, options: Options) -> String {
    let rows = if options.double { "-fp64" } else { "" };
    place.name(&format!("{}{rows}", format.extension()))
}

/// The model as it was kept, and the words for where it came from.
pub fn load(place: Place<'_>, format: Format, options: Options) -> Option<(Inner, String)> {
    place.cache.load(&name(place, format, options), |entry| revive(entry, options))
}

/// Keeps a model. What goes wrong is logged.
pub fn store(place: Place<'_>, format: Format, options: Options, model: &Inner, reason: &str) {
    place.cache.store(&name(place, format, options), |writer| {
        Ok(Kept {
            scorer: scorer(writer, &model.engine)?,
            head: model.head,
            features: model.features as u64,
            columns: model.columns.clone(),
            categories: model.categories.clone(),
            classes: (&model.classes).into(),
            words: model.words.iter().map(Dictionary::of).collect(),
            reason: reason.to_owned(),
        })
    });
}

fn scorer(writer: &mut Writer<'_>, engine: &Engine) -> io::Result<Scorer> {
    Ok(match engine {
        Engine::Trees(forest) => Scorer::Trees(Box::new(forest.keep(writer)?)),
        Engine::LinearTrees(trees) => Scorer::LinearTrees {
            ensemble: cache::archive(writer, trees.ensemble())?,
            lines: cache::archive(writer, trees.lines())?,
        },
        Engine::Linear(linear) => Scorer::Linear(cache::archive(writer, linear)?),
    })
}

/// Holds the parts against each other: what readers of files see to by how they make them.
fn revive(entry: &Entry, options: Options) -> Result<(Inner, String), String> {
    let kept: Kept = cache::unarchive(entry.head()?)?;
    let features = usize::try_from(kept.features).map_err(|_| "its rows are too wide")?;
    let head = kept.head;
    if !(1..=MOST_TARGETS).contains(&head.targets) || kept.categories.iter().any(|at| *at as usize >= features) {
        return Err("its head does not fit its rows".into());
    }
    let (engine, shape) = engine(kept.scorer, entry)?;
    if shape != (features, head.targets) {
        return Err("its trees do not fit its head".into());
    }
    let classes = Names::from(kept.classes);
    if head.answer == Answer::Classes {
        classes.check(head.width())?;
    }
    let words = kept.words.into_iter().map(|words| words.revive(features)).collect::<Result<Vec<_>, String>>()?;
    if !words.is_sorted_by_key(|(column, _)| *column) {
        return Err("its words are in no order".into());
    }
    let model = Inner::joined(engine, head, features, kept.columns, kept.categories, classes, options);
    Ok((Inner { words, ..model }, kept.reason))
}

/// What scores, with its columns and targets.
fn engine(scorer: Scorer, entry: &Entry) -> Result<(Engine, (usize, usize)), String> {
    match scorer {
        Scorer::Trees(kept) => {
            let forest = Forest::revive(*kept, entry)?;
            let shape = (forest.features(), forest.targets());
            Ok((Engine::Trees(Box::new(forest)), shape))
        }
        Scorer::LinearTrees { ensemble, lines } => {
            let ensemble: Ensemble = cache::unarchive(entry.bytes(ensemble)?)?;
            let lines: Vec<Vec<LeafLine>> = cache::unarchive(entry.bytes(lines)?)?;
            let shape = (ensemble.features, ensemble.targets);
            Ok((Engine::LinearTrees(LinearTrees::new(ensemble, lines)?), shape))
        }
        Scorer::Linear(section) => {
            let linear: Linear = cache::unarchive(entry.bytes(section)?)?;
            let targets = linear.bias.len();
            let features = linear.weights.len().checked_div(targets).unwrap_or(0);
            if features * targets != linear.weights.len() || features == 0 {
                return Err("its weights do not fit its bias".into());
            }
            Ok((Engine::Linear(linear), (features, targets)))
        }
    }
}

#[cfg(test)]
mod tests;
