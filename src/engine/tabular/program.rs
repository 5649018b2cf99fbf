//! A graph turned into steps over numbered slots.

mod extras;
mod fuse;
mod lower;

use super::ops::{self, Op, at_most};
use super::row::Columns;
use crate::engine::cache::Place;
use crate::engine::onnx::{Domain, Graph, Node};
use crate::engine::{Extras, Lowered, Origin, Prepared, RunError, Session, Signature};
use crate::tensor::Tensor;
use extras::Told;
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Where a step finds an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    Input(usize),
    Constant(usize),
    Slot(usize),
}

/// One operator with its operands and the slots of its results.
struct Step {
    op: Box<dyn Op>,
    what: String,
    inputs: SmallVec<[Source; 4]>,
    first_slot: usize,
    /// How many slots it fills; results that the graph gives no name are let go.
    outputs: usize,
    /// Slots that no later step reads.
    last_read: SmallVec<[usize; 4]>,
}

/// A prepared tabular model.
pub struct Program(Arc<Plan>);

struct Plan {
    signature: Signature,
    constants: Vec<Tensor>,
    steps: Vec<Step>,
    slots: usize,
    outputs: Vec<Source>,
    memory: usize,
    /// The one step that asks trees, where there is one.
    told: Option<Told>,
    /// The words of a dictionary that its one input stands for; empty for other inputs.
    columns: Vec<String>,
}

impl Program {
    /// Builds the steps; the error names the operator that stands in the way. `place` says where in
    /// the cache the model belongs.
    pub fn new(graph: &Graph, place: Option<Place<'_>>) -> Result<Self, String> {
        let mut builder = Builder::new(graph, place);
        for node in &graph.nodes {
            builder.add(node).map_err(|words| format!("operator {node} (node '{}'): {words}", node.name))?;
        }
        builder.finish(graph).map(|plan| Self(Arc::new(plan)))
    }

    /// Whether the cache had any of its steps.
    pub fn origin(&self) -> Origin {
        let kept = self.0.steps.iter().any(|step| step.op.origin() == Origin::Cache);
        if kept { Origin::Cache } else { Origin::File }
    }
}

impl Prepared for Program {
    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn session(&self) -> Result<Box<dyn Session>, RunError> {
        Ok(Box::new(State { plan: self.0.clone(), slots: Vec::with_capacity(self.0.slots) }))
    }

    fn memory_bytes(&self) -> usize {
        self.0.memory
    }

    fn columns(&self) -> &[String] {
        &self.0.columns
    }

    fn takes_dictionary(&self) -> bool {
        !self.0.columns.is_empty()
    }

    fn lower(&self) -> Result<Lowered, String> {
        self.lowered()
    }

    fn describe(&self) -> Vec<String> {
        let step = |step: &Step| {
            [step.what.clone()].into_iter().chain(step.op.describe().into_iter().map(|line| format!("  {line}")))
        };
        self.0.steps.iter().flat_map(step).collect()
    }
}

struct State {
    plan: Arc<Plan>,
    slots: Vec<Option<Tensor>>,
}

impl Session for State {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        self.run_asked(inputs, Extras::NONE)
    }

    fn run_asked(&mut self, inputs: &[Tensor], extras: Extras) -> Result<Vec<Tensor>, RunError> {
        self.slots.clear();
        self.slots.resize_with(self.plan.slots, || None);
        let plan = &*self.plan;
        let mut told = Vec::new();
        for (at, step) in plan.steps.iter().enumerate() {
            let results = plan.run_step(step, inputs, &self.slots)?;
            if let Some(trees) = plan.told.as_ref().filter(|trees| trees.step == at) {
                told = plan.tell(trees, extras, inputs, &self.slots)?;
            }
            for (slot, result) in (step.first_slot..).zip(results.into_iter().take(step.outputs)) {
                self.slots[slot] = Some(result);
            }
            for slot in &step.last_read {
                self.slots[*slot] = None;
            }
        }
        let answers = plan.answers(inputs, &mut self.slots);
        self.slots.clear();
        answers.map(|answers| answers.into_iter().chain(told).collect())
    }
}

impl Plan {
    fn run_step(&self, step: &Step, inputs: &[Tensor], slots: &[Option<Tensor>]) -> Result<ops::Outputs, RunError> {
        let mut operands: SmallVec<[&Tensor; 8]> = SmallVec::new();
        for source in &step.inputs {
            operands.push(self.find(*source, inputs, slots)?);
        }
        step.op.run(&operands).map_err(|error| match error {
            RunError::Input(words) => RunError::Input(format!("{}: {words}", step.what)),
            RunError::Engine(words) => RunError::Engine(format!("{}: {words}", step.what)),
        })
    }

    fn find<'a>(
        &'a self,
        source: Source,
        inputs: &'a [Tensor],
        slots: &'a [Option<Tensor>],
    ) -> Result<&'a Tensor, RunError> {
        match source {
            Source::Input(at) => inputs.get(at),
            Source::Constant(at) => self.constants.get(at),
            Source::Slot(at) => slots.get(at).and_then(Option::as_ref),
        }
        .ok_or_else(|| RunError::Engine(format!("operand {source:?} is not there")))
    }

    fn answers(&self, inputs: &[Tensor], slots: &mut [Option<Tensor>]) -> Result<Vec<Tensor>, RunError> {
        let mut answers = Vec::with_capacity(self.outputs.len());
        for (index, source) in self.outputs.iter().enumerate() {
            let wanted_again = self.outputs[index + 1..].contains(source);
            let answer = match source {
                Source::Slot(at) if !wanted_again => slots.get_mut(*at).and_then(Option::take),
                _ => self.find(*source, inputs, slots).ok().cloned(),
            };
            answers.push(answer.ok_or_else(|| RunError::Engine(format!("output {index} was not computed")))?);
        }
        Ok(answers)
    }
}

/// Elements of a constant that is computed at load, where its operands have less than half as many.
const FOLDED_ELEMENTS: usize = 1 << 20;
/// Bytes of all of these, beside some for each byte that the file stores.
const FOLDED_BYTES: usize = 16 << 20;

/// Names to sources while the steps are laid out.
struct Builder<'a> {
    names: HashMap<String, Source>,
    /// What tables are made of, where that is known.
    columns: HashMap<Source, Columns>,
    constants: Vec<Tensor>,
    steps: Vec<Step>,
    slots: usize,
    memory: usize,
    opset: i64,
    place: Option<Place<'a>>,
    /// Bytes of constants in the file, and of those computed from them.
    stored: usize,
    folded: usize,
}

impl<'a> Builder<'a> {
    fn new(graph: &Graph, place: Option<Place<'a>>) -> Self {
        let inputs = graph.inputs.iter().enumerate().map(|(at, spec)| (spec.name.clone(), Source::Input(at)));
        let mut builder = Self {
            names: inputs.collect(),
            columns: HashMap::new(),
            constants: Vec::new(),
            steps: Vec::new(),
            slots: 0,
            memory: 0,
            opset: graph.opset,
            place,
            stored: graph.constants.values().map(Tensor::bytes).sum(),
            folded: 0,
        };
        builder.describe_inputs(&Signature::new(graph.inputs.clone(), graph.outputs.clone()));
        for (name, tensor) in &graph.constants {
            builder.constant(name.clone(), tensor.clone());
        }
        builder
    }

    fn constant(&mut self, name: String, tensor: Tensor) {
        self.memory += tensor.bytes();
        self.names.insert(name, Source::Constant(self.constants.len()));
        self.constants.push(tensor);
    }

    fn add(&mut self, node: &Node) -> Result<(), String> {
        let inputs = self.sources(node)?;
        if node.op == "Identity" && node.domain == Domain::Onnx {
            let (Some(output), Some(source)) = (node.outputs.first(), inputs.first()) else {
                return Err("expected one input and one output".into());
            };
            self.names.insert(output.clone(), *source);
            return Ok(());
        }
        let op = ops::build(node, self.opset, self.place)?;
        match self.all_constant(&inputs) {
            Some(operands) if !operands.is_empty() || node.op == "Constant" => {
                // What does not depend on a request is computed at load.
                let given: usize = operands.iter().map(|tensor| tensor.data().len()).sum();
                let results = at_most(FOLDED_ELEMENTS.max(2 * given), || op.run(&operands));
                let results = results.map_err(|error| error.to_string())?;
                for (name, result) in node.outputs.iter().zip(results) {
                    let sum = if node.op == "Constant" { &mut self.stored } else { &mut self.folded };
                    *sum += result.bytes();
                    self.constant(name.clone(), result);
                }
                if self.folded > FOLDED_BYTES + 8 * self.stored {
                    return Err("the constants that the graph computes take far more memory than it stores".into());
                }
            }
            _ => {
                self.memory += op.memory_bytes();
                self.push(node, op, inputs);
            }
        }
        Ok(())
    }

    /// The inputs that the node names, in order.
    fn sources(&self, node: &Node) -> Result<SmallVec<[Source; 4]>, String> {
        node.inputs
            .iter()
            .filter(|name| !name.is_empty())
            .map(|name| self.names.get(name).copied().ok_or_else(|| format!("its input '{name}' comes from nowhere")))
            .collect()
    }

    fn all_constant(&self, inputs: &[Source]) -> Option<Vec<&Tensor>> {
        inputs
            .iter()
            .map(|source| match source {
                Source::Constant(at) => self.constants.get(*at),
                _ => None,
            })
            .collect()
    }

    fn push(&mut self, node: &Node, op: Box<dyn Op>, inputs: SmallVec<[Source; 4]>) {
        for (offset, name) in node.outputs.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            self.names.insert(name.clone(), Source::Slot(self.slots + offset));
        }
        self.describe(op.as_ref(), &inputs, Source::Slot(self.slots));
        let (first_slot, outputs) = (self.slots, node.outputs.len());
        let last_read = SmallVec::new();
        self.steps.push(Step { op, what: node.to_string(), inputs, first_slot, outputs, last_read });
        self.slots += outputs;
    }

    fn finish(mut self, graph: &Graph) -> Result<Plan, String> {
        let mut outputs: Vec<Source> = graph
            .outputs
            .iter()
            .map(|spec| {
                self.names.get(&spec.name).copied().ok_or_else(|| format!("nothing computes output '{}'", spec.name))
            })
            .collect::<Result<_, _>>()?;
        self.fuse(&mut outputs);
        self.keep_what_is_read(&outputs);
        Ok(Plan {
            signature: Signature::new(graph.inputs.clone(), graph.outputs.clone()),
            constants: self.constants,
            steps: self.steps,
            slots: self.slots,
            outputs,
            memory: self.memory,
            told: None,
            columns: Vec::new(),
        })
    }

    /// Takes steps away whose results nothing reads, and notes at the others which slots they are the
    /// last to read, so that a run holds no more than it still needs.
    fn keep_what_is_read(&mut self, outputs: &[Source]) {
        let mut read: HashSet<Source> = outputs.iter().copied().collect();
        let mut kept = Vec::with_capacity(self.steps.len());
        for mut step in std::mem::take(&mut self.steps).into_iter().rev() {
            let slots = step.first_slot..step.first_slot + step.outputs;
            if !slots.clone().any(|slot| read.contains(&Source::Slot(slot))) {
                self.memory = self.memory.saturating_sub(step.op.memory_bytes());
                continue;
            }
            step.last_read.extend(slots.filter(|slot| !read.contains(&Source::Slot(*slot))));
            for source in &step.inputs {
                if let (true, Source::Slot(slot)) = (read.insert(*source), source) {
                    step.last_read.push(*slot);
                }
            }
            kept.push(step);
        }
        kept.reverse();
        self.steps = kept;
    }
}

#[cfg(test)]
mod tests;
