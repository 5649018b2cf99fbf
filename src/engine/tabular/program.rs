//! A graph turned into steps over numbered slots.

use super::ops::{self, Op};
use crate::engine::onnx::{Graph, Node};
use crate::engine::{Prepared, RunError, Session, Signature};
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::collections::HashMap;
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
}

impl Program {
    /// Builds the steps; the error names the operator that stands in the way.
    pub fn new(graph: &Graph) -> Result<Self, String> {
        let mut builder = Builder::new(graph);
        for node in &graph.nodes {
            builder.add(node).map_err(|words| format!("operator {node} (node '{}'): {words}", node.name))?;
        }
        builder.finish(graph).map(|plan| Self(Arc::new(plan)))
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
}

struct State {
    plan: Arc<Plan>,
    slots: Vec<Option<Tensor>>,
}

impl Session for State {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        self.slots.clear();
        self.slots.resize_with(self.plan.slots, || None);
        let plan = &*self.plan;
        for step in &plan.steps {
            let results = plan.run_step(step, inputs, &self.slots)?;
            for (slot, result) in (step.first_slot..).zip(results) {
                self.slots[slot] = Some(result);
            }
        }
        let answers = plan.answers(inputs, &mut self.slots);
        self.slots.clear();
        answers
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

/// Names to sources while the steps are laid out.
struct Builder {
    names: HashMap<String, Source>,
    constants: Vec<Tensor>,
    steps: Vec<Step>,
    slots: usize,
    memory: usize,
    opset: i64,
}

impl Builder {
    fn new(graph: &Graph) -> Self {
        let inputs = graph.inputs.iter().enumerate().map(|(at, spec)| (spec.name.clone(), Source::Input(at)));
        let mut builder = Self {
            names: inputs.collect(),
            constants: Vec::new(),
            steps: Vec::new(),
            slots: 0,
            memory: 0,
            opset: graph.opset,
        };
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
        if node.op == "Identity" {
            let (Some(output), Some(source)) = (node.outputs.first(), inputs.first()) else {
                return Err("expected one input and one output".into());
            };
            self.names.insert(output.clone(), *source);
            return Ok(());
        }
        let op = ops::build(node, self.opset)?;
        self.memory += op.memory_bytes();
        match self.all_constant(&inputs) {
            Some(operands) if !operands.is_empty() || node.op == "Constant" => self.fold(node, op.as_ref(), &operands),
            _ => {
                self.push(node, op, inputs);
                Ok(())
            }
        }
    }

    fn sources(&self, node: &Node) -> Result<SmallVec<[Source; 4]>, String> {
        let mut names = node.inputs.as_slice();
        while names.last().is_some_and(String::is_empty) {
            names = &names[..names.len() - 1];
        }
        names
            .iter()
            .map(|name| self.names.get(name).copied().ok_or_else(|| format!("its input '{name}' comes from nowhere")))
            .collect()
    }

    fn all_constant(&self, inputs: &[Source]) -> Option<Vec<Tensor>> {
        inputs
            .iter()
            .map(|source| match source {
                Source::Constant(at) => self.constants.get(*at).cloned(),
                _ => None,
            })
            .collect()
    }

    /// Computes at load what does not depend on a request.
    fn fold(&mut self, node: &Node, op: &dyn Op, operands: &[Tensor]) -> Result<(), String> {
        let operands: Vec<&Tensor> = operands.iter().collect();
        let results = op.run(&operands).map_err(|error| error.to_string())?;
        for (name, result) in node.outputs.iter().zip(results) {
            self.constant(name.clone(), result);
        }
        Ok(())
    }

    fn push(&mut self, node: &Node, op: Box<dyn Op>, inputs: SmallVec<[Source; 4]>) {
        for (offset, name) in node.outputs.iter().enumerate() {
            self.names.insert(name.clone(), Source::Slot(self.slots + offset));
        }
        self.steps.push(Step { op, what: node.to_string(), inputs, first_slot: self.slots });
        self.slots += node.outputs.len();
    }

    fn finish(self, graph: &Graph) -> Result<Plan, String> {
        let outputs = graph
            .outputs
            .iter()
            .map(|spec| {
                self.names.get(&spec.name).copied().ok_or_else(|| format!("nothing computes output '{}'", spec.name))
            })
            .collect::<Result<_, _>>()?;
        Ok(Plan {
            signature: Signature::new(graph.inputs.clone(), graph.outputs.clone()),
            constants: self.constants,
            steps: self.steps,
            slots: self.slots,
            outputs,
            memory: self.memory,
        })
    }
}
