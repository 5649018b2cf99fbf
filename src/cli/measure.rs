//! What a version's rows cost, measured on one thread.

use crate::engine::{Session, golden};
use crate::registry::{FoundVersion, Version};
use crate::tensor::Tensor;
use std::time::{Duration, Instant};

/// Batch sizes that are measured.
const SIZES: [u32; 4] = [1, 8, 32, 128];
/// Time spent on each.
const TIME: Duration = Duration::from_millis(40);
/// Different batches of one size: the same rows over and over would flatter a processor's memory.
const VARIANTS: usize = 16;

/// How long a batch takes.
pub struct Measured {
    pub rows: u32,
    pub batch: Duration,
}

/// Why requests are computed one by one, where they are.
pub fn why_not_merged(version: &Version) -> Option<&str> {
    version.notes.iter().map(String::as_str).find(|note| note.starts_with("requests are not merged"))
}

/// Measures each size with rows of the golden cases, else with those the version was warmed up with.
/// A version that is not merged is measured with one request.
pub fn costs(version: &Version, found: &FoundVersion) -> Result<Vec<Measured>, String> {
    let mut session = version.loaded.model.session().map_err(|error| error.to_string())?;
    if why_not_merged(version).is_some() {
        let rows = version.lane.trial().first().map_or(1, Tensor::rows);
        let rows = if version.signature().batchable() { u32::try_from(rows).unwrap_or(1) } else { 1 };
        let batch = fastest(session.as_mut(), &[version.lane.trial().to_vec()])?;
        return Ok(vec![Measured { rows, batch }]);
    }
    let sample = golden_rows(version, found).unwrap_or_else(|| version.lane.trial().to_vec());
    let measure = |rows: u32| {
        let variants: Vec<Vec<Tensor>> = (0..VARIANTS).map(|from| rows_from(&sample, from, rows as usize)).collect();
        fastest(session.as_mut(), &variants).map(|batch| Measured { rows, batch })
    };
    SIZES.into_iter().map(measure).collect()
}

/// All rows of the golden cases, where they go together.
fn golden_rows(version: &Version, found: &FoundVersion) -> Option<Vec<Tensor>> {
    let bytes = std::fs::read(&found.golden_file()?.path).ok()?;
    let cases = golden::read(&bytes, version.signature()).ok()?;
    let stack = |at: usize| Tensor::stack(cases.iter().filter_map(|case| case.inputs.get(at))).ok().flatten();
    (0..version.signature().inputs.len()).map(stack).collect()
}

/// `rows` rows of a sample from a place on, round and round.
fn rows_from(sample: &[Tensor], from: usize, rows: usize) -> Vec<Tensor> {
    let batch = |tensor: &Tensor| {
        let row = |at: usize| tensor.rows_at((from + at) % tensor.rows().max(1), 1);
        Tensor::stack(&(0..rows).map(row).collect::<Vec<_>>()).ok().flatten()
    };
    sample.iter().filter_map(batch).collect()
}

/// Runs all variants round by round; the fastest round counts, as the others were disturbed.
fn fastest(session: &mut dyn Session, variants: &[Vec<Tensor>]) -> Result<Duration, String> {
    let started = Instant::now();
    let mut best = Duration::MAX;
    while best == Duration::MAX || started.elapsed() < TIME {
        let round = Instant::now();
        for inputs in variants {
            session.run(inputs).map_err(|error| error.to_string())?;
        }
        let runs = u32::try_from(variants.len()).unwrap_or(1).max(1);
        best = best.min(round.elapsed() / runs);
    }
    Ok(best)
}
