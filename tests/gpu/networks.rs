//! Random dense networks, in one kernel and in a kernel for each layer.

use crate::gpu::generate::{Random, network, plain_table};
use crate::{batches_change_nothing, config, device, import, place, run};
use proptest::prelude::*;
use tidegate::engine::conformance::{self, Closeness};
use tidegate::engine::device::{Precision, Work};
use tidegate::engine::{self, Format};
use tidegate::tensor::Tensor;

fn check(bytes: &[u8], width: usize, random: &mut Random) -> Result<(), TestCaseError> {
    let device = device().expect("asked for before");
    let taken = place(device, Format::Onnx, bytes, &[plain_table(random, 5, width)]).map_err(TestCaseError::fail)?;
    let cpu = import(Format::Onnx, bytes).model;
    let close = Closeness { rtol: 1e-4, atol: 1e-5 };
    for rows in [1, 6, 33, 130] {
        let inputs = [plain_table(random, rows, width)];
        for (want, got) in run(&cpu, &inputs).iter().zip(&run(&taken.alone, &inputs)) {
            conformance::compare(want, got, close).map_err(TestCaseError::fail)?;
        }
    }
    batches_change_nothing(&taken.alone, &[plain_table(random, 7, width)]);
    Ok(())
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn networks_answer_as_on_the_cpu(seed: u64) {
        if device().is_none() {
            return Ok(());
        }
        let random = &mut Random(seed);
        let layers = 1 + random.below(5);
        let widths: Vec<usize> = (0..=layers).map(|_| 1 + random.below(70)).collect();
        let end = [None, Some("Softmax"), Some("LogSoftmax"), Some("Sigmoid")][random.below(4)];
        let bytes = network(random, &widths, end);
        check(&bytes, widths[0], random)?;
    }
}

#[test]
fn lower_precisions_are_taken_where_they_answer_nearly_the_same() {
    let Some(device) = device() else { return };
    let random = &mut Random(5);
    let bytes = network(random, &[40, 64, 33, 5], Some("Softmax"));
    let cpu = import(Format::Onnx, &bytes).model;
    let inputs = [plain_table(random, 50, 40)];
    let want = run(&cpu, &inputs);
    let fp32 = place(device, Format::Onnx, &bytes, &inputs).expect("placed");
    let mut answers = vec![run(&fp32.alone, &inputs)];
    for precision in [Precision::Tf32, Precision::Bf16] {
        let lowered = engine::lower(Format::Onnx, &bytes, cpu.as_ref()).expect("a network");
        let work = Work { sample: &inputs, always: false, precision };
        let taken = device.place(&cpu, lowered, work).expect("near enough");
        let got = run(&taken.alone, &inputs);
        let near = Closeness { rtol: 0.0, atol: 10.0 * precision.tolerance() };
        conformance::compare(&want[0], &got[0], near).expect("near");
        batches_change_nothing(&taken.alone, &inputs);
        answers.push(got);
    }
    let apart = |pair: &[Vec<Tensor>]| conformance::compare(&pair[0][0], &pair[1][0], Closeness::EXACT).is_err();
    assert!(answers.windows(2).all(apart), "each precision has its own bits");
    // Rows whose classes hang by a thread do not pass: every class is as likely as every other.
    let even = network(&mut Random(5), &[40, 64, 33, 5], None);
    let rows = [plain_table(&mut Random(1), 500, 40)];
    let cpu = import(Format::Onnx, &even).model;
    let lowered = engine::lower(Format::Onnx, &even, cpu.as_ref()).expect("a network");
    let work = Work { sample: &rows, always: false, precision: Precision::Bf16 };
    let refused = device.place(&cpu, lowered, work).map(|_| ()).expect_err("some class changes");
    assert!(refused.contains("bf16 says another class in row"), "{refused}");
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
