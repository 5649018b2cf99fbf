//! Random forests on the device beside the CPU.

use crate::gpu::generate::{self, Random, differences, table};
use crate::{batches_change_nothing, config, device, place, run};
use proptest::prelude::*;
use tidegate::engine::Format;
use tidegate::tensor::Data;

fn check(bytes: &[u8], columns: usize, random: &mut Random, exact: bool) -> Result<(), TestCaseError> {
    let device = device().expect("asked for before");
    let sample = [table(random, 5, columns)];
    let taken = place(device, Format::Onnx, bytes, &sample).map_err(TestCaseError::fail)?;
    let cpu = crate::import(Format::Onnx, bytes).model;
    for rows in [1, 7, 40, 300] {
        let inputs = [table(random, rows, columns)];
        for (want, got) in run(&cpu, &inputs).iter().zip(&run(&taken.alone, &inputs)) {
            let label = matches!(want.data(), Data::I64(_));
            prop_assert_eq!(differences(want, got, exact || label), 0, "{} rows: {:?} beside {:?}", rows, want, got);
        }
    }
    batches_change_nothing(&taken.alone, &[table(random, 9, columns)]);
    Ok(())
}

proptest! {
    #![proptest_config(config(8))]

    /// Scores before any transform are the CPU's to the bit: the same leaves, added in the same order.
    #[test]
    fn scores_are_those_of_the_cpu_to_the_bit(seed: u64) {
        if device().is_none() {
            return Ok(());
        }
        let random = &mut Random(seed);
        let (bytes, columns) = generate::regressor(random);
        check(&bytes, columns, random, true)?;
    }

    /// Labels are the CPU's, and probabilities are within a rounding of them.
    #[test]
    fn classes_are_those_of_the_cpu(seed: u64) {
        if device().is_none() {
            return Ok(());
        }
        let random = &mut Random(seed);
        let (bytes, columns) = generate::classifier(random);
        check(&bytes, columns, random, false)?;
    }

    /// Rows that are scaled, filled and encoded on the device are those of the CPU.
    #[test]
    fn prepared_rows_are_those_of_the_cpu(seed: u64) {
        if device().is_none() {
            return Ok(());
        }
        let random = &mut Random(seed);
        let (bytes, columns) = generate::pipeline(random);
        check(&bytes, columns, random, true)?;
    }
}

#[test]
fn a_batch_that_no_slot_holds_is_for_the_cpu() {
    let Some(device) = device() else { return };
    let bytes = generate::many_scores(&mut Random(7), 65_000);
    let rows = |count| [table(&mut Random(1), count, 2)];
    let taken = place(device, Format::Onnx, &bytes, &rows(2)).expect("small batches have room");
    let cpu = crate::import(Format::Onnx, &bytes).model;
    let (want, got) = (run(&cpu, &rows(3)), run(&taken.alone, &rows(3)));
    assert_eq!(differences(&want[0], &got[0], true), 0);
    let refused = taken.alone.session().expect("a session").run(&rows(100)).expect_err("too many rows");
    assert!(refused.to_string().contains("no slot holds 100 rows"), "{refused}");
    let (want, got) = (run(&cpu, &rows(100)), run(&taken.model, &rows(100)));
    assert_eq!(differences(&want[0], &got[0], true), 0, "the CPU has room");
}
