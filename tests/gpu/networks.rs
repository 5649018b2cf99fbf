//! Random dense networks, in one kernel and in a kernel for each layer.

use crate::gpu::generate::{Random, network, plain_table};
use crate::{batches_change_nothing, config, device, import, place, run};
use proptest::prelude::*;
use tidegate::engine::Format;
use tidegate::engine::conformance::{self, Closeness};

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
