//! What a version's windows are compared with.

use super::sides::Side;
use crate::monitor::reference::{ColumnProfile, Profile, ProfileSummary};
use crate::monitor::report::Known;
use crate::monitor::sketch::{Dictionary, Shape};
use crate::monitor::{Column, Kind};
use std::sync::Arc;

/// References put beside the columns of a version.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// The first that knows a column counts.
    pub profiles: Vec<Arc<Profile>>,
    /// Per column: the side that windows are compared with.
    pub sides: Vec<Option<Side>>,
    /// The same for reports.
    pub known: Vec<Option<Known>>,
    /// What does not go together, in words.
    pub notes: Vec<String>,
}

impl Baseline {
    /// Fits references to the columns; answers the shapes on which they are to be counted.
    pub fn new(profiles: Vec<Arc<Profile>>, columns: &[Column]) -> (Self, Vec<Shape>) {
        let fitted: Vec<_> = profiles.iter().map(|profile| (profile, profile.fit(columns))).collect();
        let mut baseline = Self::default();
        // Of the first alone: those behind it stand in for what it does not have.
        baseline.notes.extend(fitted.first().into_iter().flat_map(|(_, first)| first.notes.clone()));
        let mut shapes = Vec::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            let of = fitted.iter().find_map(|(profile, fitted)| Some((profile, fitted.columns.get(at)?.as_ref()?)));
            let shape = of.and_then(|(_, known)| match shape_of(known) {
                Ok(shape) => Some(shape),
                Err(words) => {
                    baseline.notes.push(format!("column '{}': {words}", column.name));
                    None
                }
            });
            let side =
                of.zip(shape.as_ref()).and_then(|((profile, known), shape)| Side::of_profile(profile, known, shape));
            let known = of.filter(|_| side.is_some()).map(|(profile, known)| Known::of_profile(profile, known));
            baseline.sides.push(side);
            baseline.known.push(known);
            shapes.push(shape.unwrap_or_else(|| blank(column.kind)));
        }
        baseline.profiles = profiles;
        (baseline, shapes)
    }

    /// Whether some column has nothing to be compared with.
    pub fn is_wanting(&self) -> bool {
        self.sides.iter().any(Option::is_none)
    }
}

/// On which nothing can be compared yet.
pub fn blank(kind: Kind) -> Shape {
    match kind {
        Kind::Numeric => Shape::Numeric(None),
        Kind::Categorical => {
            let none = Dictionary::new(std::iter::empty::<&str>()).expect("no value is there twice");
            Shape::Categorical(Arc::new(none))
        }
    }
}

pub fn is_blank(shape: &Shape) -> bool {
    match shape {
        Shape::Numeric(edges) => edges.is_none(),
        Shape::Categorical(dictionary) => dictionary.is_empty(),
    }
}

fn shape_of(known: &ColumnProfile) -> Result<Shape, String> {
    match &known.summary {
        ProfileSummary::Numeric(column) => {
            column.shared_edges().map(|edges| Shape::Numeric(Some(Arc::new(edges)))).map_err(|error| error.to_string())
        }
        ProfileSummary::Categorical(column) => Dictionary::new(column.values.iter().map(String::as_str))
            .map(|dictionary| Shape::Categorical(Arc::new(dictionary)))
            .map_err(|error| error.to_string()),
    }
}
