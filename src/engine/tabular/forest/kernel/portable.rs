//! The walk in plain code.

use super::{Block, LANES, Lanes, STRIDE};
use crate::engine::tabular::forest::compact::{Compact, Packed};

/// Walks `N` lanes at a time.
///
/// # Safety
///
/// The forest must be sound, and the lanes must start inside it and inside the block.
pub unsafe fn descend<const N: usize>(forest: &Compact, block: Block<'_>, lanes: &mut Lanes, steps: u32) {
    let groups = lanes.used.div_ceil(N).min(LANES / N);
    for group in 0..groups {
        let span = group * N..(group + 1) * N;
        let at: &mut [u32; N] = (&mut lanes.at[span.clone()]).try_into().expect("N lanes");
        let rows: &[u32; N] = (&lanes.rows[span]).try_into().expect("N lanes");
        // SAFETY: as the caller's.
        unsafe {
            match block.missing {
                false => walk::<N, false>(forest, block.values, at, rows, steps),
                true => walk::<N, true>(forest, block.values, at, rows, steps),
            }
        }
    }
}

#[inline(always)]
unsafe fn walk<const N: usize, const MISSING: bool>(
    forest: &Compact,
    values: &[f32],
    at: &mut [u32; N],
    rows: &[u32; N],
    steps: u32,
) {
    let (shift, mask, flag) = (forest.format.shift, forest.format.distance_mask(), forest.format.missing_second());
    let nodes = &forest.nodes[..];
    let mut left = steps;
    while left > 0 {
        let mut moved = 0;
        for _ in 0..left.min(STRIDE) {
            moved = 0;
            for lane in 0..N {
                // SAFETY: every place and column is in range, as the caller says.
                let Packed { threshold, link } = unsafe { *nodes.get_unchecked(at[lane] as usize) };
                let column = (rows[lane] + (link >> shift)) as usize;
                // SAFETY: as above.
                let x = unsafe { *values.get_unchecked(column) };
                let mut second = x >= f32::from_bits(threshold);
                if MISSING {
                    second |= x.is_nan() & (link & flag != 0);
                }
                let step = (link & mask) + u32::from(second);
                at[lane] += step;
                moved |= step;
            }
        }
        if moved == 0 {
            return;
        }
        left -= left.min(STRIDE);
    }
}
