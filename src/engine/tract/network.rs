//! A dense network prepared once: a plan for any number of rows, and one for exactly one.
//!
//! tract's plan with a symbolic batch axis runs any batch without optimising again, but a plan for
//! a known batch is faster (1.4 to 5 times for convolutions at batch 1), and most requests hold one
//! row: so both are made at load. Where the symbolic plan cannot be made the one-row plan runs
//! row by row.

use super::convert::{self, words};
use crate::engine::onnx::{Graph, pb};
use crate::engine::{Dim, Prepared, RunError, Session, Signature, TensorSpec};
use crate::tensor::Tensor;
use std::collections::HashMap;
use std::sync::Arc;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{ToDim, format_err};

type Plan = Arc<TypedRunnableModel>;

/// A network shared by all threads.
pub struct Network(Arc<Plans>);

struct Plans {
    signature: Signature,
    /// Any number of rows.
    any: Option<Plan>,
    /// Exactly one row.
    one: Option<Plan>,
    memory: usize,
}

impl Network {
    /// Prepares the plans; the error is tract's reason.
    pub fn new(proto: &pb::ModelProto, graph: &Graph) -> Result<Self, String> {
        let signature = Signature::new(graph.inputs.clone(), graph.outputs.clone());
        let typed = typed(proto, &signature).map_err(|error| words(&error))?;
        let memory = graph.constants.values().map(Tensor::bytes).sum();
        let any = optimise(typed.clone());
        let one = signature.batchable().then(|| one_row(&typed, &signature)).transpose();
        match (any, one) {
            (Ok(any), one) => Ok(Self::with(signature, Some(any), one.ok().flatten(), memory)),
            (Err(_), Ok(Some(one))) => Ok(Self::with(signature, None, Some(one), memory)),
            (Err(error), _) => Err(words(&error)),
        }
    }

    fn with(signature: Signature, any: Option<Plan>, one: Option<Plan>, memory: usize) -> Self {
        Self(Arc::new(Plans { signature, any, one, memory }))
    }

    /// The plans in words, for the reason shown beside the engine.
    pub fn plans(&self) -> &'static str {
        match (&self.0.any, &self.0.one) {
            (Some(_), Some(_)) => "one plan for any batch and one for a single row",
            (Some(_), None) => "one plan",
            (None, _) => "a plan for a single row, run row by row",
        }
    }
}

/// Loads and simplifies the network, axis 0 of every input a symbol where it counts rows.
fn typed(proto: &pb::ModelProto, signature: &Signature) -> TractResult<TypedModel> {
    let mut model = onnx().with_ignore_output_shapes(true).parse(proto, None)?.model;
    let rows = model.symbols.sym("rows");
    // Facts of the file are kept where every axis has its name; a mixture would not unify.
    let unnamed = |spec: &TensorSpec| spec.dims.iter().any(|dim| matches!(dim, Dim::Any(None)));
    let renamed = signature.inputs.iter().any(unnamed);
    for (at, spec) in signature.inputs.iter().enumerate() {
        if renamed {
            let datum = convert::datum_type(spec.dtype)
                .ok_or_else(|| format_err!("input '{}' holds {}", spec.name, spec.dtype))?;
            let dims = spec.dims.iter().enumerate().map(|(axis, dim)| match dim {
                Dim::Fixed(n) => n.to_dim(),
                Dim::Any(_) if axis == 0 && signature.batchable() => rows.clone().into(),
                Dim::Any(Some(name)) => model.symbols.sym(name).into(),
                Dim::Any(None) => model.symbols.sym(&format!("in{at}_axis{axis}")).into(),
            });
            let fact = InferenceFact::dt_shape(datum, dims.collect::<Vec<TDim>>());
            model.set_input_fact(at, fact)?;
        }
    }
    model.into_typed()?.into_decluttered()
}

fn optimise(model: TypedModel) -> TractResult<Plan> {
    model.into_optimized()?.into_runnable()
}

/// The same network with the batch symbol set to one.
fn one_row(typed: &TypedModel, signature: &Signature) -> TractResult<Plan> {
    let mut values = HashMap::new();
    for at in 0..signature.inputs.len() {
        let fact = typed.input_fact(at)?;
        for symbol in fact.shape.first().map(|dim| dim.symbols()).into_iter().flatten() {
            values.insert(symbol, 1.to_dim());
        }
    }
    let model = typed.clone().set_symbols(&values)?;
    optimise(model)
}

impl Prepared for Network {
    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn session(&self) -> Result<Box<dyn Session>, RunError> {
        Ok(Box::new(State(self.0.clone())))
    }

    fn memory_bytes(&self) -> usize {
        let plans = usize::from(self.0.any.is_some()) + usize::from(self.0.one.is_some());
        self.0.memory * plans
    }
}

struct State(Arc<Plans>);

impl Session for State {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        let plans = &*self.0;
        let rows = inputs.first().map_or(1, Tensor::rows);
        match (&plans.any, &plans.one) {
            (_, Some(one)) if rows == 1 => plans.execute(one, inputs),
            (Some(any), _) => plans.execute(any, inputs),
            (None, Some(one)) => plans.row_by_row(one, inputs, rows),
            (None, None) => Err(RunError::Engine("no plan".into())),
        }
    }
}

impl Plans {
    fn execute(&self, plan: &Plan, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        let inputs =
            inputs.iter().map(|tensor| convert::to_tract(tensor).map(TValue::from)).collect::<Result<TVec<_>, _>>()?;
        let outputs = plan.run(inputs).map_err(|error| RunError::Engine(words(&error)))?;
        self.signature
            .outputs
            .iter()
            .zip(&outputs)
            .map(|(spec, value)| convert::from_tract(value, spec.dtype))
            .collect()
    }

    fn row_by_row(&self, plan: &Plan, inputs: &[Tensor], rows: usize) -> Result<Vec<Tensor>, RunError> {
        let mut answers = Vec::with_capacity(rows);
        for row in 0..rows {
            let one: Vec<Tensor> = inputs.iter().map(|tensor| tensor.rows_at(row, 1)).collect();
            answers.push(self.execute(plan, &one)?);
        }
        (0..self.signature.outputs.len())
            .map(|at| match Tensor::stack(answers.iter().map(|answer| &answer[at])) {
                Ok(Some(whole)) => Ok(whole),
                Ok(None) => Err(RunError::Engine("no rows".into())),
                Err(error) => Err(RunError::Engine(error.to_string())),
            })
            .collect()
    }
}
