//! A model as a device can run it: plain tables, and the two ends that turn tensors into rows and
//! answers into tensors.
//!
//! The engines lower what they have prepared ([`super::Prepared::lower`]); a device uploads the
//! tables, records its launches and forgets them. What is here depends on no device.

mod forest;
mod network;
mod rows;

pub use forest::{Forest, Head, HeadKind, Leaves, Link, Nodes, NumberSet, Score, Tree, Vote, WideNode};
pub use network::{Activation, Layer, Network};
pub use rows::{Column, Raw, Rows, Stage};

use super::RunError;
use crate::tensor::Tensor;
use std::sync::Arc;

/// A whole model.
pub struct Lowered {
    /// What a row looks like when it is handed over.
    pub raw: Raw,
    /// How finished rows are made of raw ones; empty where these are the same.
    pub columns: Vec<Column>,
    pub body: Body,
    pub ends: Arc<dyn Ends>,
}

/// What is computed from finished rows.
pub enum Body {
    Forest(Forest),
    Network(Network),
}

/// The host's side of a lowered model.
pub trait Ends: Send + Sync {
    /// Writes all rows of a request into `rows`, which has room for just these. `inputs` have passed
    /// [`super::Signature::check`].
    fn write(&self, inputs: &[Tensor], rows: &mut Rows<'_>) -> Result<(), RunError>;

    /// The outputs in the signature's order from the device's answers: [`Body::width`] numbers for
    /// each row, and its class where the body has classes.
    fn read(&self, answers: &[f32], labels: &[u32]) -> Result<Vec<Tensor>, RunError>;
}

impl Body {
    /// Numbers in a row of the answer.
    pub fn width(&self) -> usize {
        match self {
            Self::Forest(forest) => forest.head.width(forest.targets),
            Self::Network(network) => network.layers.last().map_or(0, |layer| layer.outputs),
        }
    }

    /// Whether a row's class is answered too.
    pub fn has_labels(&self) -> bool {
        matches!(self, Self::Forest(Forest { head: Head { labels: true, .. }, .. }))
    }

    /// Columns of a finished row.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Forest(forest) => forest.features,
            Self::Network(network) => network.layers.first().map_or(0, |layer| layer.inputs),
        }
    }

    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::Forest(forest) => format!("{} trees", forest.trees.len()),
            Self::Network(network) => format!("{} dense layers", network.layers.len()),
        }
    }
}
