//! Units to buckets.
//!
//! Our own hash takes the high half of XXH3-64 times the number of buckets, so no bucket is favoured
//! as a remainder would. The salt keeps experiments independent of each other: each question (which
//! layer slot, in the experiment or not, which arm) has a salt of its own.

use super::compat;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// Buckets of a split: a weight of one basis point is one of them.
pub const BUCKETS: u32 = 10_000;

/// Between salt and unit, so that no two pairs make the same text.
const SEPARATOR: u8 = 0x1f;
/// Salt and unit up to this length are hashed on the stack.
const SHORT: usize = 128;

/// How a unit becomes a bucket of a split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hash {
    #[default]
    Xxh3,
    /// GrowthBook's current hash (`hashVersion` 2).
    GrowthbookV2,
    /// GrowthBook's first one, with a thousand buckets.
    GrowthbookV1,
    Optimizely,
    Statsig,
}

impl Hash {
    pub const ALL: [Self; 5] = [Self::Xxh3, Self::GrowthbookV2, Self::GrowthbookV1, Self::Optimizely, Self::Statsig];

    pub fn name(self) -> &'static str {
        match self {
            Self::Xxh3 => "xxh3",
            Self::GrowthbookV2 => "growthbook_v2",
            Self::GrowthbookV1 => "growthbook_v1",
            Self::Optimizely => "optimizely_murmur3",
            Self::Statsig => "statsig_sha256",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.name() == name)
    }

    /// The bucket of a unit, below [`BUCKETS`], beside 64 bits that tell it from other units.
    pub fn bucket(self, salt: &[u8], unit: &[u8]) -> (u32, u64) {
        let identity = identity(salt, unit);
        let bucket = match self {
            Self::Xxh3 => scale(identity, BUCKETS),
            Self::GrowthbookV2 => compat::growthbook_v2(salt, unit),
            // A thousand buckets of ten basis points each.
            Self::GrowthbookV1 => compat::growthbook_v1(salt, unit) * 10,
            Self::Optimizely => compat::optimizely(salt, unit),
            Self::Statsig => compat::statsig(salt, unit),
        };
        (bucket, identity)
    }
}

/// A unit's place among `buckets`, under our own hash.
pub fn place(salt: &[u8], unit: &[u8], buckets: u32) -> u32 {
    scale(identity(salt, unit), buckets)
}

/// 64 bits of salt and unit. Allocates nothing.
pub fn identity(salt: &[u8], unit: &[u8]) -> u64 {
    let length = salt.len() + 1 + unit.len();
    if length > SHORT {
        let mut hasher = Xxh3Default::new();
        hasher.update(salt);
        hasher.update(&[SEPARATOR]);
        hasher.update(unit);
        return hasher.digest();
    }
    let mut text = [0; SHORT];
    text[..salt.len()].copy_from_slice(salt);
    text[salt.len()] = SEPARATOR;
    text[salt.len() + 1..length].copy_from_slice(unit);
    xxh3_64(&text[..length])
}

/// The high half times the number of buckets, without the bias of a remainder.
fn scale(hash: u64, buckets: u32) -> u32 {
    // Both factors are below 2^32, so the product fits and its high half is below `buckets`.
    (((hash >> 32) * u64::from(buckets)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_texts_are_hashed_alike() {
        for length in [0, 1, 16, SHORT - 6, SHORT - 5, SHORT - 4, 500] {
            let unit = vec![b'u'; length];
            let whole = [b"salt".as_slice(), &[SEPARATOR], &unit].concat();
            assert_eq!(identity(b"salt", &unit), xxh3_64(&whole), "{length}");
        }
        assert_ne!(identity(b"a", b"bc"), identity(b"ab", b"c"));
    }

    #[test]
    fn the_buckets_are_all_reached_and_none_is_beyond() {
        assert_eq!((scale(0, BUCKETS), scale(u64::MAX, BUCKETS)), (0, BUCKETS - 1));
        assert_eq!(scale(1 << 63, 1000), 500);
    }

    #[test]
    fn assignment_is_uniform_over_a_million_units() {
        let mut counts = vec![0_u32; 100];
        for unit in 0..1_000_000_u32 {
            counts[place(b"churn/1", unit.to_string().as_bytes(), 100) as usize] += 1;
        }
        // 99 degrees of freedom: 0.9999 of all draws are below 161.
        assert!(chi_square(&counts, 10_000.0) < 161.0, "{}", chi_square(&counts, 10_000.0));
    }

    #[test]
    fn experiments_are_independent_of_each_other() {
        let mut cells = vec![0_u32; 100];
        for unit in 0..1_000_000_u32 {
            let unit = unit.to_string();
            let both = [b"one".as_slice(), b"two"].map(|salt| place(salt, unit.as_bytes(), 10));
            cells[(both[0] * 10 + both[1]) as usize] += 1;
        }
        assert!(chi_square(&cells, 10_000.0) < 161.0, "{}", chi_square(&cells, 10_000.0));
    }

    fn chi_square(counts: &[u32], expected: f64) -> f64 {
        counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
    }
}
