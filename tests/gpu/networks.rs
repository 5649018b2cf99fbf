//! Random dense networks, in one kernel and in a kernel for each layer.

use crate::{Random, batches_change_nothing, config, device, file, import, int, node, place, run};
use proptest::prelude::*;
use tidegate::engine::Format;
use tidegate::engine::conformance::{self, Closeness};
use tidegate::engine::onnx::pb;
use tidegate::tensor::Tensor;

const ACTIVATIONS: [&str; 8] = ["Relu", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "Softplus", "Identity", "Clip"];

fn constant(name: &str, dims: &[usize], values: &[f32]) -> pb::TensorProto {
    let dims = dims.iter().map(|dim| *dim as i64).collect();
    pb::TensorProto { name: name.into(), dims, data_type: 1, float_data: values.to_vec(), ..Default::default() }
}

/// A network over these widths, scaled rows in front.
fn network(random: &mut Random, widths: &[usize], end: Option<&str>) -> Vec<u8> {
    let mut numbers = |count: usize, scale: f32| (0..count).map(|_| scale * random.number()).collect::<Vec<f32>>();
    let mut constants = vec![
        constant("mean", &[widths[0]], &numbers(widths[0], 1.0)),
        constant("std", &[widths[0]], &numbers(widths[0], 1.0).iter().map(|x| 1.5 + x).collect::<Vec<_>>()),
        constant("low", &[], &[-0.5]),
        constant("high", &[], &[0.75]),
    ];
    let mut nodes = vec![
        node("Sub", "", &["x", "mean"], &["centred"], vec![]),
        node("Div", "", &["centred", "std"], &["scaled"], vec![]),
    ];
    let mut at = "scaled".to_owned();
    for (layer, pair) in widths.windows(2).enumerate() {
        let [inputs, outputs] = *pair else { unreachable!("windows of two") };
        let (weights, bias) = (format!("w{layer}"), format!("b{layer}"));
        constants.push(constant(
            &weights,
            &[outputs, inputs],
            &numbers(inputs * outputs, 2.0 / (inputs as f32).sqrt()),
        ));
        constants.push(constant(&bias, &[outputs], &numbers(outputs, 0.5)));
        let sums = format!("s{layer}");
        nodes.push(node("Gemm", "", &[&at, &weights, &bias], &[&sums], vec![int("transB", 1)]));
        let last = layer + 2 == widths.len();
        let op = if last { end.unwrap_or("Identity") } else { ACTIVATIONS[layer % ACTIVATIONS.len()] };
        at = if last { "y".to_owned() } else { format!("h{layer}") };
        let inputs: &[&str] = if op == "Clip" { &[&sums, "low", "high"] } else { &[&sums] };
        nodes.push(node(op, "", inputs, &[&at], vec![]));
    }
    file(nodes, constants, widths[0], &[("y", true, &[0, widths[widths.len() - 1] as i64])])
}

fn table(random: &mut Random, rows: usize, width: usize) -> Tensor {
    Tensor::of([rows, width], (0..rows * width).map(|_| 2.0 * random.number()).collect::<Vec<f32>>()).expect("it fits")
}

fn check(bytes: &[u8], width: usize, random: &mut Random) -> Result<(), TestCaseError> {
    let device = device().expect("asked for before");
    let taken = place(device, Format::Onnx, bytes, &[table(random, 5, width)]).map_err(TestCaseError::fail)?;
    let cpu = import(Format::Onnx, bytes).model;
    let close = Closeness { rtol: 1e-4, atol: 1e-5 };
    for rows in [1, 6, 33, 130] {
        let inputs = [table(random, rows, width)];
        for (want, got) in run(&cpu, &inputs).iter().zip(&run(&taken.alone, &inputs)) {
            conformance::compare(want, got, close).map_err(TestCaseError::fail)?;
        }
    }
    batches_change_nothing(&taken.alone, &[table(random, 7, width)]);
    Ok(())
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn networks_answer_as_on_the_cpu(seed: u64) {
        prop_assume!(device().is_some());
        let random = &mut Random(seed);
        let layers = 1 + random.below(5);
        let widths: Vec<usize> = (0..=layers).map(|_| 1 + random.below(70)).collect();
        let end = [None, Some("Softmax"), Some("LogSoftmax"), Some("Sigmoid")][random.below(4)];
        let bytes = network(random, &widths, end);
        check(&bytes, widths[0], random)?;
    }
}

#[test]
fn a_network_too_wide_for_one_block_runs_layer_by_layer() {
    if device().is_none() {
        return;
    }
    let random = &mut Random(11);
    let bytes = network(random, &[20, 7000, 3], Some("Softmax"));
    check(&bytes, 20, random).expect("the same answers");
}
