//! Which walk is fastest for how many rows: measured when a model is loaded.
//!
//! Gathers win on large forests and many rows, plain code on small ones, and where the line runs
//! depends on the processor and its caches. All walks give the same bits, so a noisy measurement
//! costs time at worst.

use super::compact::Compact;
use super::kernel::{Kernel, LANES, Sieve};
use super::score::Strategy;
use rkyv::{Archive, Deserialize, Serialize};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Row counts from which a strategy of its own holds.
const SIZES: [usize; 4] = [1, 4, 16, 128];
/// Rows side by side that are tried.
const SIDES: [usize; 4] = [1, 4, 8, 32];
/// Rows of the trial.
pub const TRIAL_ROWS: usize = 128;
/// What the first runs of one size may cost; the rest of the candidates is passed over. A fuzzer has
/// no use for the fastest.
const TIME: Duration = Duration::from_millis(if cfg!(fuzzing) { 1 } else { 150 });
/// Candidates that run again, and how often; the fastest run counts.
const FINALISTS: usize = 3;
const RUNS: usize = 2;
/// Rows of a run for sizes below the last: enough to tell, and a load should take milliseconds.
const FEW_ROWS: usize = 32;

/// Columns and scores up to which a trial is held. Its rows are made up on a file's word, and beyond
/// this the reading of a row costs more than any walk saves.
const WIDEST: usize = 1 << 15;

/// Whether forests of such rows and scores are measured.
pub fn is_worth_it(features: usize, targets: usize) -> bool {
    features.saturating_add(targets) <= WIDEST
}

/// Whether kernels are measured at all.
static MEASURES: AtomicBool = AtomicBool::new(true);

/// From now on forests keep the kernels they start with: for benches that count instructions, and
/// want the same ones every time.
pub fn fix_kernels() {
    MEASURES.store(false, Relaxed);
}

/// The strategy for each size, and what it was measured to cost.
#[derive(Clone, Debug)]
pub struct Tuning {
    chosen: [(Strategy, Option<Duration>); SIZES.len()],
}

impl Default for Tuning {
    /// Sound choices for a forest that nobody has measured.
    fn default() -> Self {
        let row = Strategy::Walk { kernel: Kernel::Portable16, rows: 1 };
        let rows = Strategy::Walk { kernel: Kernel::Portable8, rows: 8 };
        Self { chosen: [(row, None), (row, None), (rows, None), (rows, None)] }
    }
}

impl Tuning {
    /// Measures `run(strategy, from, count)`, which must score so many rows of the trial. `bits` says
    /// whether there are bit sets.
    pub fn measured(bits: bool, mut run: impl FnMut(Strategy, usize, usize)) -> Self {
        let mut tuning = Self::default();
        if bits {
            tuning.chosen[2..].fill((Strategy::Bits(Sieve::Portable), None));
        }
        if !MEASURES.load(Relaxed) {
            return tuning;
        }
        for (size, chosen) in SIZES.iter().zip(&mut tuning.chosen) {
            let rows = FEW_ROWS.max(*size);
            let mut trial = |strategy| {
                let began = Instant::now();
                (0..rows / size).for_each(|turn| run(strategy, turn * size, *size));
                began.elapsed()
            };
            if let Some((took, strategy)) = best(candidates(*size, bits), &mut trial) {
                *chosen = (strategy, Some(took / rows as u32));
            }
        }
        tuning
    }

    /// The choice as it was kept, if it was made on such a processor and can be followed here.
    pub fn revive(kept: &Kept, bits: bool) -> Option<Self> {
        let chosen: &[(Strategy, Option<u64>); SIZES.len()] = kept.chosen.as_slice().try_into().ok()?;
        let known = |strategy: Strategy| candidates(LANES, bits).any(|candidate| candidate == strategy);
        let same = kept.processor == processor() && chosen.iter().all(|(strategy, _)| known(*strategy));
        same.then(|| Self { chosen: chosen.map(|(strategy, cost)| (strategy, cost.map(Duration::from_nanos))) })
    }

    pub fn keep(&self) -> Kept {
        let nanos = |cost: Duration| u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX);
        let chosen = self.chosen.iter().map(|(strategy, cost)| (*strategy, cost.map(nanos))).collect();
        Kept { processor: processor(), chosen }
    }

    #[inline]
    pub fn choose(&self, rows: usize) -> Strategy {
        let at = SIZES.iter().rposition(|size| *size <= rows).unwrap_or(0);
        self.chosen[at].0
    }

    /// The walk for so many rows, kernel and rows side by side, where the places of leaves are wanted.
    pub fn walk(&self, rows: usize) -> (Kernel, usize) {
        match self.choose(rows) {
            Strategy::Walk { kernel, rows } => (kernel, rows),
            Strategy::Bits(_) => (Kernel::widest(), LANES),
        }
    }

    /// From how many rows on which strategy is taken, and its time per row where that was measured.
    pub fn table(&self) -> impl Iterator<Item = (usize, Strategy, Option<Duration>)> + '_ {
        SIZES.iter().zip(&self.chosen).map(|(size, (strategy, cost))| (*size, *strategy, *cost))
    }
}

/// The choice in the cache, and the processor that it was measured on.
#[derive(Archive, Serialize, Deserialize, Debug)]
pub struct Kept {
    processor: String,
    chosen: Vec<(Strategy, Option<u64>)>,
}

/// What a measurement holds for: the processor's name, and the kernels it can run.
fn processor() -> String {
    let mut start = String::new();
    // Where there is no such file, the kernels alone tell.
    let _ = std::fs::File::open("/proc/cpuinfo").and_then(|file| file.take(1024).read_to_string(&mut start));
    let name = start.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let walks = Kernel::available().into_iter().map(Kernel::name);
    let names: Vec<&str> = walks.chain(Sieve::available().into_iter().map(Sieve::name)).collect();
    format!("{}; {}", name.trim_matches([' ', '\t', ':']), names.join(", "))
}

/// Runs every candidate once, and those that came in first again.
fn best(
    candidates: impl Iterator<Item = Strategy>,
    trial: &mut impl FnMut(Strategy) -> Duration,
) -> Option<(Duration, Strategy)> {
    let mut times: Vec<(Duration, Strategy)> = Vec::new();
    let began = Instant::now();
    for candidate in candidates.take_while(|_| began.elapsed() < TIME) {
        times.push((trial(candidate), candidate));
    }
    times.sort_by_key(|(took, _)| *took);
    times.truncate(FINALISTS);
    for (took, candidate) in &mut times {
        *took = (0..RUNS).map(|_| trial(*candidate)).fold(*took, Duration::min);
    }
    times.into_iter().min_by_key(|(took, _)| *took)
}

/// The widest walk first: large forests, where time may run out, gain most by it.
fn candidates(size: usize, bits: bool) -> impl Iterator<Item = Strategy> {
    let kernels = Kernel::available();
    // Many rows go to a tree all at once, or not at all.
    let sides = SIDES.into_iter().rev().filter(move |side| *side <= size && (size < TRIAL_ROWS || side % 32 <= 1));
    let walk = move |rows: usize| kernels.clone().into_iter().rev().map(move |kernel| Strategy::Walk { kernel, rows });
    let sieves = if bits && size > 1 { Sieve::available() } else { Vec::new() };
    sieves.into_iter().rev().map(Strategy::Bits).chain(sides.flat_map(walk))
}

/// Rows whose values lie on and just below thresholds of the forest, so that they spread over it.
/// Always the same ones.
pub fn trial_rows(forest: &Compact) -> Vec<f32> {
    let mut thresholds = vec![Vec::new(); forest.features];
    for node in &forest.nodes[..] {
        let column = (node.link >> forest.format.shift) as usize;
        if let Some(known) = thresholds.get_mut(column).filter(|known| known.len() < 8 * LANES) {
            known.push(f32::from_bits(node.threshold));
        }
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut value = |known: &Vec<f32>| match known.len() {
        0 => 0.0,
        many => {
            let threshold = known[random.below(many)];
            if random.below(2) == 0 { threshold } else { threshold.next_down() }
        }
    };
    (0..TRIAL_ROWS).flat_map(|_| thresholds.iter().map(&mut value).collect::<Vec<f32>>()).collect()
}

/// Marsaglia's xorshift: a trial needs variety, no more.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }
}
