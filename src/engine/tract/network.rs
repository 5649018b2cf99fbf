//! A dense network prepared once: a plan for any number of rows, one for exactly one, and some for
//! sizes between where they are faster.
//!
//! tract's plan with a symbolic batch axis runs any batch without optimising again, but a plan for
//! a known batch is faster (1.4 to 5 times for convolutions at batch 1), and most requests hold one
//! row: so both are made at load. Where the symbolic plan cannot be made the one-row plan runs
//! row by row.

use super::convert::{self, words};
use super::sizes::{Sizes, Way};
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
/// Elements of the inputs that sizes are tried with: a file may claim rows of any width.
const TRIED_ELEMENTS: usize = 1 << 24;

impl Network {
    /// Prepares the plans; the error is tract's reason.
    pub fn new(proto: &pb::ModelProto, graph: &Graph) -> Result<Self, String> {
        let signature = Signature::new(graph.inputs.clone(), graph.outputs.clone());
        let typed = typed(proto, &signature).map_err(|error| words(&error))?;
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
        plans.try_sizes(&typed);
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
    /// Keeps plans for the sizes at which they are faster, if the network's inputs can be made up.
    fn try_sizes(&mut self, typed: &TypedModel) {
        let most = self.signature.row_elements().map_or(0, |elements| TRIED_ELEMENTS / elements.max(1));
        if !self.signature.batchable() || self.memory > SIZED_BYTES || most == 0 {
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
        if let Ok(Ok(sizes)) = catch_unwind(AssertUnwindSafe(tried)) {
            self.sizes = sizes;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::conformance::{Closeness, compare};
    use prost::Message;

    /// The bundled network with plans for 4 and 16 rows, whatever they save.
    fn network() -> Plans {
        let bytes = include_bytes!("../../../models/digits/1/model.onnx");
        let proto = pb::ModelProto::decode(&bytes[..]).expect("a model");
        let graph = Graph::new(&proto).expect("a graph");
        let signature = Signature::new(graph.inputs.clone(), graph.outputs);
        let typed = typed(&proto, &signature).expect("tract reads it");
        let plan = |rows| (rows, 1e-9 * rows as f64, sized(&typed, &signature, rows).expect("a plan"));
        let sizes = Sizes::with([4, 16].map(plan).into());
        Plans { signature, any: Some(optimise(typed).expect("a plan")), sizes, memory: 0 }
    }

    #[test]
    fn batches_filled_up_or_cut_answer_as_any_batch_does() {
        let plans = network();
        for rows in [1, 3, 4, 5, 15, 16, 17, 33] {
            let spec = &plans.signature.inputs[0];
            let width: usize = spec.dims[1..].iter().map(|dim| if let Dim::Fixed(n) = dim { *n } else { 1 }).product();
            let values: Vec<f32> = (0..rows * width).map(|at| (at % 17) as f32).collect();
            let dims: Vec<usize> =
                [rows].into_iter().chain(plans.nothing(1).expect("zeros")[0].shape()[1..].to_vec()).collect();
            let inputs = [Tensor::new(dims.as_slice(), Data::F32(values)).expect("it fits")];
            let want = plans.any(&inputs).expect("it runs");
            let Way::Sized(at) = plans.sizes.way(rows) else { panic!("{rows} rows have a plan") };
            let got = plans.filled(at, &inputs, rows).expect("it runs");
            for (want, got) in want.iter().zip(&got) {
                compare(want, got, Closeness { rtol: 1e-5, atol: 1e-6 }).expect("the same answers");
            }
        }
    }

    /// `y = relu(x)` over rows of so many elements.
    fn relu(width: i64) -> pb::ModelProto {
        use pb::tensor_shape_proto::{Dimension, dimension::Value};
        let dims = [None, Some(Value::DimValue(width))].map(|value| Dimension { value, ..Default::default() });
        let shape = Some(pb::TensorShapeProto { dim: dims.into() });
        let tensor = pb::type_proto::Tensor { elem_type: pb::tensor_proto::DataType::Float as i32, shape };
        let value = Some(pb::type_proto::Value::TensorType(tensor));
        let end = |name: &str| pb::ValueInfoProto {
            name: name.into(),
            r#type: Some(pb::TypeProto { value: value.clone(), ..Default::default() }),
            ..Default::default()
        };
        let (input, output) = (vec!["x".into()], vec!["y".into()]);
        let node = pb::NodeProto { op_type: "Relu".into(), input, output, ..Default::default() };
        let graph =
            pb::GraphProto { node: vec![node], input: vec![end("x")], output: vec![end("y")], ..Default::default() };
        let opset_import = vec![pb::OperatorSetIdProto { version: 17, ..Default::default() }];
        pb::ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..Default::default() }
    }

    #[test]
    fn rows_of_any_width_cost_no_memory_until_a_request_brings_one() {
        for width in [1 << 40, i64::MAX] {
            let proto = relu(width);
            let graph = Graph::new(&proto).expect("a graph");
            let network = Network::new(&proto, &graph).expect("tract takes it");
            let kept: Vec<usize> = network.0.sizes.plans.iter().map(|(rows, _)| *rows).collect();
            assert_eq!(kept, [1], "{width}: nothing was tried");
        }
    }
}
