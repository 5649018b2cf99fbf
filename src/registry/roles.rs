//! Which output is the prediction, and which holds the probabilities.

use super::manifest::{Manifest, OutputKind};
use crate::engine::{Dim, Signature, TensorSpec};
use crate::tensor::DType;
use std::sync::Arc;

/// How the plain answer is made from the outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// The output shown as `predictions`.
    pub prediction: usize,
    /// The output shown as `probabilities`.
    pub probabilities: Option<usize>,
    /// Predictions are the class of the highest of the raw scores in `prediction`.
    pub classify: bool,
    /// Names of the classes, where known.
    pub labels: Option<Arc<[Arc<str>]>>,
}

impl Roles {
    /// Reads the outputs; the error says which label of the manifest fits no column.
    pub fn new(signature: &Signature, manifest: &Manifest) -> Result<Self, String> {
        let outputs = &signature.outputs;
        let label = outputs.iter().position(is_label);
        let scores = outputs.iter().position(is_scores);
        let named = manifest.labels.iter().map(|label| Arc::from(label.as_str())).collect::<Vec<_>>();
        let labels = match named.is_empty() {
            true => scores.and_then(|at| outputs[at].labels.clone()),
            false => Some(named.into()),
        };
        if let (Some(Dim::Fixed(columns)), false) =
            (scores.and_then(|at| outputs[at].dims.get(1)), manifest.labels.is_empty())
            && *columns != manifest.labels.len()
        {
            return Err(format!(
                "output.labels names {} classes, but the scores have {columns} columns",
                manifest.labels.len()
            ));
        }
        Ok(match label {
            Some(prediction) => Self { prediction, probabilities: scores, classify: false, labels },
            None => {
                let classify = manifest.kind == Some(OutputKind::Classification) && scores == Some(0);
                Self { prediction: 0, probabilities: None, classify, labels }
            }
        })
    }
}

/// A whole number or a word per row.
fn is_label(spec: &TensorSpec) -> bool {
    let typed = matches!(spec.dtype, DType::I64 | DType::I32 | DType::Str | DType::Bool);
    typed && (spec.dims.len() == 1 || (spec.dims.len() == 2 && spec.dims[1] == Dim::Fixed(1)))
}

/// Several fractions per row.
fn is_scores(spec: &TensorSpec) -> bool {
    spec.dtype.is_float() && spec.dims.len() == 2 && spec.dims[1] != Dim::Fixed(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(outputs: &[(DType, &[usize])]) -> Signature {
        let output = |(dtype, dims): &(DType, &[usize])| {
            let dims = std::iter::once(Dim::Any(None)).chain(dims.iter().map(|n| Dim::Fixed(*n))).collect();
            TensorSpec::new("y", *dtype, dims)
        };
        Signature::new(vec![], outputs.iter().map(output).collect())
    }

    #[test]
    fn a_label_beside_scores_is_the_prediction() {
        let roles =
            Roles::new(&signature(&[(DType::F32, &[3]), (DType::Str, &[])]), &Manifest::default()).expect("no labels");
        assert_eq!((roles.prediction, roles.probabilities, roles.classify), (1, Some(0), false));
    }

    #[test]
    fn raw_scores_are_classes_only_when_told() {
        let raw = signature(&[(DType::F32, &[10])]);
        assert!(!Roles::new(&raw, &Manifest::default()).expect("no labels").classify);
        let told = Manifest { kind: Some(OutputKind::Classification), ..Manifest::default() };
        assert!(Roles::new(&raw, &told).expect("no labels").classify);
        let named = Manifest { labels: vec!["a".into()], ..Manifest::default() };
        assert!(Roles::new(&raw, &named).expect_err("one of ten").contains("10 columns"));
        let one = signature(&[(DType::F32, &[1])]);
        assert!(!Roles::new(&one, &told).expect("no labels").classify);
    }
}
