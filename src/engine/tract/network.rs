//! A dense network prepared once: a plan for any number of rows, one for exactly one, and some for
//! sizes between where they are faster.
//!
//! tract's plan with a symbolic batch axis runs any batch without optimising again, but a plan for
//! a known batch is faster (1.4 to 5 times for convolutions at batch 1), and most requests hold one
//! row: so both are made at load. Where the symbolic plan cannot be made the one-row plan runs
//! row by row.

use super::bounds::{self, MOST_ELEMENTS};
use super::convert::{self, words};
use super::sizes::{Sizes, Way};
use crate::engine::conformance::{Closeness, compare};
use crate::engine::onnx::{Graph, pb};
use crate::engine::{Dim, Prepared, RunError, Session, Signature, TensorSpec};
use crate::tensor::{Data, Tensor};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    /// So many rows.
    sizes: Sizes<Plan>,
    memory: usize,
}

/// Networks with more weights than this get no plans for other sizes: each holds weights of its own.
const SIZED_BYTES: usize = 256 << 20;

/// How close the answers of two plans are: rows that know of each other make a larger difference.
const ALIKE: Closeness = Closeness { rtol: 1e-2, atol: 1e-3 };

impl Network {
    /// Prepares the plans; the error is tract's reason.
    pub fn new(proto: &pb::ModelProto, graph: &Graph) -> Result<Self, String> {
        let signature = Signature::new(graph.inputs.clone(), graph.outputs.clone());
        bounds::check_told(graph)?;
        let typed = typed(proto, &signature).map_err(|error| words(&error))?;
        let largest = bounds::largest(&typed);
        if largest > MOST_ELEMENTS {
            return Err(format!("one row makes a tensor of more than {MOST_ELEMENTS} elements"));
        }
        let memory = graph.constants.values().map(Tensor::bytes).sum();
        let any = optimise(typed.clone());
        let one = signature.batchable().then(|| sized(&typed, &signature, 1)).transpose();
        let (any, one) = match (any, one) {
            (Ok(any), one) => (Some(any), one.ok().flatten()),
            (Err(_), Ok(Some(one))) => (None, Some(one)),
            (Err(error), _) => return Err(words(&error)),
        };
        let sizes = Sizes::unmeasured(one, any.is_some());
        let mut plans = Plans { signature, any, sizes, memory };
        plans.try_sizes(&typed, MOST_ELEMENTS / largest.max(1));
        Ok(Self(Arc::new(plans)))
    }

    /// The plans in words, for the reason shown beside the engine.
    pub fn plans(&self) -> String {
        match (&self.0.any, self.0.sizes.words()) {
            (Some(_), sizes) if sizes.is_empty() => "one plan for any batch".to_owned(),
            (Some(_), sizes) => format!("one plan for any batch, and plans for pieces of so many rows: {sizes}"),
            (None, sizes) => format!("plans for pieces of so many rows: {sizes}"),
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

/// The same network with the batch symbol set to a number of rows.
fn sized(typed: &TypedModel, signature: &Signature, rows: usize) -> TractResult<Plan> {
    let mut values = HashMap::new();
    for at in 0..signature.inputs.len() {
        let fact = typed.input_fact(at)?;
        for symbol in fact.shape.first().map(|dim| dim.symbols()).into_iter().flatten() {
            values.insert(symbol, rows.to_dim());
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
        let plans = usize::from(self.0.any.is_some()) + self.0.sizes.plans.len();
        self.0.memory * plans
    }
}

struct State(Arc<Plans>);

impl Session for State {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        let plans = &*self.0;
        let rows = inputs.first().map_or(1, Tensor::rows);
        match plans.sizes.way(rows) {
            Way::Any => plans.any(inputs),
            Way::Sized(at) => plans.filled(at, inputs, rows),
        }
    }
}

impl Plans {
    /// Keeps plans for the sizes, `most` rows at most, at which they are faster, if the network's inputs
    /// can be made up.
    fn try_sizes(&mut self, typed: &TypedModel, most: usize) {
        let known = self.signature.batchable() && self.signature.row_elements().is_some();
        if !known || self.memory > SIZED_BYTES {
            return;
        }
        let tried = || {
            Sizes::tried(
                self.sizes.plans.first().map(|(_, one)| one.clone()),
                self.any.is_some(),
                most,
                |rows| sized(typed, &self.signature, rows).map_err(|error| RunError::Engine(words(&error))),
                |plan, rows| {
                    let zeros = self.nothing(rows)?;
                    plan.map_or_else(|| self.any(&zeros), |plan| self.execute(plan, &zeros)).map(drop)
                },
            )
        };
        // A network that cannot bear zeros, or makes tract panic at them, keeps the plans it has.
        let Ok(Ok(sizes)) = catch_unwind(AssertUnwindSafe(tried)) else { return };
        let plain = std::mem::replace(&mut self.sizes, sizes);
        if !catch_unwind(AssertUnwindSafe(|| self.pieces_agree())).unwrap_or(false) {
            self.sizes = plain;
        }
    }

    /// Whether a batch cut into pieces or filled up answers as it does whole, which it does not where
    /// rows know of each other. What cannot be run whole is taken on trust.
    fn pieces_agree(&self) -> bool {
        const ROWS: usize = 3;
        let whole = self.nothing(ROWS).and_then(|mut inputs| {
            inputs.iter_mut().for_each(vary);
            self.any(&inputs).map(|answers| (inputs, answers))
        });
        let Ok((inputs, whole)) = whole else { return true };
        (0..self.sizes.plans.len()).all(|at| {
            let pieces = self.filled(at, &inputs, ROWS).unwrap_or_default();
            pieces.len() == whole.len() && whole.iter().zip(&pieces).all(|(a, b)| compare(a, b, ALIKE).is_ok())
        })
    }

    /// Rows of zeros.
    fn nothing(&self, rows: usize) -> Result<Vec<Tensor>, RunError> {
        let zeros = |spec: &TensorSpec| {
            let dims = spec.dims.iter().skip(1).map(|dim| match dim {
                Dim::Fixed(n) => *n,
                Dim::Any(_) => 1,
            });
            let dims: Vec<usize> = std::iter::once(rows).chain(dims).collect();
            let data = Data::zeros(spec.dtype, dims.iter().product());
            Tensor::new(dims.as_slice(), data).map_err(|error| RunError::Engine(error.to_string()))
        };
        self.signature.inputs.iter().map(zeros).collect()
    }

    fn any(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        self.execute(self.any.as_ref().ok_or_else(|| RunError::Engine("no plan".into()))?, inputs)
    }

    /// Fills the batch up to whole pieces of a plan's size with copies of its last row.
    fn filled(&self, at: usize, inputs: &[Tensor], rows: usize) -> Result<Vec<Tensor>, RunError> {
        let (size, plan) = &self.sizes.plans[at];
        let surplus = rows.next_multiple_of(*size) - rows;
        if surplus == 0 {
            return self.piece_by_piece(plan, *size, inputs, rows);
        }
        let fill = |tensor: &Tensor| {
            let last = tensor.rows_at(rows - 1, 1);
            let parts = std::iter::once(tensor).chain(std::iter::repeat_n(&last, surplus));
            Tensor::stack(parts).ok().flatten().ok_or_else(|| RunError::Engine("rows cannot be stacked".into()))
        };
        let full = inputs.iter().map(fill).collect::<Result<Vec<_>, _>>()?;
        let answers = self.piece_by_piece(plan, *size, &full, rows + surplus)?;
        if answers.iter().any(|answer| answer.rows() != rows + surplus) {
            return Err(RunError::Engine("an output does not have a row for each of the inputs".into()));
        }
        Ok(answers.iter().map(|answer| answer.rows_at(0, rows)).collect())
    }

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

    /// Runs pieces of so many rows; `rows` is a multiple of that.
    fn piece_by_piece(
        &self,
        plan: &Plan,
        size: usize,
        inputs: &[Tensor],
        rows: usize,
    ) -> Result<Vec<Tensor>, RunError> {
        if size == rows {
            return self.execute(plan, inputs);
        }
        let mut answers = Vec::with_capacity(rows / size);
        for from in (0..rows).step_by(size) {
            let piece: Vec<Tensor> = inputs.iter().map(|tensor| tensor.rows_at(from, size)).collect();
            answers.push(self.execute(plan, &piece)?);
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

/// Rows that differ from each other, in the types that networks take.
fn vary(tensor: &mut Tensor) {
    let data = match tensor.data() {
        Data::F32(values) => Data::F32((0..values.len()).map(|at| (at * 7 % 11) as f32 * 0.5 - 2.0).collect()),
        Data::F64(values) => Data::F64((0..values.len()).map(|at| (at * 7 % 11) as f64 * 0.5 - 2.0).collect()),
        _ => return,
    };
    *tensor = Tensor::new(tensor.shape().clone(), data).expect("as many as there were");
}

#[cfg(test)]
mod tests;
