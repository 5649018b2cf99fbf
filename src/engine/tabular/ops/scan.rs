//! Scan: a graph of its own, run once for each slice of its inputs, with a state that is handed on.
//!
//! Nearest neighbours are exported with it: the state is the table of a request, and the slices are the
//! stored rows that it is measured against. The graph must be whole: a name from around it is not known.

use super::operands::{Lines, axis, length, runs, tensor};
use super::{Call, Op, Outputs};
use crate::engine::onnx::Graph;
use crate::engine::tabular::Program;
use crate::engine::{Prepared, RunError};
use crate::tensor::{Shape, Tensor};

pub struct Scan {
    body: Program,
    /// Operands behind the states, each with its axis and whether it is walked from the end.
    sliced: Vec<(i64, bool)>,
    states: usize,
    /// Whether the results of each round are stacked from the last to the first.
    reversed: Vec<bool>,
}

impl Scan {
    pub fn new(call: &Call<'_>) -> Result<Self, String> {
        let attributes = call.attributes();
        if call.opset < 9 {
            return Err("operator sets before 9 scan in another way; export with 9 or later".into());
        }
        if attributes.ints("scan_output_axes").iter().any(|axis| *axis != 0) {
            return Err("results that are stacked on another axis than the first are not supported".into());
        }
        let body = attributes.graph("body").ok_or("it has no body")?;
        let graph = Graph::body(body, call.opset)?;
        let slices =
            usize::try_from(attributes.int("num_scan_inputs", 0)).map_err(|_| "num_scan_inputs is negative")?;
        let given = call.node.inputs.len();
        let states = given.checked_sub(slices).filter(|states| slices > 0 && *states <= graph.outputs.len());
        let states = states.ok_or_else(|| format!("{slices} of {given} inputs cannot be scanned"))?;
        if graph.inputs.len() != given || call.node.outputs.len() > graph.outputs.len() {
            return Err(format!("its body has {} inputs, expected {given}", graph.inputs.len()));
        }
        let axes = attributes.ints("scan_input_axes");
        let back = |name: &str, at: usize| attributes.ints(name).get(at).is_some_and(|direction| *direction != 0);
        let sliced =
            (0..slices).map(|at| (axes.get(at).copied().unwrap_or(0), back("scan_input_directions", at))).collect();
        let reversed = (0..graph.outputs.len() - states).map(|at| back("scan_output_directions", at)).collect();
        Ok(Self { body: Program::new(&graph, None)?, sliced, states, reversed })
    }

    /// How often the body runs: the length of the scanned axes, which must be one.
    fn rounds(&self, scanned: &[&Tensor]) -> Result<usize, RunError> {
        let mut rounds = None;
        for (tensor, (at, _)) in scanned.iter().zip(&self.sliced) {
            let len = tensor.shape()[axis(*at, tensor.shape().len())?];
            if *rounds.get_or_insert(len) != len {
                return Err(RunError::Engine("the scanned inputs differ in length".into()));
            }
        }
        match rounds {
            Some(rounds) if rounds > 0 => Ok(rounds),
            _ => Err(RunError::Input("there is nothing to scan".into())),
        }
    }
}

/// One index of an axis, which is gone from the slice.
fn slice(input: &Tensor, at: i64, round: usize) -> Result<Tensor, RunError> {
    let axis = axis(at, input.shape().len())?;
    let lines = Lines::new(input.shape(), axis);
    let mut dims = input.shape().to_vec();
    dims.remove(axis);
    let blocks = if length(&dims)? == 0 { 0 } else { lines.outer };
    let starts: Vec<usize> = (0..blocks).map(|block| (block * lines.len + round) * lines.inner).collect();
    Tensor::new(dims.as_slice(), runs(input.data(), &starts, lines.inner)).map_err(engine)
}

/// The results of all rounds on a new first axis.
fn stacked(mut rounds: Vec<Tensor>, reversed: bool) -> Result<Tensor, RunError> {
    if reversed {
        rounds.reverse();
    }
    let Some(first) = rounds.first() else { return Err(RunError::Engine("no round was run".into())) };
    let dims = [&[rounds.len()], &**first.shape()].concat();
    length(&dims)?;
    let one = |tensor: &Tensor| Tensor::new([&[1], &**tensor.shape()].concat().as_slice(), tensor.data().clone());
    let rows = rounds.iter().map(one).collect::<Result<Vec<_>, _>>().map_err(engine)?;
    let whole = Tensor::stack(&rows).map_err(engine)?;
    whole.map_or_else(|| tensor(Shape::new(&dims), Vec::<f32>::new()), Ok)
}

fn engine(error: crate::tensor::TensorError) -> RunError {
    RunError::Engine(error.to_string())
}

impl Op for Scan {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        if operands.len() != self.states + self.sliced.len() {
            return Err(RunError::Engine(format!("{} inputs cannot be scanned", operands.len())));
        }
        let (states, scanned) = operands.split_at(self.states);
        let rounds = self.rounds(scanned)?;
        let mut states: Vec<Tensor> = states.iter().map(|state| (*state).clone()).collect();
        let mut results: Vec<Vec<Tensor>> = vec![Vec::new(); self.reversed.len()];
        let mut session = self.body.session()?;
        for round in 0..rounds {
            let mut inputs = states;
            for (input, (axis, back)) in scanned.iter().zip(&self.sliced) {
                inputs.push(slice(input, *axis, if *back { rounds - 1 - round } else { round })?);
            }
            let mut outputs = session.run(&inputs)?;
            for (results, output) in results.iter_mut().zip(outputs.drain(self.states..)) {
                length(&[rounds, output.data().len()])?;
                results.push(output);
            }
            states = outputs;
        }
        let mut outputs: Outputs = states.into_iter().collect();
        for (rounds, reversed) in results.into_iter().zip(&self.reversed) {
            outputs.push(stacked(rounds, *reversed)?);
        }
        Ok(outputs)
    }

    fn memory_bytes(&self) -> usize {
        self.body.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::onnx::{Attributes, Domain, Node, pb};

    fn value(name: &str) -> pb::ValueInfoProto {
        pb::ValueInfoProto { name: name.into(), ..Default::default() }
    }

    fn proto(op: &str, inputs: &[&str], output: &str) -> pb::NodeProto {
        let input = inputs.iter().map(ToString::to_string).collect();
        pb::NodeProto { op_type: op.into(), input, output: vec![output.into()], ..Default::default() }
    }

    /// Hands on the sum of the state and each slice, and gives its negative.
    fn scan(reach: &str, back: i64) -> Result<Scan, String> {
        let body = pb::GraphProto {
            node: vec![proto("Add", &["state", reach], "sum"), proto("Neg", &["sum"], "out")],
            input: vec![value("state"), value("slice")],
            output: vec![value("sum"), value("out")],
            ..Default::default()
        };
        let attribute = |name: &str| pb::AttributeProto { name: name.into(), ..Default::default() };
        let attributes = [
            pb::AttributeProto { g: Some(body), ..attribute("body") },
            pb::AttributeProto { i: 1, ..attribute("num_scan_inputs") },
            pb::AttributeProto { ints: vec![back], ..attribute("scan_input_directions") },
            pb::AttributeProto { ints: vec![back], ..attribute("scan_output_directions") },
        ];
        let node = Node {
            name: "scan".into(),
            op: "Scan".into(),
            domain: Domain::Onnx,
            inputs: vec!["a".into(), "b".into()],
            outputs: vec!["last".into(), "all".into()],
            attributes: Attributes::new(&attributes),
        };
        Scan::new(&Call { node: &node, opset: 18, place: None })
    }

    #[test]
    fn a_state_is_handed_from_slice_to_slice() {
        let state = Tensor::of([2], vec![0i64, 100]).expect("fits");
        let slices = Tensor::of([3, 1], vec![1i64, 2, 3]).expect("fits");
        let run = |back| scan("slice", back).expect("whole").run(&[&state, &slices]).expect("runs");
        let forth = run(0);
        assert_eq!(forth[0].as_slice::<i64>(), Some(&[6i64, 106][..]));
        assert_eq!(forth[1].as_slice::<i64>(), Some(&[-1i64, -101, -3, -103, -6, -106][..]));
        assert_eq!(run(1)[1].as_slice::<i64>(), Some(&[-6i64, -106, -5, -105, -3, -103][..]));
    }

    #[test]
    fn names_from_around_and_empty_scans_are_refused() {
        assert!(scan("elsewhere", 0).is_err());
        let state = Tensor::of([1], vec![0i64]).expect("fits");
        let nothing = Tensor::of([0, 1], Vec::<i64>::new()).expect("fits");
        let scan = scan("slice", 0).expect("whole");
        assert!(matches!(scan.run(&[&state, &nothing]), Err(RunError::Input(_))));
        assert!(scan.run(&[&state]).is_err());
    }
}
