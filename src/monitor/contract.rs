//! The value contract: what the owner of a model says its inputs may hold.

use crate::metrics::Counter;
use crate::tensor::{Data, Tensor};
use serde::Deserialize;
use std::collections::HashSet;

/// What becomes of a row that breaks a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Off,
    /// It is counted.
    #[default]
    Count,
    /// It is counted and written to the log.
    Warn,
    /// Its request is refused.
    Enforce,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    Number,
    /// A number without a fraction.
    Integer,
    Text,
}

/// The rules of one column, as `model.toml` writes them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    #[serde(rename = "type")]
    pub value_type: Option<ValueType>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub allowed: Vec<Allowed>,
    /// Whether a value may be missing (NaN).
    pub nullable: Option<bool>,
}

/// An allowed value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Allowed {
    Bool(bool),
    Number(f64),
    Text(String),
}

impl Rules {
    /// What is wrong with the rules themselves.
    pub fn mistakes(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            words.push(format!("min {min} is above max {max}"));
        }
        for (name, bound) in [("min", self.min), ("max", self.max)] {
            if bound.is_some_and(f64::is_nan) {
                words.push(format!("{name} is not a number"));
            }
        }
        let texts = self.allowed.iter().filter(|value| matches!(value, Allowed::Text(_))).count();
        if texts != 0 && texts != self.allowed.len() {
            words.push("allowed mixes text and numbers: name values of one type".into());
        }
        if self.value_type == Some(ValueType::Text) && (self.min.is_some() || self.max.is_some()) {
            words.push("min and max are for numbers, not for text".into());
        }
        words
    }
}

/// How a value broke its rules; the order of [`KINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    Missing,
    Type,
    Range,
    Value,
}

/// Label values, in the order of [`Broken`].
pub const KINDS: [&str; 4] = ["missing", "type", "range", "value"];

/// Where a column's values stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    pub name: String,
    pub input: usize,
    pub offset: usize,
}

/// A column's rules ready to be asked, and what they have counted.
#[derive(Debug)]
struct Check {
    cell: Cell,
    rules: Rules,
    numbers: HashSet<u64>,
    texts: HashSet<String>,
    broken: [Counter; KINDS.len()],
}

/// The rules of a model's columns.
#[derive(Debug, Default)]
pub struct Contract {
    mode: Mode,
    checks: Vec<Check>,
}

/// A row that broke a rule of an enforced contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {row}, column '{column}': expected {expected}, got {got} (rule {kind} of the model's contract)")]
pub struct Violation {
    pub column: String,
    pub row: usize,
    pub kind: &'static str,
    pub expected: String,
    pub got: String,
}

impl Contract {
    /// Columns beside their rules.
    pub fn new(mode: Mode, columns: impl IntoIterator<Item = (Cell, Rules)>) -> Self {
        let check = |(cell, rules): (Cell, Rules)| {
            let number = |value: &Allowed| match value {
                Allowed::Number(number) => Some(bits(*number)),
                Allowed::Bool(flag) => Some(bits(f64::from(u8::from(*flag)))),
                Allowed::Text(_) => None,
            };
            let text = |value: &Allowed| if let Allowed::Text(text) = value { Some(text.clone()) } else { None };
            let numbers = rules.allowed.iter().filter_map(number).collect();
            let texts = rules.allowed.iter().filter_map(text).collect();
            Check { cell, rules, numbers, texts, broken: Default::default() }
        };
        Self { mode, checks: columns.into_iter().map(check).collect() }
    }

    /// Counts what breaks a rule; where rules are enforced, answers the first.
    pub fn check(&self, inputs: &[Tensor]) -> Result<(), Violation> {
        if self.mode == Mode::Off {
            return Ok(());
        }
        let mut first = None;
        for check in &self.checks {
            let Some(tensor) = inputs.get(check.cell.input) else { continue };
            let width = tensor.shape().row_elements().max(1);
            for row in 0..tensor.data().len() / width {
                let at = row * width + check.cell.offset;
                let Some(broken) = check.judge(tensor.data(), at) else { continue };
                check.broken[broken as usize].add(1);
                if self.mode != Mode::Count && first.is_none() {
                    first = Some(check.words(broken, tensor.data(), at, row));
                }
            }
        }
        match (first, self.mode) {
            (Some(violation), Mode::Enforce) => Err(violation),
            (Some(violation), _) => {
                tracing::warn!(column = violation.column, kind = violation.kind, "{violation}");
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }

    /// Columns beside what each kind has counted, in the order of [`KINDS`].
    pub fn counts(&self) -> impl Iterator<Item = (&str, &[Counter; KINDS.len()])> {
        self.checks.iter().map(|check| (check.cell.name.as_str(), &check.broken))
    }
}

impl Check {
    fn judge(&self, data: &Data, at: usize) -> Option<Broken> {
        if let Data::Str(texts) = data {
            let text = texts.get(at)?;
            let known = self.rules.allowed.is_empty() || self.texts.contains(&**text);
            return match self.rules.value_type {
                Some(ValueType::Number | ValueType::Integer) if text.trim().parse::<f64>().is_err() => {
                    Some(Broken::Type)
                }
                _ if text.is_empty() && self.rules.nullable == Some(false) => Some(Broken::Missing),
                _ if !known => Some(Broken::Value),
                _ => None,
            };
        }
        let value = number(data, at)?;
        let rules = &self.rules;
        if value.is_nan() {
            return (rules.nullable == Some(false)).then_some(Broken::Missing);
        }
        let low = rules.min.is_some_and(|min| value < min);
        let high = rules.max.is_some_and(|max| value > max);
        match rules.value_type {
            Some(ValueType::Integer) if value.fract() != 0.0 => Some(Broken::Type),
            _ if low || high => Some(Broken::Range),
            _ if !rules.allowed.is_empty() && !self.numbers.contains(&bits(value)) => Some(Broken::Value),
            _ => None,
        }
    }

    fn words(&self, broken: Broken, data: &Data, at: usize, row: usize) -> Violation {
        let rules = &self.rules;
        let bound = |bound: Option<f64>, none: &str| bound.map_or(none.to_owned(), |bound| bound.to_string());
        let expected = match broken {
            Broken::Missing => "a value".to_owned(),
            Broken::Type => match rules.value_type {
                Some(ValueType::Integer) => "a whole number".to_owned(),
                _ => "a number".to_owned(),
            },
            Broken::Range => format!("{} to {}", bound(rules.min, "any number"), bound(rules.max, "any number")),
            Broken::Value => {
                let mut shown: Vec<String> = rules.allowed.iter().take(8).map(Allowed::shown).collect();
                if rules.allowed.len() > shown.len() {
                    shown.push("..".into());
                }
                format!("one of {}", shown.join(", "))
            }
        };
        let got = match data {
            Data::Str(texts) => format!("'{}'", crate::text::shorten(texts.get(at).map_or("", |text| text), 40)),
            data => number(data, at).map_or_else(|| "nothing".into(), |value| value.to_string()),
        };
        Violation { column: self.cell.name.clone(), row, kind: KINDS[broken as usize], expected, got }
    }
}

impl Allowed {
    fn shown(&self) -> String {
        match self {
            Self::Bool(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => format!("'{}'", crate::text::shorten(text, 40)),
        }
    }
}

/// As `f32` inputs hold a value written in decimal: 0.1 in the file is the 0.1 of a request.
fn bits(value: f64) -> u64 {
    f64::from(value as f32).to_bits()
}

fn number(data: &Data, at: usize) -> Option<f64> {
    Some(match data {
        Data::Bool(values) => f64::from(u8::from(*values.get(at)?)),
        Data::U8(values) => f64::from(*values.get(at)?),
        Data::U16(values) => f64::from(*values.get(at)?),
        Data::U32(values) => f64::from(*values.get(at)?),
        Data::U64(values) => *values.get(at)? as f64,
        Data::I8(values) => f64::from(*values.get(at)?),
        Data::I16(values) => f64::from(*values.get(at)?),
        Data::I32(values) => f64::from(*values.get(at)?),
        Data::I64(values) => *values.get(at)? as f64,
        Data::F16(values) => values.get(at)?.to_f64(),
        Data::BF16(values) => values.get(at)?.to_f64(),
        Data::F32(values) => f64::from(*values.get(at)?),
        Data::F64(values) => *values.get(at)?,
        Data::Str(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn contract(mode: Mode, rules: &str) -> Contract {
        let rules: Rules = toml::from_str(rules).expect("rules");
        assert_eq!(rules.mistakes(), Vec::<String>::new());
        Contract::new(mode, [(Cell { name: "age".into(), input: 0, offset: 1 }, rules)])
    }

    fn broken(contract: &Contract) -> Vec<u64> {
        contract.counts().flat_map(|(_, counters)| counters.iter().map(Counter::get)).collect()
    }

    #[test]
    fn each_kind_of_breach_is_told() {
        let rules = "type = 'integer'\nmin = 0\nmax = 120\nnullable = false";
        let refused = |value: f32| {
            let rows = Tensor::of([2, 2], vec![0.0, 5.0, 0.0, value]).expect("fits");
            contract(Mode::Enforce, rules).check(&[rows]).err()
        };
        assert_eq!(refused(120.0), None);
        let kinds: Vec<_> = [f32::NAN, 1.5, 121.0].map(|value| refused(value).map(|broken| broken.kind)).to_vec();
        assert_eq!(kinds, [Some("missing"), Some("type"), Some("range")]);
        let words = refused(-3.0).expect("below").to_string();
        assert_eq!(words, "row 1, column 'age': expected 0 to 120, got -3 (rule range of the model's contract)");
    }

    #[test]
    fn counting_refuses_nothing() {
        let contract = contract(Mode::Count, "allowed = [0.1, 2]");
        let rows = Tensor::of([3, 2], vec![0.0f32, 0.1, 0.0, 3.0, 0.0, 2.0]).expect("fits");
        assert_eq!(contract.check(&[rows]), Ok(()));
        assert_eq!(broken(&contract), [0, 0, 0, 1]);
    }

    #[test]
    fn texts_are_held_to_what_is_allowed() {
        let contract = contract(Mode::Enforce, "allowed = ['a', 'b']");
        let row = |text: &str| Tensor::of([1, 2], vec![Arc::<str>::from("x"), text.into()]).expect("fits");
        assert_eq!(contract.check(&[row("b")]), Ok(()));
        let words = contract.check(&[row("c")]).expect_err("not allowed").to_string();
        assert!(words.contains("expected one of 'a', 'b', got 'c'"), "{words}");
    }

    #[test]
    fn senseless_rules_are_mistakes() {
        for rules in ["min = 2\nmax = 1", "allowed = ['a', 1]", "type = 'text'\nmin = 1", "min = nan"] {
            assert!(!toml::from_str::<Rules>(rules).expect("read").mistakes().is_empty(), "{rules}");
        }
    }
}
