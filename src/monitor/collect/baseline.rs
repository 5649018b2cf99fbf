//! What a version's windows are compared with.

use super::sides::Side;
use crate::monitor::history::Window;
use crate::monitor::reference::{ColumnProfile, Profile, ProfileSummary};
use crate::monitor::sketch::{CELLS, Dictionary, Edges, MOST_VALUES, Shape};
use crate::monitor::{Column, Kind};
use std::sync::Arc;

/// Rows after which the columns that no reference knows get edges and values of their own.
pub const ROWS_FOR_SHAPES: f64 = 1000.0;
/// Rows on these after which they are the reference.
pub const ROWS_FOR_SIDES: f64 = 5000.0;

/// A reference put beside the columns of a version.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// The training data's, if there is one.
    pub profile: Option<Arc<Profile>>,
    /// Per column: what the profile says.
    pub known: Vec<Option<ColumnProfile>>,
    /// Per column: the side that windows are compared with.
    pub sides: Vec<Option<Side>>,
    /// What does not go together, in words.
    pub notes: Vec<String>,
    /// Where the sides of columns without a reference come from.
    pub own: Option<Own>,
}

/// The window that stands in for a reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Own {
    pub start_ms: u64,
    pub end_ms: u64,
    pub rows: f64,
}

impl Baseline {
    /// Fits a profile to the columns; answers the shapes on which they are to be counted.
    pub fn new(profile: Option<Arc<Profile>>, columns: &[Column]) -> (Self, Vec<Shape>) {
        let fitted = profile.as_ref().map(|profile| profile.fit(columns));
        let (known, mut notes) =
            fitted.map_or_else(|| (vec![None; columns.len()], Vec::new()), |it| (it.columns, it.notes));
        let mut shapes = Vec::with_capacity(columns.len());
        let mut sides = Vec::with_capacity(columns.len());
        for (column, known) in columns.iter().zip(&known) {
            let shape = known.as_ref().and_then(|known| match shape_of(known) {
                Ok(shape) => Some(shape),
                Err(words) => {
                    notes.push(format!("column '{}': {words}", column.name));
                    None
                }
            });
            let side = match (&profile, known, &shape) {
                (Some(profile), Some(known), Some(shape)) => Side::of_profile(profile, known, shape),
                _ => None,
            };
            shapes.push(shape.unwrap_or_else(|| blank(column.kind)));
            sides.push(side);
        }
        (Self { profile, known, sides, notes, own: None }, shapes)
    }

    /// Shapes, from what was seen, for the columns that have none: their places beside them.
    pub fn missing_shapes(&self, shapes: &[Shape], seen: &Window) -> Vec<(usize, Shape)> {
        let columns = shapes.iter().zip(&seen.columns).enumerate();
        columns
            .filter(|(_, (shape, _))| is_blank(shape))
            .filter_map(|(at, (_, column))| Some((at, own_shape(column)?)))
            .collect()
    }

    /// Takes a window's columns as the sides of those that have none.
    pub fn fill(&mut self, seen: &Window) {
        let mut filled = false;
        for (side, column) in self.sides.iter_mut().zip(&seen.columns).filter(|(side, _)| side.is_none()) {
            *side = Side::of_window(seen, column);
            filled |= side.is_some();
        }
        if filled {
            self.own = Some(Own { start_ms: seen.start_ms, end_ms: seen.end_ms, rows: seen.rows });
        }
    }

    /// Whether some column has nothing to be compared with.
    pub fn is_wanting(&self) -> bool {
        self.sides.iter().any(Option::is_none)
    }
}

/// On which nothing can be compared yet.
fn blank(kind: Kind) -> Shape {
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

fn own_shape(column: &crate::monitor::history::WindowColumn) -> Option<Shape> {
    use crate::monitor::history::WindowColumn;
    match column {
        WindowColumn::Numeric(column) => {
            let edges = Edges::from_quantiles(column.quantiles.as_ref()?, CELLS)?;
            Some(Shape::Numeric(Some(Arc::new(edges))))
        }
        WindowColumn::Categorical(column) => {
            let values = column.unseen.as_ref()?.top(MOST_VALUES);
            let dictionary = Dictionary::new(values.into_iter().map(|item| item.text)).ok()?;
            (!dictionary.is_empty()).then(|| Shape::Categorical(Arc::new(dictionary)))
        }
    }
}
