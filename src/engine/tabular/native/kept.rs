//! A tree model in the cache: all that its file said, so that the file is not parsed again.

use super::lines::LinearTrees;
use super::link::{Answer, Head};
use super::model::{Engine, Inner, LeafLine, Linear};
use super::names::Names;
use super::trees::{self, Trees};
use crate::engine::cache::{self, Entry, Place, Section, Writer};
use crate::engine::tabular::forest::ensemble::Ensemble;
use crate::engine::tabular::forest::ensemble::MOST_TARGETS;
use crate::engine::{Extras, Format};
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
    reason: String,
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
    Trees(Box<trees::Kept>),
    LinearTrees { ensemble: Section, lines: Section },
    Linear(Section),
}

/// The entry's name: by the file's content, and what of its extras the entry holds.
fn name(place: Place<'_>, format: Format, extras: Extras) -> String {
    let leaves = if extras.leaf { "-leaf" } else { "" };
    place.name(&format!("{}{leaves}", format.extension()))
}

/// The model as it was kept, and the words for where it came from.
pub fn load(place: Place<'_>, format: Format, extras: Extras) -> Option<(Inner, String)> {
    place.cache.load(&name(place, format, extras), |entry| revive(entry, extras))
}

/// Keeps a model. What goes wrong is logged.
pub fn store(place: Place<'_>, format: Format, extras: Extras, model: &Inner, reason: &str) {
    place.cache.store(&name(place, format, extras), |writer| {
        Ok(Kept {
            scorer: scorer(writer, &model.engine)?,
            head: model.head,
            features: model.features as u64,
            columns: model.columns.clone(),
            categories: model.categories.clone(),
            classes: (&model.classes).into(),
            reason: reason.to_owned(),
        })
    });
}

fn scorer(writer: &mut Writer<'_>, engine: &Engine) -> io::Result<Scorer> {
    Ok(match engine {
        Engine::Trees(trees) => Scorer::Trees(Box::new(trees.keep(writer)?)),
        Engine::LinearTrees(trees) => Scorer::LinearTrees {
            ensemble: cache::archive(writer, trees.ensemble())?,
            lines: cache::archive(writer, trees.lines())?,
        },
        Engine::Linear(linear) => Scorer::Linear(cache::archive(writer, linear)?),
    })
}

/// Holds the parts against each other: what readers of files see to by how they make them.
fn revive(entry: &Entry, extras: Extras) -> Result<(Inner, String), String> {
    let kept: Kept = cache::unarchive(entry.head()?)?;
    let features = usize::try_from(kept.features).map_err(|_| "its rows are too wide")?;
    let head = kept.head;
    if !(1..=MOST_TARGETS).contains(&head.targets) || kept.categories.iter().any(|at| *at as usize >= features) {
        return Err("its head does not fit its rows".into());
    }
    let (engine, shape, leaves) = engine(kept.scorer, entry, extras)?;
    if shape != (features, head.targets) || leaves != extras.leaf {
        return Err("its trees do not fit its head".into());
    }
    let classes = Names::from(kept.classes);
    if head.answer == Answer::Classes {
        classes.check(head.width())?;
    }
    let model = Inner::joined(engine, head, features, kept.columns, kept.categories, classes, extras);
    Ok((model, kept.reason))
}

/// What scores, with its columns and targets, and whether it can tell leaves as is wanted.
fn engine(scorer: Scorer, entry: &Entry, extras: Extras) -> Result<(Engine, (usize, usize), bool), String> {
    match scorer {
        Scorer::Trees(kept) => {
            let trees = Trees::revive(*kept, entry)?;
            let (shape, leaves) = ((trees.features(), trees.targets()), trees.tell_leaves());
            Ok((Engine::Trees(Box::new(trees)), shape, leaves))
        }
        Scorer::LinearTrees { ensemble, lines } => {
            let ensemble: Ensemble = cache::unarchive(entry.bytes(ensemble)?)?;
            let lines: Vec<Vec<LeafLine>> = cache::unarchive(entry.bytes(lines)?)?;
            let shape = (ensemble.features, ensemble.targets);
            Ok((Engine::LinearTrees(LinearTrees::new(ensemble, lines)?), shape, extras.leaf))
        }
        Scorer::Linear(section) => {
            let linear: Linear = cache::unarchive(entry.bytes(section)?)?;
            let targets = linear.bias.len();
            let features = linear.weights.len().checked_div(targets).unwrap_or(0);
            if features * targets != linear.weights.len() || features == 0 {
                return Err("its weights do not fit its bias".into());
            }
            Ok((Engine::Linear(linear), (features, targets), false))
        }
    }
}

#[cfg(test)]
mod tests;
