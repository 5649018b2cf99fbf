//! Tree models in the files that the training libraries write themselves, with no ONNX between.
//!
//! Every reader turns its file into [`model::Parts`]: an [`Ensemble`](super::forest::ensemble) (or
//! the weights of a linear booster), the link that makes margins into answers, and the names of the
//! columns. What a reader does not know it refuses; nothing is guessed.

mod catboost;
mod document;
mod json;
mod lightgbm;
mod lines;
mod link;
mod model;
mod names;
mod trees;
mod ubjson;
mod xgboost;

use super::NAME;
use crate::engine::{Choice, Extras, Format, LoadError, Loaded};
use std::sync::Arc;

/// Reads a tree file and makes it ready to serve.
pub fn import(format: Format, bytes: &[u8], extras: Extras) -> Result<Loaded, LoadError> {
    let parts = match format {
        Format::Json => json::read(bytes)?,
        Format::Ubj => ubj(bytes)?,
        Format::Text => lightgbm::read(bytes)?,
        Format::Onnx => return Err(LoadError::Unsupported("ONNX is no tree file".into())),
    };
    let reason = parts.reason.clone();
    let model = model::TreeModel::new(parts, extras).map_err(|words| LoadError::native("tree", words))?;
    Ok(Loaded { model: Arc::new(model), choice: Choice { engine: NAME, reason } })
}

fn ubj(bytes: &[u8]) -> Result<model::Parts, LoadError> {
    let mut document = ubjson::Ubjson::new(bytes);
    let file = xgboost::read(&mut document).and_then(|file| document.finish().map(|()| file));
    xgboost::parts(file.map_err(|fault| LoadError::native("XGBoost UBJSON", fault.0))?)
}

#[cfg(test)]
mod tests;
