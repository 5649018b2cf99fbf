//! Bucketing as other systems do it, so that a user stays in the variant that they know.
//!
//! Each is held against vectors of that system's own tests.

use sha2::{Digest, Sha256};
use std::io::Write;

/// GrowthBook, `hashVersion` 2: FNV-1a twice, the second time over the first one's decimal digits.
pub fn growthbook_v2(seed: &[u8], value: &[u8]) -> u32 {
    let first = fnv1a(&[seed, value]);
    let mut digits = [0_u8; 10];
    let mut rest = &mut digits[..];
    // Ten digits hold any 32-bit number.
    let _ = write!(rest, "{first}");
    let left = rest.len();
    fnv1a(&[&digits[..digits.len() - left]]) % 10_000
}

/// GrowthBook, `hashVersion` 1: the value before the seed, and a thousand buckets.
pub fn growthbook_v1(seed: &[u8], value: &[u8]) -> u32 {
    fnv1a(&[value, seed]) % 1000
}

/// Optimizely: MurmurHash3 of unit and experiment with seed 1, as a share of its range.
pub fn optimizely(experiment: &[u8], unit: &[u8]) -> u32 {
    let hash = murmur3(unit.iter().chain(experiment).copied(), 1);
    ((u64::from(hash) * 10_000) >> 32) as u32
}

/// Statsig: the first 64 bits of the SHA-256 of `SALT.UNIT`.
pub fn statsig(salt: &[u8], unit: &[u8]) -> u32 {
    let digest = Sha256::new().chain_update(salt).chain_update(b".").chain_update(unit).finalize();
    let high = digest.iter().take(8).fold(0_u64, |high, byte| high << 8 | u64::from(*byte));
    (high % 10_000) as u32
}

fn fnv1a(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// MurmurHash3, x86, 32 bits.
fn murmur3(bytes: impl Iterator<Item = u8>, seed: u32) -> u32 {
    let mix = |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (mut hash, mut block, mut length) = (seed, 0_u32, 0_u32);
    for byte in bytes {
        block |= u32::from(byte) << (8 * (length % 4));
        length = length.wrapping_add(1);
        if length % 4 == 0 {
            hash = (hash ^ mix(block)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
            block = 0;
        }
    }
    hash ^= mix(block) ^ length;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growthbook_is_followed_on_its_own_vectors() {
        for (seed, value, bucket) in
            [("seed", "a", 505), ("seed", "b", 2696), ("foo", "ab", 2575), ("foo", "def", 2019)]
        {
            assert_eq!(growthbook_v2(seed.as_bytes(), value.as_bytes()), bucket, "{seed} {value}");
        }
        assert_eq!((growthbook_v1(b"", b"a"), growthbook_v1(b"b", b"a")), (220, 946));
    }

    #[test]
    fn optimizely_is_followed_on_its_own_vectors() {
        let long = "a very very very very very very very very very very very very very very very long ppd string";
        for (unit, experiment, bucket) in [
            ("ppid1", "1886780721", 5254),
            ("ppid2", "1886780721", 4299),
            ("ppid2", "1886780722", 2434),
            ("ppid3", "1886780721", 5439),
            (long, "1886780721", 6128),
        ] {
            assert_eq!(optimizely(experiment.as_bytes(), unit.as_bytes()), bucket, "{unit} {experiment}");
        }
    }

    #[test]
    fn statsig_is_followed_in_what_its_tests_fix() {
        // Its tests fix the hash of whole texts: the first 64 bits of SHA-256, the highest byte first.
        let prefix = |text: &[u8]| Sha256::digest(text).iter().take(8).fold(0_u64, |n, b| n << 8 | u64::from(*b));
        assert_eq!((prefix(b""), prefix(b"blargh")), (0xE3B0_C442_98FC_1C14, 0x0AC3_3512_D18E_20D5));
        assert_eq!(u64::from(statsig(b"salt.rule", b"user")), prefix(b"salt.rule.user") % 10_000);
    }
}
