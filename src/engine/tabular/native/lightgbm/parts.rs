//! A whole file: the head, the trees, and what they are together.

use super::head::Head;
use super::objective::objective;
use super::tree::{self, Lines};
use super::words;
use crate::engine::LoadError;
use crate::engine::tabular::forest::ensemble::{Aggregate, Ensemble, MOST_TARGETS};
use crate::engine::tabular::native::link;
use crate::engine::tabular::native::model::{LeafLine, Parts, Scorer};
use crate::engine::tabular::native::names::Names;

/// Reads a file and makes it ready to serve.
pub fn read(bytes: &[u8]) -> Result<Parts, LoadError> {
    let malformed = |words: String| LoadError::native("LightGBM", words);
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(format!("it is no text: {error}")))?;
    let mut lines = text.lines();
    if lines.next().map(str::trim) != Some("tree") {
        return Err(malformed("the first line is not 'tree', as Booster.save_model writes it".into()));
    }
    let mut head = Head::default();
    let mut first = None;
    for line in lines.by_ref() {
        if line.starts_with("Tree=") {
            first = Some(line);
            break;
        }
        head.line(line).map_err(malformed)?;
    }
    let shape = Shape::new(&head).map_err(malformed)?;
    let (link, answer) = objective(&head.objective, shape.targets)
        .map_err(|words| LoadError::Unsupported(format!("LightGBM: {words}")))?;
    let mut trees = trees(first, lines, shape.targets).map_err(malformed)?;
    trees.check(&head, &shape).map_err(malformed)?;
    let iterations = trees.ensemble.trees.len() / shape.targets;
    // A last iteration that is not whole does not count.
    trees.ensemble.trees.truncate(iterations * shape.targets);
    trees.lines.truncate(iterations * shape.targets);
    let divisor = if head.average { iterations.max(1) as f64 } else { 1.0 };
    let name = if head.objective.is_empty() { "an objective of its own" } else { &head.objective };
    let linear = if trees.any_line { " with linear leaves" } else { "" };
    let reason = format!(
        "LightGBM {}, {}, {} trees{linear}",
        head.version,
        crate::text::shorten(name, 60),
        trees.ensemble.trees.len()
    );
    trees.ensemble.targets = shape.targets;
    trees.ensemble.features = shape.features;
    let scorer = match trees.any_line {
        true => Scorer::LinearTrees(trees.ensemble, trees.lines),
        false => Scorer::Trees(trees.ensemble),
    };
    let words = words::of(text, &head).map_err(malformed)?;
    let head = link::Head { link, answer, targets: shape.targets, divisor, single: false };
    Ok(Parts {
        scorer,
        head,
        features: shape.features,
        columns: shape.columns,
        categories: Vec::new(),
        classes: Names::Counted,
        words,
        double: true,
        reason,
    })
}

/// How wide rows and scores are.
struct Shape {
    targets: usize,
    features: usize,
    columns: Vec<String>,
}

impl Shape {
    fn new(head: &Head) -> Result<Self, String> {
        let targets = head.trees_per_iteration.or(head.classes).ok_or("the line 'num_class' is missing")?;
        let targets = usize::try_from(targets).ok().filter(|targets| (1..=MOST_TARGETS).contains(targets));
        let targets = targets.ok_or_else(|| format!("num_tree_per_iteration is not from 1 to {MOST_TARGETS}"))?;
        let last = head.last_feature.ok_or("the line 'max_feature_idx' is missing")?;
        let features = head.feature_names.len();
        match last.checked_add(1) == Some(features as u64) {
            true => Ok(Self { targets, features, columns: head.feature_names.clone() }),
            false => Err(format!("there are {features} feature_names, but max_feature_idx is {last}")),
        }
    }
}

struct Trees {
    ensemble: Ensemble,
    /// The linear models of each tree's leaves; empty for trees of plain leaves.
    lines: Vec<Vec<LeafLine>>,
    any_line: bool,
    /// Whether the line behind the last tree was there.
    ended: bool,
}

fn trees<'a>(first: Option<&'a str>, mut rest: std::str::Lines<'a>, targets: usize) -> Result<Trees, String> {
    let mut ensemble = Ensemble { aggregate: Aggregate::Sum, ..Ensemble::default() };
    let mut all = Vec::new();
    let mut open = first.map(|_| Lines::default());
    let mut ended = false;
    // A tree ends at an empty line; what follows the last one looks like a tree's lines too.
    let mut inside = true;
    while let Some(lines) = &mut open {
        let line = rest.next();
        ended = line.is_some_and(|line| line.trim_end() == "end of trees");
        let next = line.is_some_and(|line| line.starts_with("Tree="));
        match line {
            Some("") => inside = false,
            Some(line) if !ended && !next => {
                if inside {
                    lines.add(line);
                }
            }
            _ => {
                let number = ensemble.trees.len();
                let target = (number % targets) as u32;
                let read = tree::read(lines, target, &mut ensemble.votes, &mut ensemble.sets);
                let read = read.map_err(|words| format!("tree {number}: {words}"))?;
                ensemble.trees.push(read.tree);
                all.push(read.lines);
                open = next.then(Lines::default);
                inside = true;
            }
        }
    }
    let any_line = all.iter().any(|lines| !lines.is_empty());
    Ok(Trees { ensemble, lines: all, any_line, ended })
}

impl Trees {
    fn check(&self, head: &Head, shape: &Shape) -> Result<(), String> {
        let got = self.ensemble.trees.len();
        if let Some(told) = head.trees.filter(|told| *told != got) {
            return Err(format!("tree_sizes tells of {told} trees, but there are {got}"));
        }
        if !self.ended {
            let words = "the line 'end of trees' is missing: the file is cut short, or so old that it lacks the line";
            return Err(format!("{words}; save it again with a current LightGBM"));
        }
        let columns = self.lines.iter().flatten().flat_map(|line| &line.terms).map(|(feature, _)| *feature);
        match columns.max().filter(|feature| *feature as usize >= shape.features) {
            Some(feature) => Err(format!("a linear leaf asks for column {feature}, but rows have {}", shape.features)),
            None => Ok(()),
        }
    }
}
