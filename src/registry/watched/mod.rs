//! What monitoring reads of a version's requests and answers, and what it says of them.

mod exposition;

pub use exposition::expose;

use super::features::{Features, Place};
use super::roles::Roles;
use super::source::FoundVersion;
use crate::engine::{Signature, TensorSpec};
use crate::monitor::contract::{Cell, Contract, Mode, Rules};
use crate::monitor::reference::{self, Profile};
use crate::monitor::tap::layout::{Layout, MOST_SCORES, Part, Reading, WIDEST};
use crate::monitor::{Column, Role};
use crate::tensor::DType;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The columns of a version: its features, its predictions, and how sure it was.
pub fn layout(signature: &Signature, features: &Features, roles: &Roles) -> Layout {
    let mut names = features.names.iter();
    let mut input = |(at, spec): (usize, &TensorSpec)| {
        let width = spec.row_elements().filter(|_| spec.dims.len() <= 2);
        // Features are named in the order of the inputs, where they are named at all.
        let own: Vec<String> = names.by_ref().take(width.unwrap_or(0)).cloned().collect();
        match width {
            Some(width) if width <= WIDEST && own.len() == width => {
                Part::elements(at, Role::Input, spec.dtype == DType::Str, &own)
            }
            _ => Part::summary(at, Role::Input, &spec.name),
        }
    };
    let inputs = signature.inputs.iter().enumerate().map(&mut input).collect();
    let mut outputs: Vec<Part> = Vec::new();
    for (at, spec) in signature.outputs.iter().enumerate() {
        output(at, spec, roles, &mut outputs);
    }
    Layout::new(inputs, unlike(outputs, features))
}

fn output(at: usize, spec: &TensorSpec, roles: &Roles, parts: &mut Vec<Part>) {
    let name = &spec.name;
    let width = spec.row_elements().filter(|_| spec.dims.len() <= 2);
    let scores = roles.probabilities == Some(at) || (roles.prediction == at && roles.classify);
    if scores {
        if roles.prediction == at {
            parts.push(Part::class(at, Reading::Class, &format!("{name}.class")));
        }
        parts.push(Part::class(at, Reading::Confidence, &format!("{name}.confidence")));
    }
    let is_label = roles.prediction == at && !spec.dtype.is_float() && width == Some(1);
    match width {
        _ if is_label => parts.push(Part::class(at, Reading::Label, name)),
        Some(1) => parts.push(Part::elements(at, Role::Output, spec.dtype == DType::Str, std::slice::from_ref(name))),
        Some(width) if width <= MOST_SCORES => {
            let class = |column: usize| match spec.labels.as_ref().or(roles.labels.as_ref()) {
                Some(labels) if scores && labels.len() == width => format!("{name}.{}", labels[column]),
                _ => format!("{name}.{column}"),
            };
            let names: Vec<String> = (0..width).map(class).collect();
            parts.push(Part::elements(at, Role::Output, spec.dtype == DType::Str, &names));
        }
        _ if scores => {}
        _ => parts.push(Part::summary(at, Role::Output, name)),
    }
}

/// Outputs that are called like an input get another name: a column's name says which one it is.
fn unlike(mut outputs: Vec<Part>, features: &Features) -> Vec<Part> {
    let mut taken: HashSet<String> = features.names.iter().cloned().collect();
    taken.insert("latency".into());
    for Column { name, .. } in outputs.iter_mut().flat_map(|part| &mut part.columns) {
        while !taken.insert(name.clone()) {
            name.insert_str(0, "output.");
        }
    }
    outputs
}

/// The largest reference data that is read at load; a profile made of it ahead is small.
const LARGEST_DATA: u64 = 256 << 20;

/// The reference of a version's inputs. One that cannot be used is no reason not to serve: it is told in
/// the notes, and the version is compared with its own first rows.
pub fn reference(found: &FoundVersion, layout: &Layout, notes: &mut Vec<String>) -> Option<Arc<Profile>> {
    let file = found.reference_file()?;
    let columns: Vec<Column> = layout.columns().cloned().collect();
    let is_data = !file.name.ends_with(".json");
    if is_data && file.len > LARGEST_DATA {
        let words = "is too large to be read at every load: make `reference.json` of it by `tidegate profile`";
        notes.push(format!("{} {words}", file.name));
        return None;
    }
    match reference::open(&file.path, &columns, &mut |_, _| {}) {
        Ok(built) => {
            notes.extend(built.notes.into_iter().map(|note| format!("{}: {note}", file.name)));
            Some(Arc::new(built.profile))
        }
        Err(error) => {
            tracing::warn!(file = %file.path.display(), %error, "the reference is not used");
            notes.push(format!("the reference is not used: {error}"));
            None
        }
    }
}

/// The contract of the columns that `model.toml` names rules for.
pub fn contract(mode: Mode, rules: &BTreeMap<String, Rules>, features: &Features) -> Result<Contract, String> {
    let mut columns = Vec::new();
    for (name, rules) in rules {
        let cell = match features.place(name) {
            Some(Place::Element { input, offset }) => Cell { name: name.clone(), input, offset },
            _ => {
                let near = crate::text::nearest(name, features.names.iter().map(String::as_str));
                let near = near.map(|near| format!(": did you mean '{near}'?")).unwrap_or_default();
                return Err(format!("input.rules.{name}: the model has no such column{near}"));
            }
        };
        columns.push((cell, rules.clone()));
    }
    Ok(Contract::new(mode, columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Dim;
    use crate::registry::Manifest;

    fn spec(name: &str, dtype: DType, row: &[usize]) -> TensorSpec {
        let dims = std::iter::once(Dim::Any(None)).chain(row.iter().map(|n| Dim::Fixed(*n))).collect();
        TensorSpec::new(name, dtype, dims)
    }

    fn names(inputs: Vec<TensorSpec>, outputs: Vec<TensorSpec>, manifest: &str) -> Vec<String> {
        let signature = Signature::new(inputs, outputs);
        let features = Features::new(&signature, &[], &[]).expect("named");
        let manifest = Manifest::parse(manifest).expect("read");
        let roles = Roles::new(&signature, &manifest).expect("fit");
        layout(&signature, &features, &roles).columns().map(|column| column.name.clone()).collect()
    }

    #[test]
    fn a_classifier_is_watched_by_label_and_scores() {
        let inputs = vec![spec("age", DType::F32, &[1]), spec("city", DType::Str, &[1])];
        let outputs = vec![spec("label", DType::I64, &[]), spec("age", DType::F32, &[2])];
        let wanted = ["age", "city", "label", "age.confidence", "age.0", "age.1"];
        assert_eq!(names(inputs, outputs, ""), wanted);
    }

    #[test]
    fn pictures_are_watched_by_summaries() {
        let found = names(
            vec![spec("picture", DType::F32, &[8, 8])],
            vec![spec("logits", DType::F32, &[10])],
            "[output]\nkind = 'classification'",
        );
        assert_eq!(found[..2], ["picture.mean", "picture.deviation"]);
        assert_eq!(found[6..9], ["logits.class", "logits.confidence", "logits.0"]);
        assert_eq!(found.len(), 6 + 2 + 10);
    }

    #[test]
    fn outputs_of_the_inputs_name_are_told_apart() {
        let found = names(vec![spec("x", DType::F32, &[1])], vec![spec("x", DType::F32, &[1])], "");
        assert_eq!(found, ["x", "output.x"]);
    }

    #[test]
    fn rules_for_no_column_are_refused() {
        let features =
            Features::new(&Signature::new(vec![spec("age", DType::F32, &[1])], vec![]), &[], &[]).expect("named");
        let rules = BTreeMap::from([("agee".to_owned(), Rules::default())]);
        let words = contract(Mode::Count, &rules, &features).expect_err("no such column");
        assert_eq!(words, "input.rules.agee: the model has no such column: did you mean 'age'?");
    }
}
