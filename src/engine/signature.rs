//! What a model takes and gives, and the check of a request against it.
//!
//! The words of the errors follow Triton's, which users already search for.

use super::Extras;
use crate::tensor::{DType, Shape, Tensor};
use crate::text;
use std::fmt;
use std::sync::Arc;

/// One axis of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Exactly this length.
    Fixed(usize),
    /// Any length; the name, where the file gives one.
    Any(Option<String>),
}

impl Dim {
    /// As the protocols write it: -1 for any length.
    pub fn as_i64(&self) -> i64 {
        match self {
            Self::Fixed(n) => i64::try_from(*n).unwrap_or(i64::MAX),
            Self::Any(_) => -1,
        }
    }
}

/// A named input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    pub name: String,
    pub dtype: DType,
    pub dims: Vec<Dim>,
    /// For scores: the class each column stands for, where the file says so.
    pub labels: Option<Arc<[Arc<str>]>>,
}

impl TensorSpec {
    pub fn new(name: impl Into<String>, dtype: DType, dims: Vec<Dim>) -> Self {
        Self { name: name.into(), dtype, dims, labels: None }
    }

    /// `[-1,30]`, as the protocols write it.
    pub fn shape_text(&self) -> String {
        let dims: Vec<String> = self.dims.iter().map(|dim| dim.as_i64().to_string()).collect();
        format!("[{}]", dims.join(","))
    }

    /// `[8,8]`: the shape of one row.
    pub fn row_text(&self) -> String {
        let dims: Vec<String> = self.dims.iter().skip(1).map(|dim| dim.as_i64().to_string()).collect();
        format!("[{}]", dims.join(","))
    }

    /// Whether a shape is that of one row.
    pub fn row_fits(&self, row: &Shape) -> bool {
        self.dims.len() == row.len() + 1 && fit(self.dims.get(1..).unwrap_or(&[]), row)
    }

    /// Elements in one row, where every axis behind the first is fixed.
    pub fn row_elements(&self) -> Option<usize> {
        self.dims.iter().skip(1).try_fold(1usize, |product, dim| match dim {
            Dim::Fixed(n) => product.checked_mul(*n),
            Dim::Any(_) => None,
        })
    }

    fn fits(&self, shape: &Shape) -> bool {
        self.dims.len() == shape.len() && fit(&self.dims, shape)
    }
}

fn fit(dims: &[Dim], shape: &Shape) -> bool {
    dims.iter().zip(shape.iter()).all(|(dim, got)| match dim {
        Dim::Fixed(n) => n == got,
        Dim::Any(_) => true,
    })
}

/// Whether rows of several requests may be computed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchAxis {
    /// Axis 0 of every input and output counts rows that do not know of each other.
    Rows,
    /// They may not, for this reason.
    None(String),
}

/// What goes in and what comes out, in the model's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
    /// What only answers to those who ask for it hold, in the order of [`Extras::NAMES`].
    pub extras: Vec<TensorSpec>,
    pub batch: BatchAxis,
}

impl Signature {
    /// Joins inputs and outputs and tells from their axes whether there is a batch axis.
    pub fn new(inputs: Vec<TensorSpec>, outputs: Vec<TensorSpec>) -> Self {
        let batch = batch_axis(&inputs, &outputs);
        Self { inputs, outputs, extras: Vec::new(), batch }
    }

    /// The same with extras: those that every answer holds are outputs from now on, the others are
    /// there on request.
    pub fn with_extras(mut self, always: Extras, specs: impl Iterator<Item = TensorSpec>) -> Self {
        let (outputs, extras): (Vec<_>, Vec<_>) = specs.partition(|spec| always.has(&spec.name));
        self.outputs.extend(outputs);
        self.extras.extend(extras);
        self
    }

    /// The extra of this name, if it is there on request.
    pub fn extra(&self, name: &str) -> Extras {
        let there = self.extras.iter().any(|spec| spec.name == name);
        Extras::named(name).filter(|_| there).unwrap_or_default()
    }

    /// What the tensors of an answer are to a request that asked for these extras.
    pub fn answered(&self, extras: Extras) -> impl Iterator<Item = &TensorSpec> {
        self.outputs.iter().chain(self.extras.iter().filter(move |spec| extras.has(&spec.name)))
    }

    pub fn input(&self, name: &str) -> Option<usize> {
        self.inputs.iter().position(|spec| spec.name == name)
    }

    pub fn output(&self, name: &str) -> Option<usize> {
        self.outputs.iter().position(|spec| spec.name == name)
    }

    /// Elements in one row of all inputs together, where every axis behind the first is fixed and the
    /// number is none that no memory could hold.
    pub fn row_elements(&self) -> Option<usize> {
        self.inputs.iter().try_fold(0usize, |sum, spec| sum.checked_add(spec.row_elements()?))
    }

    pub fn batchable(&self) -> bool {
        self.batch == BatchAxis::Rows
    }

    /// Checks tensors (in the signature's order) and answers how many rows they hold.
    ///
    /// A model without a batch axis counts any request as one row.
    pub fn check(&self, inputs: &[Tensor]) -> Result<usize, InputError> {
        if let Some(spec) = self.inputs.get(inputs.len()) {
            return Err(InputError::Missing { name: spec.name.clone() });
        }
        for (spec, tensor) in self.inputs.iter().zip(inputs) {
            check_one(spec, tensor)?;
        }
        if !self.batchable() {
            return Ok(1);
        }
        self.common_rows(inputs)
    }

    fn common_rows(&self, inputs: &[Tensor]) -> Result<usize, InputError> {
        let rows = inputs.first().map_or(1, Tensor::rows);
        for (spec, tensor) in self.inputs.iter().zip(inputs) {
            if tensor.rows() != rows {
                return Err(InputError::Rows {
                    name: spec.name.clone(),
                    expected: rows,
                    first: self.inputs[0].name.clone(),
                    got: tensor.rows(),
                });
            }
        }
        match (rows, self.inputs.first()) {
            (0, Some(spec)) => Err(InputError::Empty { name: spec.name.clone() }),
            _ => Ok(rows),
        }
    }
}

fn check_one(spec: &TensorSpec, tensor: &Tensor) -> Result<(), InputError> {
    if spec.dtype != tensor.dtype() {
        return Err(InputError::DType { name: spec.name.clone(), expected: spec.dtype, got: tensor.dtype() });
    }
    if !spec.fits(tensor.shape()) {
        return Err(InputError::Shape {
            name: spec.name.clone(),
            expected: spec.shape_text(),
            got: tensor.shape().to_string(),
        });
    }
    Ok(())
}

fn batch_axis(inputs: &[TensorSpec], outputs: &[TensorSpec]) -> BatchAxis {
    let mut name: Option<&str> = None;
    for spec in inputs {
        match spec.dims.first() {
            Some(Dim::Any(None)) => {}
            Some(Dim::Any(Some(this))) => match name {
                Some(other) if other != this => {
                    return BatchAxis::None(format!("axis 0 of the inputs has two names, '{other}' and '{this}'"));
                }
                _ => name = Some(this),
            },
            Some(Dim::Fixed(n)) => {
                return BatchAxis::None(format!("axis 0 of input '{}' is fixed to {n}", spec.name));
            }
            None => return BatchAxis::None(format!("input '{}' is a scalar", spec.name)),
        }
    }
    if inputs.is_empty() {
        return BatchAxis::None("the model has no inputs".into());
    }
    match outputs.iter().find(|spec| !matches!(spec.dims.first(), Some(Dim::Any(_)))) {
        Some(spec) => BatchAxis::None(format!("axis 0 of output '{}' is not dynamic", spec.name)),
        None => BatchAxis::Rows,
    }
}

/// What is wrong with a request's tensors. Each names the input, what was expected and what came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    #[error("input '{name}' is missing")]
    Missing { name: String },
    #[error("unexpected inference input '{name}'{}", hint(.nearest, .expected))]
    Unknown { name: String, nearest: Option<String>, expected: Vec<String> },
    #[error("input '{name}' is given twice")]
    Duplicate { name: String },
    #[error("inference input '{name}' data-type is '{got}', but the model expects '{expected}'")]
    DType { name: String, expected: DType, got: DType },
    #[error("unexpected shape for input '{name}'. Expected {expected}, got {got}")]
    Shape { name: String, expected: String, got: String },
    #[error("input '{name}' has {got} rows, but input '{first}' has {expected}: all inputs need the same number")]
    Rows { name: String, first: String, expected: usize, got: usize },
    #[error("input '{name}' has no rows: expected at least one")]
    Empty { name: String },
}

impl InputError {
    /// An input the model does not have, with the nearest one it has.
    pub fn unknown(name: &str, signature: &Signature) -> Self {
        let expected: Vec<String> = signature.inputs.iter().map(|spec| spec.name.clone()).collect();
        let nearest = text::nearest(name, expected.iter().map(String::as_str)).map(str::to_owned);
        Self::Unknown { name: text::shorten(name, 60), nearest, expected }
    }

    /// The input the error is about.
    pub fn field(&self) -> &str {
        match self {
            Self::Missing { name }
            | Self::Unknown { name, .. }
            | Self::Duplicate { name }
            | Self::DType { name, .. }
            | Self::Shape { name, .. }
            | Self::Rows { name, .. }
            | Self::Empty { name } => name,
        }
    }
}

fn hint(nearest: &Option<String>, expected: &[String]) -> impl fmt::Display {
    match nearest {
        Some(name) => format!(": did you mean '{name}'?"),
        None => format!(": expected one of {}", list(expected)),
    }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature() -> Signature {
        let rows = || Dim::Any(None);
        Signature::new(
            vec![
                TensorSpec::new("x", DType::F32, vec![rows(), Dim::Fixed(2)]),
                TensorSpec::new("city", DType::Str, vec![rows(), Dim::Fixed(1)]),
            ],
            vec![TensorSpec::new("y", DType::F32, vec![rows()])],
        )
    }

    fn x(rows: usize) -> Tensor {
        Tensor::of([rows, 2], vec![0.0f32; rows * 2]).expect("fits")
    }

    #[test]
    fn extras_are_outputs_or_wait_to_be_asked_for() {
        let all = Extras { margin: true, leaf: true };
        let leaf = Extras { margin: false, leaf: true };
        let names = |signature: &Signature, extras| -> Vec<String> {
            signature.answered(extras).map(|spec| spec.name.clone()).collect()
        };
        let waiting = signature().with_extras(Extras::NONE, all.specs(1, 3));
        assert_eq!(names(&waiting, Extras::NONE), ["y"]);
        assert_eq!(names(&waiting, leaf), ["y", "leaf"]);
        assert_eq!(names(&waiting, all), ["y", "margin", "leaf"]);
        let always = signature().with_extras(leaf, all.specs(1, 3));
        assert_eq!(names(&always, Extras::NONE), ["y", "leaf"]);
        assert_eq!(names(&always, all), ["y", "leaf", "margin"], "what every answer holds comes first");
    }

    fn city(rows: usize) -> Tensor {
        Tensor::of([rows, 1], vec![Arc::<str>::from("Bern"); rows]).expect("fits")
    }

    #[test]
    fn good_tensors_tell_their_rows() {
        assert_eq!(signature().check(&[x(3), city(3)]), Ok(3));
    }

    #[test]
    fn each_mistake_names_its_input() {
        let signature = signature();
        let cases = [
            (vec![x(1)], "input 'city' is missing"),
            (vec![city(1), city(1)], "inference input 'x' data-type is 'BYTES', but the model expects 'FP32'"),
            (vec![x(2), city(3)], "input 'city' has 3 rows, but input 'x' has 2: all inputs need the same number"),
            (vec![x(0), city(0)], "input 'x' has no rows: expected at least one"),
        ];
        for (inputs, words) in cases {
            assert_eq!(signature.check(&inputs).expect_err("bad").to_string(), words);
        }
        let wide = Tensor::of([1, 3], vec![0.0f32; 3]).expect("fits");
        let error = signature.check(&[wide, city(1)]).expect_err("bad");
        assert_eq!(error.to_string(), "unexpected shape for input 'x'. Expected [-1,2], got [1,3]");
        assert_eq!(
            InputError::unknown("citty", &signature).to_string(),
            "unexpected inference input 'citty': did you mean 'city'?"
        );
    }

    #[test]
    fn a_fixed_or_renamed_first_axis_is_no_batch_axis() {
        let spec = |name: &str, dim: Dim| TensorSpec::new(name, DType::F32, vec![dim, Dim::Fixed(2)]);
        let any = |name: &str| Dim::Any(Some(name.to_owned()));
        let fixed = Signature::new(vec![spec("a", Dim::Fixed(1))], vec![spec("y", any("n"))]);
        assert!(!fixed.batchable());
        let two = Signature::new(vec![spec("a", any("n")), spec("b", any("seq"))], vec![spec("y", any("n"))]);
        assert!(!two.batchable());
        let one = Signature::new(vec![spec("a", any("n")), spec("b", any("n"))], vec![spec("y", any("n"))]);
        assert!(one.batchable());
    }
}
