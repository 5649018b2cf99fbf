//! Tree models in the files that the training libraries write themselves, with no ONNX between.
//!
//! Every reader turns its file into `model::Parts`: an `Ensemble` (or
//! the weights of a linear booster), the link that makes margins into answers, and the names of the
//! columns. What a reader does not know it refuses; nothing is guessed.

mod catboost;
mod document;
mod json;
mod kept;
mod lightgbm;
mod lines;
mod link;
mod lower;
mod model;
mod names;
mod session;
mod ubjson;
mod xgboost;

use super::NAME;
use crate::engine::cache::Place;
use crate::engine::device::Where;
use crate::engine::{Choice, Format, LoadError, Loaded, Options, Origin};
use std::sync::Arc;

/// Reads a tree file and makes it ready to serve, or takes what was made of it before.
pub fn import(format: Format, bytes: &[u8], options: Options, place: Option<Place<'_>>) -> Result<Loaded, LoadError> {
    let kept = place.and_then(|place| kept::load(place, format, options));
    let (inner, reason, origin) = match kept {
        Some((inner, reason)) => (inner, reason, Origin::Cache),
        None => {
            let parts = read(format, bytes)?;
            let reason = parts.reason.clone();
            let inner = model::Inner::new(parts, options).map_err(|words| LoadError::native("tree", words))?;
            if let Some(place) = place {
                kept::store(place, format, options, &inner, &reason);
            }
            (inner, reason, Origin::File)
        }
    };
    if options.extras.leaf && inner.trees() == 0 {
        let words = "output.extra asks for \"leaf\", but a linear booster has no leaves";
        return Err(LoadError::native("tree", words.into()));
    }
    let model = Arc::new(model::TreeModel::new(inner));
    Ok(Loaded { model, choice: Choice { engine: NAME, reason }, origin, at: Where::Cpu { reason: None } })
}

fn read(format: Format, bytes: &[u8]) -> Result<model::Parts, LoadError> {
    Ok(match format {
        Format::Json => json::read(bytes)?,
        Format::Ubj => ubj(bytes)?,
        Format::Text => lightgbm::read(bytes)?,
        Format::Onnx => return Err(LoadError::Unsupported("ONNX is no tree file".into())),
    })
}

fn ubj(bytes: &[u8]) -> Result<model::Parts, LoadError> {
    let mut document = ubjson::Ubjson::new(bytes);
    let file = xgboost::read(&mut document).and_then(|file| document.finish().map(|()| file));
    xgboost::parts(file.map_err(|fault| LoadError::native("XGBoost UBJSON", fault.0))?)
}

#[cfg(test)]
mod tests;
