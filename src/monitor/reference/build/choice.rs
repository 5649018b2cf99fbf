//! Which columns of a file are wanted, as what.

use crate::monitor::column::{Column, Kind, Role};

/// The wish for a profile. By default every column is an input whose kind its values tell.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// These columns and no others.
    pub only: Option<Vec<String>>,
    /// Not these: the label, ids.
    pub without: Vec<String>,
    /// Columns that hold what a model has answered.
    pub outputs: Vec<String>,
    /// Columns of a model, which know what they are.
    pub known: Vec<Column>,
}

impl Choice {
    /// The columns of a model, and no others.
    pub fn of_model(columns: &[Column]) -> Self {
        let only = columns.iter().map(|column| column.name.clone()).collect();
        Self { only: Some(only), known: columns.to_vec(), ..Self::default() }
    }

    pub fn wants(&self, name: &str) -> bool {
        let listed = |list: &[String]| list.iter().any(|other| other == name);
        !listed(&self.without) && self.only.as_deref().is_none_or(listed)
    }

    pub fn role(&self, name: &str) -> Role {
        match self.known(name) {
            Some(column) => column.role,
            None if self.outputs.iter().any(|other| other == name) => Role::Output,
            None => Role::Input,
        }
    }

    /// What the column is known to hold.
    pub fn kind(&self, name: &str) -> Option<Kind> {
        self.known(name).map(|column| column.kind)
    }

    /// Every name that the file must have.
    pub fn named(&self) -> impl Iterator<Item = &String> {
        self.only.iter().flatten().chain(&self.without).chain(&self.outputs)
    }

    fn known(&self, name: &str) -> Option<&Column> {
        self.known.iter().find(|column| column.name == name)
    }
}
