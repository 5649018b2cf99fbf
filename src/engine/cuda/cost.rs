//! What a batch costs on either side, measured at load, and the choice between them.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// Sizes of batches that are measured, where the device's slots hold as many rows.
pub const SIZES: [usize; 9] = [1, 8, 32, 128, 512, 1024, 2048, 4096, 8192];

/// A side keeps its batches until the other would take this part less.
const WORTH_CHANGING: f64 = 0.9;

/// Where a batch is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Cpu,
    Device,
}

/// One measured size.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    pub rows: usize,
    pub cpu: Duration,
    /// From the rows in the host's memory to the answers there.
    pub device: Duration,
    /// The part of it that the device was at work, by its own clock.
    pub device_busy: Duration,
}

/// What is waited for before a batch can begin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting {
    pub cpu: Duration,
    pub device: Duration,
}

/// All measured sizes, in ascending order.
#[derive(Debug, Default)]
pub struct Costs {
    table: Vec<Cost>,
    /// For each size, whether the device had the last batch.
    last: Vec<AtomicBool>,
}

impl Costs {
    pub fn new(table: Vec<Cost>) -> Self {
        let last = table.iter().map(|cost| AtomicBool::new(cost.device < cost.cpu)).collect();
        Self { table, last }
    }

    pub fn table(&self) -> &[Cost] {
        &self.table
    }

    /// A batch between two measured sizes costs the CPU what a straight line between them says, and the
    /// device the larger one, whose launches it is given; beyond the last one, all grows in proportion.
    pub fn at(&self, rows: usize) -> Cost {
        let Some(last) = self.table.last() else { return Cost::default() };
        let next = self.table.partition_point(|cost| cost.rows < rows);
        let (from, to) = match (next.checked_sub(1).and_then(|at| self.table.get(at)), self.table.get(next)) {
            (Some(from), Some(to)) => (from, to),
            (None, _) => return Cost { rows, ..self.table[0] },
            (Some(_), None) => {
                let times = rows as f64 / last.rows.max(1) as f64;
                let all = |time: Duration| time.mul_f64(times);
                return Cost { rows, cpu: all(last.cpu), device: all(last.device), device_busy: all(last.device_busy) };
            }
        };
        let part = (rows - from.rows) as f64 / (to.rows - from.rows) as f64;
        let between = |a: Duration, b: Duration| a.mul_f64(1.0 - part) + b.mul_f64(part);
        Cost { rows, cpu: between(from.cpu, to.cpu), device: to.device, device_busy: to.device_busy }
    }

    /// The side on which a batch is done sooner. The side that had the last batch of the size keeps it
    /// where the other is hardly better, so that batches near the crossing do not go to and fro.
    pub fn choose(&self, rows: usize, waiting: Waiting) -> Side {
        let cost = self.at(rows);
        let (cpu, device) = (cost.cpu + waiting.cpu, cost.device + waiting.device);
        let at = self.table.partition_point(|known| known.rows < rows).min(self.table.len().saturating_sub(1));
        let Some(last) = self.last.get(at) else { return Side::Cpu };
        let on_device = match last.load(Relaxed) {
            true => cpu >= device.mul_f64(WORTH_CHANGING),
            false => device < cpu.mul_f64(WORTH_CHANGING),
        };
        last.store(on_device, Relaxed);
        if on_device { Side::Device } else { Side::Cpu }
    }

    /// The least rows of a measured size from which on the device is faster with nobody waiting.
    pub fn crossing(&self) -> Option<usize> {
        let slower = self.table.iter().rposition(|cost| cost.device >= cost.cpu);
        self.table.get(slower.map_or(0, |at| at + 1)).map(|cost| cost.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(n: u64) -> Duration {
        Duration::from_micros(n)
    }

    fn cost(rows: usize, cpu: u64, device: u64) -> Cost {
        Cost { rows, cpu: micros(cpu), device: micros(device), device_busy: micros(device / 2) }
    }

    fn costs() -> Costs {
        Costs::new(vec![cost(1, 2, 15), cost(8, 16, 15), cost(128, 256, 20)])
    }

    #[test]
    fn costs_lie_on_the_line_between_sizes_and_grow_in_proportion_behind() {
        let costs = costs();
        assert_eq!(costs.at(1), cost(1, 2, 15));
        assert_eq!(costs.at(68), Cost { rows: 68, ..cost(128, 136, 20) });
        assert_eq!(costs.at(1280), cost(1280, 2560, 200));
        assert_eq!(Costs::default().choose(5, Waiting::default()), Side::Cpu);
    }

    #[test]
    fn batches_go_where_they_are_done_sooner() {
        let costs = costs();
        let idle = Waiting::default();
        assert_eq!((costs.choose(1, idle), costs.choose(128, idle)), (Side::Cpu, Side::Device));
        assert_eq!(costs.crossing(), Some(8));
        let queue = Waiting { cpu: micros(0), device: micros(500) };
        assert_eq!(costs.choose(128, queue), Side::Cpu, "the device is busy for longer than it saves");
        let queue = Waiting { cpu: micros(100), device: micros(0) };
        assert_eq!(costs.choose(1, queue), Side::Device, "all processors are busy");
    }

    #[test]
    fn a_side_keeps_its_batches_near_the_crossing() {
        let costs = Costs::new(vec![cost(8, 100, 100)]);
        let wait = |cpu, device| Waiting { cpu: micros(cpu), device: micros(device) };
        let mut chosen = Vec::new();
        for (cpu, device) in [(0, 5), (5, 0), (20, 0), (0, 5), (0, 20)] {
            chosen.push(costs.choose(8, wait(cpu, device)));
        }
        assert_eq!(chosen, [Side::Cpu, Side::Cpu, Side::Device, Side::Device, Side::Cpu]);
    }
}
