//! What classes are called in the answer.

use crate::tensor::{DType, Data};
use std::sync::Arc;

/// The names of the classes, as they were in training.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Names {
    /// Counted from 0: the file has no names.
    #[default]
    Counted,
    Ints(Vec<i64>),
    Texts(Vec<Arc<str>>),
}

impl Names {
    /// Refuses another number of names than there are classes.
    pub fn check(&self, classes: usize) -> Result<(), String> {
        let named = match self {
            Self::Counted => classes,
            Self::Ints(names) => names.len(),
            Self::Texts(names) => names.len(),
        };
        if named == classes { Ok(()) } else { Err(format!("{named} classes are named, but there are {classes}")) }
    }

    pub fn dtype(&self) -> DType {
        if matches!(self, Self::Texts(_)) { DType::Str } else { DType::I64 }
    }

    /// All names as text.
    pub fn texts(&self, classes: usize) -> Arc<[Arc<str>]> {
        match self {
            Self::Counted => (0..classes).map(|class| Arc::from(class.to_string())).collect(),
            Self::Ints(names) => names.iter().map(|name| Arc::from(name.to_string())).collect(),
            Self::Texts(names) => names.iter().cloned().collect(),
        }
    }

    /// The name of each class; classes count from 0 and are there.
    pub fn of(&self, classes: Vec<usize>) -> Data {
        match self {
            Self::Counted => Data::I64(classes.into_iter().map(|class| class as i64).collect()),
            Self::Ints(names) => Data::I64(classes.into_iter().map(|class| names[class]).collect()),
            Self::Texts(names) => Data::Str(classes.into_iter().map(|class| names[class].clone()).collect()),
        }
    }
}
