//! A tree file as tables for a device.

use super::link::{Answer, Head, Link};
use super::model::{Engine, Inner, TreeModel};
use crate::engine::RunError;
use crate::engine::lowered::{self, Body, Ends, HeadKind, Lowered, Rows};
use crate::engine::tabular::forest::{Entrance, one_table};
use crate::tensor::{Data, Tensor};
use std::sync::Arc;

impl TreeModel {
    pub(super) fn lowered(&self) -> Result<Lowered, String> {
        let model = self.inner();
        let forest = match &model.engine {
            Engine::Trees(forest) => forest,
            Engine::LinearTrees(_) => return Err("trees with linear leaves have no form for a device".into()),
            Engine::Linear(_) => return Err("a linear booster has no form for a device".into()),
        };
        if !model.always.is_empty() {
            return Err("output.extra asks for margins or leaves with every answer, which only the CPU tells".into());
        }
        let (dtype, width) = one_table(&model.signature)?;
        let (forest, entrance) = forest.lower(dtype, model.head.lower())?;
        let ends = Arc::new(Answers { model: model.clone(), entrance });
        Ok(Lowered { raw: entrance.raw(width), columns: Vec::new(), body: Body::Forest(forest), ends })
    }
}

impl Head {
    fn lower(&self) -> lowered::Head {
        let link = match self.link {
            Link::Identity => lowered::Link::None,
            Link::Sigmoid { scale, limit } => lowered::Link::Sigmoid { scale, limit },
            Link::Exp => lowered::Link::Exp,
            Link::Log1pExp => lowered::Link::Log1pExp,
            Link::SignedSquare => lowered::Link::SignedSquare,
            Link::Step => lowered::Link::Step,
            Link::Softmax => lowered::Link::Softmax,
        };
        let kind = HeadKind::Native { divisor: self.divisor, single: self.single };
        lowered::Head { kind, link, labels: self.answer == Answer::Classes }
    }
}

struct Answers {
    model: Arc<Inner>,
    entrance: Entrance,
}

impl Ends for Answers {
    fn write(&self, inputs: &[Tensor], rows: &mut Rows<'_>) -> Result<(), RunError> {
        match inputs.first().map(Tensor::data) {
            Some(Data::F32(values)) => self.entrance.write_f32(&self.model.tidy(values), rows),
            Some(Data::F64(values)) => self.entrance.write_f64(&self.model.tidy(values), rows),
            _ => Err(RunError::Engine("the input holds no floats".into())),
        }
    }

    fn read(&self, answers: &[f32], labels: &[u32]) -> Result<Vec<Tensor>, RunError> {
        let broken = |error: crate::tensor::TensorError| RunError::Engine(error.to_string());
        let head = &self.model.head;
        let (width, classes) = (head.width(), head.answer == Answer::Classes);
        let count = answers.len() / width.max(1);
        let mut outputs = vec![Tensor::of([count, width], answers.to_vec()).map_err(broken)?];
        if classes {
            let known = labels.iter().map(|class| (*class as usize).min(width.saturating_sub(1))).collect();
            outputs.push(Tensor::new([count], self.model.classes.of(known)).map_err(broken)?);
        }
        Ok(outputs)
    }
}
