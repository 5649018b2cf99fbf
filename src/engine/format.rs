//! Which formats a model file may have, told by its name, and the one way in for all of them.

use super::cache::Place;
use super::tabular::native;
use super::{LoadError, Loaded, onnx};

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

/// Outputs that tree files give beside their answer, where they are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// The scores before the objective's link: `margin`, FP32, rows x targets.
    pub margin: bool,
    /// The leaf that a row reaches in each tree: `leaf`, INT64, rows x trees.
    pub leaf: bool,
}

/// Prepares a model file on the engine that suits it. `place` says where in the cache it belongs.
pub fn import(format: Format, bytes: &[u8], extras: Extras, place: Option<Place<'_>>) -> Result<Loaded, LoadError> {
    match format {
        Format::Onnx if extras != Extras::default() => {
            Err(LoadError::Unsupported("output.extra is for tree files, not for ONNX".into()))
        }
        Format::Onnx => onnx::import(bytes, place),
        _ => native::import(format, bytes, extras, place),
    }
}
