//! Both sides held against each other at load: the same answers, and what they cost.

use super::cost::{Cost, Costs};
use super::model::Remote;
use super::recipe::Way;
use crate::engine::conformance::{self, Closeness};
use crate::engine::{Prepared, Session};
use crate::tensor::Tensor;
use std::time::{Duration, Instant};

/// Runs of one size of which the fastest counts.
const RUNS: usize = 5;
/// Once a size takes this long on the CPU, larger ones are reckoned from it.
const LONG: Duration = Duration::from_millis(20);
/// How far answers of the two sides may lie apart.
const ALIKE: Closeness = Closeness { rtol: 1e-5, atol: 1e-6 };

pub struct Measured {
    pub costs: Costs,
    /// A line for each size.
    pub lines: Vec<String>,
}

/// Measures all sizes that the device has slots for. The error says where the answers differ.
pub fn measure(
    cpu: &dyn Prepared,
    device: &dyn Prepared,
    remote: &Remote,
    sample: &[Tensor],
    sizes: &[usize],
) -> Result<Measured, String> {
    let session = |model: &dyn Prepared| model.session().map_err(|error| error.to_string());
    let (mut cpu, mut device) = (session(cpu)?, session(device)?);
    let mut table: Vec<Cost> = Vec::with_capacity(sizes.len());
    for (at, rows) in sizes.iter().enumerate() {
        let inputs: Vec<Tensor> = sample.iter().filter_map(|tensor| repeated(tensor, *rows)).collect();
        let there = fastest(device.as_mut(), &inputs)?;
        let here = match table.last() {
            Some(last) if last.cpu > LONG => last.cpu.mul_f64(*rows as f64 / last.rows as f64),
            _ => {
                compare(cpu.as_mut(), device.as_mut(), &inputs)?;
                fastest(cpu.as_mut(), &inputs)?
            }
        };
        table.push(Cost { rows: *rows, cpu: here, device: there, device_busy: remote.busy(at) });
    }
    let costs = Costs::new(table);
    let lines = describe(&costs);
    Ok(Measured { costs, lines })
}

/// `rows` rows of a tensor, round and round.
fn repeated(tensor: &Tensor, rows: usize) -> Option<Tensor> {
    let own = tensor.rows().max(1);
    let whole = std::iter::repeat_n(tensor, rows / own);
    let rest = tensor.rows_at(0, rows % own);
    Tensor::stack(whole.chain(Some(&rest).filter(|rest| rest.rows() > 0))).ok().flatten()
}

fn compare(cpu: &mut dyn Session, device: &mut dyn Session, inputs: &[Tensor]) -> Result<(), String> {
    let run = |session: &mut dyn Session| session.run(inputs).map_err(|error| error.to_string());
    let (want, got) = (run(cpu)?, run(device)?);
    for (want, got) in want.iter().zip(&got) {
        conformance::compare(want, got, ALIKE)
            .map_err(|words| format!("the device answers differently from the CPU: {words}"))?;
    }
    Ok(())
}

fn fastest(session: &mut dyn Session, inputs: &[Tensor]) -> Result<Duration, String> {
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let started = Instant::now();
        session.run(inputs).map_err(|error| error.to_string())?;
        best = best.min(started.elapsed());
    }
    Ok(best)
}

fn describe(costs: &Costs) -> Vec<String> {
    let head = match costs.crossing() {
        Some(rows) => format!("  faster there from {rows} rows on"),
        None => "  the CPU is faster at every size".to_owned(),
    };
    let micros = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e6);
    let line = |cost: &Cost| {
        format!(
            "  {:>5} rows: CPU {} us, GPU {} us ({} us by its own clock)",
            cost.rows,
            micros(cost.cpu),
            micros(cost.device),
            micros(cost.device_busy)
        )
    };
    [head].into_iter().chain(costs.table().iter().map(line)).collect()
}

/// How batches are computed, by size.
pub fn ways(ways: &[Way]) -> String {
    match (ways.contains(&Way::Resident), ways.contains(&Way::Spread)) {
        (true, true) => "in shared memory where that is faster".into(),
        (true, false) => "in shared memory".into(),
        (false, _) => "spread over the device".into(),
    }
}
