//! A program as tables for a device: trees, and before them at most the step that makes rows.

use super::{Plan, Program, Source, Step};
use crate::engine::RunError;
use crate::engine::lowered::{Body, Ends, Lowered, Raw, Rows};
use crate::engine::tabular::forest::{Entrance, one_table};
use crate::engine::tabular::ops::Labels;
use crate::engine::tabular::row::Gather;
use crate::tensor::{DType, Data, Tensor};
use smallvec::SmallVec;
use std::sync::Arc;

impl Program {
    pub(super) fn lowered(&self) -> Result<Lowered, String> {
        let plan = &*self.0;
        let (rows, trees) = match &plan.steps[..] {
            [trees] if trees.op.forest().is_some() => (None, trees),
            [rows, trees] if rows.op.assembles().is_some() && trees.op.forest().is_some() => (Some(rows), trees),
            steps => return Err(stranger(steps)),
        };
        if !plan.signature.batchable() {
            return Err("the model has no batch axis".into());
        }
        if plan.told.as_ref().is_some_and(|told| !told.always.is_empty()) {
            return Err("output.extra asks for margins or leaves with every answer, which only the CPU tells".into());
        }
        let outputs = plan.outputs.iter().map(|source| answer(*source, trees)).collect::<Result<_, _>>()?;
        match rows {
            Some(rows) => plan.behind_rows(rows, trees, outputs),
            None => plan.alone(trees, outputs),
        }
    }
}

/// Names the operator that stands in the way.
fn stranger(steps: &[Step]) -> String {
    let known = |step: &&Step| step.op.forest().is_some() || step.op.assembles().is_some();
    let named: Vec<&str> = steps.iter().filter(|step| !known(step)).map(|step| step.what.as_str()).collect();
    match named.first() {
        Some(name) => format!("operator {name} has no form for a device"),
        None => "several operators ask trees, or none does; a device takes one".into(),
    }
}

/// Which result of the trees an output is.
fn answer(output: Source, trees: &Step) -> Result<usize, String> {
    match output {
        Source::Slot(slot) if (trees.first_slot..trees.first_slot + trees.outputs).contains(&slot) => {
            Ok(slot - trees.first_slot)
        }
        _ => Err("an output does not come from the trees".into()),
    }
}

impl Plan {
    fn behind_rows(&self, rows: &Step, trees: &Step, outputs: Vec<usize>) -> Result<Lowered, String> {
        let assemble = rows.op.assembles().ok_or("the rows are not assembled")?;
        if trees.inputs.first() != Some(&Source::Slot(rows.first_slot)) {
            return Err("the trees ask other rows than those that are made for them".into());
        }
        let (columns, gather) = assemble.lower().ok_or("a column has more than 2^24 categories")?;
        let inputs = rows.inputs.iter().map(|source| match source {
            Source::Input(at) => Ok(*at),
            _ => Err("a row is made of more than the inputs".to_owned()),
        });
        let gathered = Entry::Gathered(inputs.collect::<Result<_, _>>()?, gather);
        let raw = gathered.raw();
        self.joined((raw, columns, gathered), (DType::F32, trees), outputs)
    }

    fn alone(&self, trees: &Step, outputs: Vec<usize>) -> Result<Lowered, String> {
        if trees.inputs.first() != Some(&Source::Input(0)) {
            return Err("the trees ask something else than the input".into());
        }
        let (dtype, width) = one_table(&self.signature)?;
        // Which way rows take is known once the trees are lowered.
        self.joined((Raw::F32(width), Vec::new(), Entry::Table(Entrance::Same)), (dtype, trees), outputs)
    }

    fn joined(
        &self,
        (raw, columns, entry): (Raw, Vec<crate::engine::lowered::Column>, Entry),
        (dtype, trees): (DType, &Step),
        outputs: Vec<usize>,
    ) -> Result<Lowered, String> {
        let (forest, head) = trees.op.forest().zip(trees.op.head(dtype)?).ok_or("the operator asks no trees")?;
        let (head, labels) = head;
        let (lowered, entrance) = forest.lower(dtype, head)?;
        let finished = if columns.is_empty() { raw.width() } else { columns.len() };
        if finished < lowered.features {
            return Err(format!("rows have {finished} columns, the trees ask for {}", lowered.features));
        }
        let (raw, entry) = match entry {
            Entry::Table(_) => (entrance.raw(raw.width()), Entry::Table(entrance)),
            gathered => match entrance {
                Entrance::Same => (raw, gathered),
                _ => return Err("the trees behind prepared rows compare FP64".into()),
            },
        };
        let body = Body::Forest(lowered);
        let ends = Answers { entry, labels, width: body.width(), outputs };
        Ok(Lowered { raw, columns, body, ends: Arc::new(ends) })
    }
}

/// How a request's tensors become raw rows.
enum Entry {
    /// The one input, as it is.
    Table(Entrance),
    /// Columns of these inputs.
    Gathered(Vec<usize>, Gather),
}

impl Entry {
    fn raw(&self) -> Raw {
        match self {
            Self::Table(_) => Raw::F32(0),
            Self::Gathered(_, gather) => Raw::F32(gather.width()),
        }
    }
}

struct Answers {
    entry: Entry,
    /// The names of classes, for classifiers: their first result is the label.
    labels: Option<Labels>,
    width: usize,
    /// For each output of the graph, which result of the trees it is.
    outputs: Vec<usize>,
}

impl Ends for Answers {
    fn write(&self, inputs: &[Tensor], rows: &mut Rows<'_>) -> Result<(), RunError> {
        match &self.entry {
            Entry::Table(entrance) => match inputs.first().map(Tensor::data) {
                Some(Data::F32(values)) => entrance.write_f32(values, rows),
                Some(Data::F64(values)) => entrance.write_f64(values, rows),
                _ => Err(RunError::Engine("the input holds no floats".into())),
            },
            Entry::Gathered(places, gather) => {
                let operands: SmallVec<[&Tensor; 8]> = places.iter().filter_map(|at| inputs.get(*at)).collect();
                gather.write(&operands, rows.singles()?)
            }
        }
    }

    fn read(&self, answers: &[f32], labels: &[u32]) -> Result<Vec<Tensor>, RunError> {
        let broken = |error: crate::tensor::TensorError| RunError::Engine(error.to_string());
        let count = answers.len() / self.width.max(1);
        let scores = || Tensor::of([count, self.width], answers.to_vec()).map_err(broken);
        let result = |at: &usize| match (&self.labels, at) {
            (Some(names), 0) => {
                let known = |class: &u32| (*class as usize).min(names.len().saturating_sub(1));
                names.tensor(&labels.iter().map(known).collect::<Vec<_>>())
            }
            _ => scores(),
        };
        self.outputs.iter().map(result).collect()
    }
}
