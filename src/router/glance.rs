//! What an answer says, in the few numbers that versions are compared by.

use crate::registry::{Roles, Version};
use crate::tensor::{Data, Tensor};
use crate::traffic::Row;

/// Elements of an output that are looked at for NaN: a picture's worth would cost as much as the model.
const LOOKED_AT: usize = 4096;
/// Rows whose scores are averaged.
const ROWS: usize = 64;

/// An answer at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Glance {
    pub rows: u64,
    pub nan: bool,
    /// The mean score of the first rows; `None` where predictions are words, or not finite.
    pub score: Option<f64>,
    /// The first row's class, where there are probabilities.
    pub class: Option<usize>,
}

impl Glance {
    /// Allocates nothing.
    pub fn of(version: &Version, outputs: &[Tensor], rows: usize) -> Self {
        let roles = &version.roles;
        let counted = rows.min(ROWS);
        let sum = (0..counted).map(|row| score(roles, outputs, row)).sum::<Option<f64>>();
        Self {
            rows: rows as u64,
            nan: outputs.iter().any(has_nan),
            score: sum.map(|sum| sum / counted.max(1) as f64).filter(|score| score.is_finite()),
            class: (rows > 0).then(|| scores(roles, outputs).and_then(|tensor| class(tensor, 0))).flatten(),
        }
    }
}

/// The rows of an answer for a comparison.
pub fn rows(version: &Version, outputs: &[Tensor], count: usize) -> Vec<Row> {
    let roles = &version.roles;
    let one = |row| Row { class: class_name(roles, outputs, row), score: score(roles, outputs, row) };
    (0..count).map(one).collect()
}

/// The output that holds a score per class.
fn scores<'a>(roles: &Roles, outputs: &'a [Tensor]) -> Option<&'a Tensor> {
    let at = roles.probabilities.or(roles.classify.then_some(roles.prediction))?;
    outputs.get(at)
}

/// One number for a row: of two classes the second's probability, of more the highest, else the
/// prediction itself.
fn score(roles: &Roles, outputs: &[Tensor], row: usize) -> Option<f64> {
    if let Some(tensor) = scores(roles, outputs) {
        let width = tensor.shape().row_elements();
        return match width {
            0 => None,
            1 | 2 => number(tensor, row * width + width - 1),
            _ => (0..width).filter_map(|at| number(tensor, row * width + at)).reduce(f64::max),
        };
    }
    let tensor = outputs.get(roles.prediction)?;
    number(tensor, row * tensor.shape().row_elements())
}

/// The column of a row's highest score.
fn class(tensor: &Tensor, row: usize) -> Option<usize> {
    let width = tensor.shape().row_elements();
    let value = |at: usize| number(tensor, row * width + at);
    let mut best = (None, f64::NEG_INFINITY);
    for at in 0..width {
        match value(at) {
            Some(value) if value > best.1 => best = (Some(at), value),
            _ => {}
        }
    }
    best.0
}

/// The class of a row by name: the label where it is one, else that of the highest score.
fn class_name(roles: &Roles, outputs: &[Tensor], row: usize) -> Option<String> {
    if roles.probabilities.is_some() && !roles.classify {
        return label(outputs.get(roles.prediction)?, row);
    }
    let at = class(scores(roles, outputs)?, row)?;
    let named = roles.labels.as_ref().and_then(|labels| labels.get(at));
    Some(named.map_or_else(|| at.to_string(), ToString::to_string))
}

fn label(tensor: &Tensor, row: usize) -> Option<String> {
    match tensor.data() {
        Data::Str(values) => values.get(row).map(ToString::to_string),
        Data::Bool(values) => values.get(row).map(ToString::to_string),
        _ => number(tensor, row).map(|number| number.to_string()),
    }
}

fn number(tensor: &Tensor, at: usize) -> Option<f64> {
    match tensor.data() {
        Data::F32(values) => values.get(at).map(|value| f64::from(*value)),
        Data::F64(values) => values.get(at).copied(),
        Data::F16(values) => values.get(at).map(|value| value.to_f64()),
        Data::BF16(values) => values.get(at).map(|value| value.to_f64()),
        Data::I64(values) => values.get(at).map(|value| *value as f64),
        Data::I32(values) => values.get(at).map(|value| f64::from(*value)),
        _ => None,
    }
}

fn has_nan(tensor: &Tensor) -> bool {
    match tensor.data() {
        Data::F32(values) => values.iter().take(LOOKED_AT).any(|value| value.is_nan()),
        Data::F64(values) => values.iter().take(LOOKED_AT).any(|value| value.is_nan()),
        Data::F16(values) => values.iter().take(LOOKED_AT).any(|value| value.is_nan()),
        Data::BF16(values) => values.iter().take(LOOKED_AT).any(|value| value.is_nan()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(probabilities: Option<usize>) -> Roles {
        Roles { prediction: 1, probabilities, classify: false, labels: None }
    }

    #[test]
    fn a_row_is_one_number_and_one_class() {
        let two = Tensor::of([2, 2], vec![0.9_f32, 0.1, 0.3, 0.7]).expect("fits");
        let labels = Tensor::of([2], vec![0_i64, 1]).expect("fits");
        let outputs = [two, labels];
        let roles = roles(Some(0));
        assert!((score(&roles, &outputs, 1).expect("a score") - 0.7).abs() < 1e-6);
        assert_eq!(class(&outputs[0], 0), Some(0));
        assert_eq!(class_name(&roles, &outputs, 1).as_deref(), Some("1"));
        assert_eq!(score(&roles, &outputs, 9), None);
    }

    #[test]
    fn nan_is_seen_and_words_have_no_score() {
        let words = Tensor::of([1], vec![std::sync::Arc::<str>::from("a")]).expect("fits");
        assert!(!has_nan(&words) && number(&words, 0).is_none());
        let broken = Tensor::of([1, 2], vec![f32::NAN, 1.0]).expect("fits");
        assert!(has_nan(&broken));
        assert_eq!(class(&broken, 0), Some(1));
    }
}
