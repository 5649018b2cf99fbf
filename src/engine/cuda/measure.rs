//! Both sides held against each other at load: the same answers, and what they cost.

use super::cost::{Cost, Costs};
use super::model::Remote;
use super::recipe::Way;
use crate::engine::conformance::{self, Closeness};
use crate::engine::device::{Precision, Work};
use crate::engine::{Prepared, Session};
use crate::tensor::Tensor;
use std::time::{Duration, Instant};

/// Runs of one size of which the fastest counts.
const RUNS: usize = 5;
/// Once a size takes this long on the CPU, larger ones are reckoned from it.
const LONG: Duration = Duration::from_millis(20);
/// How far answers of the two sides may lie apart: probabilities of trees, and what networks sum in
/// another order.
const ALIKE: Closeness = Closeness { rtol: 1e-5, atol: 1e-6 };
const NETWORKS_ALIKE: Closeness = Closeness { rtol: 1e-4, atol: 1e-5 };

pub struct Measured {
    pub costs: Costs,
    /// A line for each size.
    pub lines: Vec<String>,
}

/// The same model on both sides.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    pub cpu: &'a dyn Prepared,
    pub device: &'a dyn Prepared,
    pub remote: &'a Remote,
    /// Both sides compute a network.
    pub network: bool,
}

/// Measures all sizes that the device has slots for. The error says where the answers differ.
pub fn measure(sides: Sides<'_>, work: Work<'_>, sizes: &[usize]) -> Result<Measured, String> {
    let session = |model: &dyn Prepared| model.session().map_err(|error| error.to_string());
    let (mut cpu, mut device) = (session(sides.cpu)?, session(sides.device)?);
    let alike = if sides.network { NETWORKS_ALIKE } else { ALIKE };
    let mut table: Vec<Cost> = Vec::with_capacity(sizes.len());
    for (at, rows) in sizes.iter().enumerate() {
        let inputs: Vec<Tensor> = work.sample.iter().filter_map(|tensor| repeated(tensor, *rows)).collect();
        let there = fastest(device.as_mut(), &inputs)?;
        let here = match table.last() {
            Some(last) if last.cpu > LONG => last.cpu.mul_f64(*rows as f64 / last.rows as f64),
            _ => {
                compare(cpu.as_mut(), device.as_mut(), &inputs, (work.precision, alike))?;
                fastest(cpu.as_mut(), &inputs)?
            }
        };
        table.push(Cost { rows: *rows, cpu: here, device: there, device_busy: sides.remote.busy(at) });
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

fn compare(
    cpu: &mut dyn Session,
    device: &mut dyn Session,
    inputs: &[Tensor],
    (precision, alike): (Precision, Closeness),
) -> Result<(), String> {
    let run = |session: &mut dyn Session| session.run(inputs).map_err(|error| error.to_string());
    let (want, got) = (run(cpu)?, run(device)?);
    for (want, got) in want.iter().zip(&got) {
        let same = match precision {
            Precision::Fp32 => conformance::compare(want, got, alike),
            _ => calibrate(want, got, precision),
        };
        same.map_err(|words| format!("the device answers differently from the CPU: {words}"))?;
    }
    Ok(())
}

/// Whether answers of a lower precision will do: near the CPU's on the whole, and with the same class in
/// every row.
fn calibrate(want: &Tensor, got: &Tensor, precision: Precision) -> Result<(), String> {
    let (Some(want), Some(got), width) =
        (want.as_slice::<f32>(), got.as_slice::<f32>(), want.shape().row_elements().max(1))
    else {
        return conformance::compare(want, got, ALIKE);
    };
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let whole = length(&mut want.iter().map(|x| f64::from(*x)));
    let apart = length(&mut want.iter().zip(got).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    let allowed = precision.tolerance();
    // NaN is near nothing.
    let near = apart <= allowed * whole;
    if !near {
        let part = apart / whole;
        return Err(format!("{} is {part:.1e} away in all, expected at most {allowed:.0e}", precision.name()));
    }
    let best = |row: &[f32]| row.iter().enumerate().fold(0, |best, (at, x)| if *x > row[best] { at } else { best });
    let rows = want.chunks_exact(width).zip(got.chunks_exact(width));
    match rows.enumerate().find(|(_, (want, got))| best(want) != best(got)) {
        Some((row, _)) => Err(format!("{} says another class in row {row}", precision.name())),
        None => Ok(()),
    }
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
    if let Some(Way::Rounded(precision)) = ways.first() {
        return format!("on the matrix units in {}", precision.name());
    }
    match (ways.contains(&Way::Resident), ways.contains(&Way::Spread)) {
        (true, true) => "in shared memory where that is faster".into(),
        (true, false) => "in shared memory".into(),
        (false, _) => "spread over the device".into(),
    }
}
