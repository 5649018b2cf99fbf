//! Whose history a file holds: the version, and its columns with their edges or values.

use super::super::super::sketch::{Dictionary, Edges, Shape};
use rkyv::{Archive, Deserialize, Serialize};
use std::sync::Arc;

/// Whose history it is.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub model: String,
    pub version: String,
    /// In the order of the shapes.
    pub columns: Vec<Named>,
}

/// A column by its role (input, output, latency) and name.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub role: String,
    pub name: String,
}

/// A shape as it is written.
#[derive(Archive, Serialize, Deserialize)]
pub(super) enum StoredShape {
    Bare,
    Edges { edges: Vec<f64>, low: f64, high: f64 },
    Values(Vec<String>),
}

impl StoredShape {
    pub fn of(shape: &Shape) -> Self {
        match shape {
            Shape::Numeric(None) => Self::Bare,
            Shape::Numeric(Some(edges)) => {
                let (low, high) = edges.range();
                Self::Edges { edges: edges.as_slice().to_vec(), low, high }
            }
            Shape::Categorical(dictionary) => {
                Self::Values(dictionary.values().iter().map(ToString::to_string).collect())
            }
        }
    }

    /// The error says what is wrong with the edges or values.
    pub fn shape(self) -> Result<Shape, String> {
        match self {
            Self::Bare => Ok(Shape::Numeric(None)),
            Self::Edges { edges, low, high } => {
                let edges = Edges::within(edges, low, high).map_err(|error| error.to_string())?;
                Ok(Shape::Numeric(Some(Arc::new(edges))))
            }
            Self::Values(values) => {
                let dictionary = Dictionary::new(values).map_err(|error| error.to_string())?;
                Ok(Shape::Categorical(Arc::new(dictionary)))
            }
        }
    }
}

/// Whether a file is of what is expected; else the field in which it differs, and how.
pub(super) fn same(expected: &Label, found: &Label) -> Result<(), (&'static str, String)> {
    for (field, expected, found) in
        [("model", &expected.model, &found.model), ("version", &expected.version, &found.version)]
    {
        if expected != found {
            return Err((field, format!("{found:?}, expected {expected:?}")));
        }
    }
    if expected.columns.len() != found.columns.len() {
        return Err(("columns", format!("{} of them, expected {}", found.columns.len(), expected.columns.len())));
    }
    let differs =
        expected.columns.iter().zip(&found.columns).enumerate().find(|(_, (expected, found))| expected != found);
    match differs {
        Some((at, (expected, found))) => Err((
            "columns",
            format!("column {at} is {} {:?}, expected {} {:?}", found.role, found.name, expected.role, expected.name),
        )),
        None => Ok(()),
    }
}

/// Words for a column whose edges or values are not those of the reference any more.
pub(super) fn other_shape(label: &Label, at: usize) -> String {
    let name = label.columns.get(at).map_or("", |column| &column.name);
    format!("column {at}, {name:?}, was counted on other edges or values than the reference has")
}
