//! What is watched of a model: named columns, each of numbers or of words.

use std::fmt;

/// Where a column's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Input,
    Output,
    /// Seconds from a request's last byte to its answer.
    Latency,
}

/// What a column's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers, compared by where they lie among the reference's quantiles.
    Numeric,
    /// Words, each of them a value of its own.
    Categorical,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Column {
    pub name: String,
    pub role: Role,
    pub kind: Kind,
}

impl Column {
    pub fn new(name: impl Into<String>, role: Role, kind: Kind) -> Self {
        Self { name: name.into(), role, kind }
    }
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Latency => "latency",
        }
    }
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Numeric => "numeric",
            Self::Categorical => "categorical",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
