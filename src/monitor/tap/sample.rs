//! Which rows are sampled.
//!
//! A row is in the sample when the hash of its prediction id starts with `level` zero bits, so with
//! probability 2^-level. Every replica decides alike, and so does whoever sees the id later: with a
//! label, say. As the sample of a level holds that of every higher one, panes of different levels
//! can be put together. Counting off every k-th row instead would fall into step with batches and
//! round-robin callers.

use xxhash_rust::xxh3::xxh3_64;

/// The highest level: one row of 65,536.
pub const HIGHEST_LEVEL: u8 = 16;

/// The hash of a prediction id.
#[inline]
pub fn key(id: &[u8]) -> u64 {
    xxh3_64(id)
}

/// The hash of row `row` of a request of several rows; its id is `{id}.{row}`.
#[inline]
pub fn row_key(key: u64, row: usize) -> u64 {
    // The finisher of SplitMix64 (Steele, Lea and Flood 2014) on its usual sequence of seeds.
    let mut x = key.wrapping_add((row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Whether a hash is in the sample of a level.
#[inline]
pub fn is_in(key: u64, level: u8) -> bool {
    key.leading_zeros() >= u32::from(level)
}

/// What a row of the sample stands for.
pub fn weight(level: u8) -> f64 {
    (1u64 << level.min(63)) as f64
}

/// The lowest level at which `rows` per second stay within `budget`.
pub fn level_for(rows: f64, budget: f64) -> u8 {
    (0..HIGHEST_LEVEL).find(|level| rows / weight(*level) <= budget).unwrap_or(HIGHEST_LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn each_level_halves_the_sample_and_holds_the_next() {
        let keys: Vec<u64> = (0..1 << 16).map(|_| key(Uuid::now_v7().to_string().as_bytes())).collect();
        for level in 0..6 {
            let is = keys.iter().filter(|key| is_in(**key, level)).count() as f64;
            let should = keys.len() as f64 / weight(level);
            // Six deviations of a binomial.
            assert!((is - should).abs() < 6.0 * should.sqrt(), "level {level}: {is} of {should}");
            assert!(keys.iter().all(|key| !is_in(*key, level + 1) || is_in(*key, level)));
        }
    }

    #[test]
    fn rows_of_one_request_are_drawn_on_their_own() {
        let drawn = |request: u64| (0..64).filter(|row| is_in(row_key(key(&request.to_le_bytes()), *row), 1)).count();
        let counts: Vec<usize> = (0..2000).map(drawn).collect();
        let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
        let variance = counts.iter().map(|n| (*n as f64 - mean).powi(2)).sum::<f64>() / counts.len() as f64;
        assert!((mean - 32.0).abs() < 0.6, "{mean}");
        // Of 64 independent draws by halves it is 16.
        assert!((12.0..20.0).contains(&variance), "{variance}");
    }

    #[test]
    fn the_level_keeps_the_budget() {
        assert_eq!(level_for(0.0, 100.0), 0);
        assert_eq!(level_for(100.0, 100.0), 0);
        assert_eq!(level_for(101.0, 100.0), 1);
        assert_eq!(level_for(1e9, 1.0), HIGHEST_LEVEL);
    }
}
