//! The parameters by which a request of any protocol asks for margins and leaves.

use super::reply::ApiError;
use super::wrong::Wrong;
use crate::engine::{Extras, Signature};
use crate::json::{Kind, Reader};

/// Reads the parameter `name`, one of [`Extras::NAMES`]: `true` asks for the extra of that name, which
/// the model must have.
pub fn parameter(reader: &mut Reader<'_>, signature: &Signature, name: &str) -> Result<Extras, Wrong> {
    let asked = match reader.peek()? {
        Kind::Bool => reader.bool()?,
        Kind::Null => reader.null().map(|()| false)?,
        other => {
            let words = format!("parameter '{name}': expected true or false, got {}", other.words());
            return Err(ApiError::field(name, words).into());
        }
    };
    given(signature, name, asked).map_err(Wrong::from)
}

/// The same for a value that has been read.
pub fn given(signature: &Signature, name: &str, asked: bool) -> Result<Extras, ApiError> {
    if asked { named(signature, name) } else { Ok(Extras::NONE) }
}

/// The extra of a name, which the model must have; nothing where every answer holds it.
fn named(signature: &Signature, name: &str) -> Result<Extras, ApiError> {
    let extra = signature.extra(name);
    if extra.is_empty() && signature.output(name).is_none() {
        let words = format!("parameter '{name}': this model has no output '{name}'; models of trees have");
        return Err(ApiError::field(name, words));
    }
    Ok(extra)
}
