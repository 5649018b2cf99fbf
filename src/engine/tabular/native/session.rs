//! One thread's runs of a tree model.

use super::link::Answer;
use super::model::Inner;
use crate::engine::tabular::forest::Rows;
use crate::engine::tabular::ops::length;
use crate::engine::{Extras, RunError, Session};
use crate::tensor::{Data, Element, Tensor};
use std::borrow::Cow;
use std::sync::Arc;

/// The working memory of one thread.
pub(super) struct State {
    model: Arc<Inner>,
    margins: Vec<f64>,
    scratch: Vec<f64>,
}

impl State {
    pub fn new(model: Arc<Inner>) -> Self {
        Self { model, margins: Vec::new(), scratch: Vec::new() }
    }
}

impl Session for State {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        self.run_asked(inputs, Extras::NONE)
    }

    fn run_asked(&mut self, inputs: &[Tensor], extras: Extras) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.first().ok_or_else(|| broken("the input is not there"))?;
        if input.rows().checked_mul(self.model.features) != Some(input.data().len()) {
            return Err(broken("the input has another width than the model"));
        }
        let model = self.model.clone();
        match input.data() {
            Data::F32(values) => self.answer(input.rows(), Rows::F32(&model.tidy(values)), extras),
            Data::F64(values) => self.answer(input.rows(), Rows::F64(&model.tidy(values)), extras),
            other => Err(broken(&format!("the input holds {}, expected floats", other.dtype()))),
        }
    }
}

fn broken(words: &str) -> RunError {
    RunError::Engine(words.into())
}

fn tensor<T: Element, const N: usize>(shape: [usize; N], values: Vec<T>) -> Result<Tensor, RunError> {
    Tensor::of(shape, values).map_err(|error| broken(&error.to_string()))
}

impl State {
    /// All that the answer holds, in the order of [`crate::engine::Signature::answered`].
    fn answer(&mut self, count: usize, rows: Rows<'_>, asked: Extras) -> Result<Vec<Tensor>, RunError> {
        let model = self.model.clone();
        let head = &model.head;
        self.margins.clear();
        self.margins.resize(length(&[count, head.targets])?, 0.0);
        model.score(rows, &mut self.margins);
        let width = head.width();
        let mut answers = Vec::with_capacity(count * width);
        let mut labels = Vec::with_capacity(count);
        for margins in self.margins.chunks_exact(head.targets) {
            labels.push(head.apply(margins, &mut self.scratch, &mut answers));
        }
        let mut outputs = vec![tensor([count, width], answers)?];
        if head.answer == Answer::Classes {
            let labels = Tensor::new([count], model.classes.of(labels));
            outputs.push(labels.map_err(|error| broken(&error.to_string()))?);
        }
        for extras in [model.always, asked.without(model.always)] {
            if extras.margin {
                outputs.push(tensor([count, head.targets], self.margins.iter().map(|x| *x as f32).collect())?);
            }
            if extras.leaf {
                let mut leaves = vec![0; length(&[count, model.trees()])?];
                model.leaves(rows, &mut leaves);
                outputs.push(tensor([count, model.trees()], leaves)?);
            }
        }
        Ok(outputs)
    }
}

impl Inner {
    /// The rows with fractions below zero in columns of categories set to -1.
    pub(super) fn tidy<'a, T: Copy + PartialOrd + From<f32>>(&self, values: &'a [T]) -> Cow<'a, [T]> {
        let (zero, none) = (T::from(0.0), T::from(-1.0));
        let fraction = |x: T| x < zero && x > none;
        let any = |row: &[T]| self.categories.iter().any(|at| fraction(row[*at as usize]));
        if self.categories.is_empty() || !values.chunks_exact(self.features).any(any) {
            return values.into();
        }
        let mut values = values.to_vec();
        for row in values.chunks_exact_mut(self.features) {
            for at in &self.categories {
                let x = &mut row[*at as usize];
                *x = if fraction(*x) { none } else { *x };
            }
        }
        values.into()
    }
}
