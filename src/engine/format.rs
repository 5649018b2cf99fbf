//! Which formats a model file may have, told by its name, and the one way in for all of them.

use super::cache::Place;
use super::tabular::native;
use super::{Extras, LoadError, Loaded, Lowered, Prepared, onnx};

/// The format of a model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Onnx,
    /// XGBoost's JSON.
    Json,
    /// XGBoost's UBJSON.
    Ubj,
    /// LightGBM's text.
    Text,
}

impl Format {
    pub const ALL: [Self; 4] = [Self::Onnx, Self::Json, Self::Ubj, Self::Text];

    /// By the end of a file's name, after the last point.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }

    /// By the whole name of a model file.
    pub fn of_file_name(name: &str) -> Option<Self> {
        name.strip_prefix("model.").and_then(Self::of_extension)
    }

    pub fn extension(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Json => "json",
            Self::Ubj => "ubj",
            Self::Text => "txt",
        }
    }

    /// What the file is called in a version's directory.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Onnx => "model.onnx",
            Self::Json => "model.json",
            Self::Ubj => "model.ubj",
            Self::Text => "model.txt",
        }
    }
}

/// What a model's owner says of how its file is to be served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Outputs that every answer holds. Without these they are there for requests that ask.
    pub extras: Extras,
    /// Tree files take rows of FP64, and compare their values as such.
    pub double: bool,
}

/// Prepares a model file on the engine that suits it. `place` says where in the cache it belongs.
pub fn import(format: Format, bytes: &[u8], options: Options, place: Option<Place<'_>>) -> Result<Loaded, LoadError> {
    match format {
        Format::Onnx if options.double => Err(LoadError::Unsupported(
            "input.datatype is for tree files: an ONNX file says itself what it takes".into(),
        )),
        Format::Onnx => onnx::import_with(bytes, options.extras, place),
        _ => native::import(format, bytes, options, place),
    }
}

/// A model that was prepared from these bytes, as a device can run it. The error says what stands in
/// the way, by the operator's name.
pub fn lower(format: Format, bytes: &[u8], model: &dyn Prepared) -> Result<Lowered, String> {
    match format {
        Format::Onnx => {
            model.lower().or_else(|reason| onnx::lower_dense(bytes).map_err(|dense| dense.unwrap_or(reason)))
        }
        _ => model.lower(),
    }
}
