//! Which column of which input a feature's name or place stands for.

use crate::engine::{Dim, Signature, TensorSpec};
use std::collections::{BTreeMap, HashSet};

/// Wider inputs are spoken of by the input's name alone.
const MOST_COLUMNS: usize = 1 << 16;

/// Where a named value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One element of a row of an input.
    Element { input: usize, offset: usize },
    /// A whole row of an input.
    Row { input: usize },
}

/// The columns of a model, for requests that speak of rows instead of tensors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Names in the model's order; empty where rows are no lists of columns (pictures, say).
    pub names: Vec<String>,
    /// In order of name: a few comparisons find one sooner than a hash that nobody can foresee.
    places: BTreeMap<String, Place>,
    /// Elements per row of each input, where that is fixed.
    pub widths: Vec<Option<usize>>,
}

impl Features {
    /// Names the columns: of inputs one element wide by the input, of a single wide input by
    /// `columns`, else by `header` (that of the reference data, or the names in the model file), else
    /// `f0..`. Wrong `columns` are an error; a header of another length, or one that says a name
    /// twice, is not taken for one.
    pub fn new(signature: &Signature, columns: &[String], header: &[String]) -> Result<Self, String> {
        let inputs = &signature.inputs;
        let mut features = Self { widths: inputs.iter().map(TensorSpec::row_elements).collect(), ..Self::default() };
        let table = inputs.iter().all(|spec| spec.dims.len() <= 2 && spec.row_elements().is_some());
        for (input, spec) in inputs.iter().enumerate() {
            features.places.insert(spec.name.clone(), Place::Row { input });
            if table && spec.row_elements().is_some_and(|width| width <= MOST_COLUMNS) {
                let names = column_names(spec, inputs.len() == 1, columns, header)?;
                features.add(input, names);
            }
        }
        if let Some(twice) = columns.iter().enumerate().find(|(at, name)| columns[..*at].contains(name)) {
            return Err(format!("input.columns names '{}' twice", twice.1));
        }
        match columns.is_empty() || features.names == columns {
            true => Ok(features),
            false => Err("input.columns is for models with one wide input".into()),
        }
    }

    fn add(&mut self, input: usize, names: Vec<String>) {
        for (offset, name) in names.into_iter().enumerate() {
            // A column of the same name as the input itself takes its place.
            self.places.insert(name.clone(), Place::Element { input, offset });
            self.names.push(name);
        }
    }

    pub fn place(&self, name: &str) -> Option<Place> {
        self.places.get(name).copied()
    }
}

fn column_names(spec: &TensorSpec, alone: bool, columns: &[String], header: &[String]) -> Result<Vec<String>, String> {
    let width = spec.row_elements().unwrap_or(0);
    let one_wide = spec.dims.len() == 1 || matches!(spec.dims.get(1), Some(Dim::Fixed(1)));
    if alone && !columns.is_empty() {
        return match columns.len() {
            n if n == width => Ok(columns.to_vec()),
            n => Err(format!("input.columns names {n} columns, but input '{}' has {width}", spec.name)),
        };
    }
    let twice = || header.iter().collect::<HashSet<_>>().len() < header.len();
    if alone && header.len() == width && !twice() {
        return Ok(header.to_vec());
    }
    if one_wide {
        return Ok(vec![spec.name.clone()]);
    }
    let prefix = if alone { "f".to_owned() } else { format!("{}.", spec.name) };
    Ok((0..width).map(|at| format!("{prefix}{at}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    fn signature(widths: &[usize]) -> Signature {
        let input = |(at, width): (usize, &usize)| {
            TensorSpec::new(format!("in{at}"), DType::F32, vec![Dim::Any(None), Dim::Fixed(*width)])
        };
        Signature::new(widths.iter().enumerate().map(input).collect(), vec![])
    }

    #[test]
    fn names_come_from_the_file_the_header_or_a_count() {
        let text = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let names = |columns: &[&str], header: &[&str]| {
            Features::new(&signature(&[2]), &text(columns), &text(header)).map(|features| features.names)
        };
        assert_eq!(names(&["a", "b"], &["x", "y"]), Ok(text(&["a", "b"])));
        assert_eq!(names(&[], &["x", "y"]), Ok(text(&["x", "y"])));
        assert_eq!(names(&[], &["x"]), Ok(text(&["f0", "f1"])));
        assert_eq!(names(&[], &["x", "x"]), Ok(text(&["f0", "f1"])));
        assert!(names(&["a"], &[]).is_err());
    }

    #[test]
    fn narrow_inputs_are_their_own_columns() {
        let features = Features::new(&signature(&[1, 1, 3]), &[], &[]).expect("named");
        assert_eq!(features.names, ["in0", "in1", "in2.0", "in2.1", "in2.2"]);
        assert_eq!(features.place("in1"), Some(Place::Element { input: 1, offset: 0 }));
        assert_eq!(features.place("in2.2"), Some(Place::Element { input: 2, offset: 2 }));
        assert_eq!(features.place("in2"), Some(Place::Row { input: 2 }));
    }
}
