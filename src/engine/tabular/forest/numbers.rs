//! The numbers that leaves have in their file, by their place in a layout.

use crate::engine::cache::{Entry, Section, Stored, Writer};
use rkyv::{Archive, Deserialize, Serialize};
use std::io;

/// A number for each place, as narrow as the numbers allow: files of the training libraries number
/// the nodes of a tree from 0 on, so two bytes hold nearly all. Inner nodes have 0.
#[derive(Clone, Debug)]
pub enum Numbers {
    Narrow(Stored<u16>),
    Middle(Stored<u32>),
    Wide(Stored<i64>),
}

/// The numbers in the cache.
#[derive(Archive, Serialize, Deserialize)]
pub enum Kept {
    Narrow(Section),
    Middle(Section),
    Wide(Section),
}

impl Numbers {
    pub fn new(numbers: Vec<i64>) -> Self {
        let fit = |most: u64| numbers.iter().all(|number| u64::try_from(*number).is_ok_and(|number| number <= most));
        if fit(u64::from(u16::MAX)) {
            return Self::Narrow(numbers.iter().map(|number| *number as u16).collect::<Vec<_>>().into());
        }
        match fit(u64::from(u32::MAX)) {
            true => Self::Middle(numbers.iter().map(|number| *number as u32).collect::<Vec<_>>().into()),
            false => Self::Wide(numbers.into()),
        }
    }

    /// The number at a place, which must be one of them.
    #[inline]
    pub fn at(&self, place: u32) -> i64 {
        match self {
            Self::Narrow(numbers) => i64::from(numbers[place as usize]),
            Self::Middle(numbers) => i64::from(numbers[place as usize]),
            Self::Wide(numbers) => numbers[place as usize],
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Narrow(numbers) => numbers.len(),
            Self::Middle(numbers) => numbers.len(),
            Self::Wide(numbers) => numbers.len(),
        }
    }

    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Narrow(numbers) => size_of_val(&numbers[..]),
            Self::Middle(numbers) => size_of_val(&numbers[..]),
            Self::Wide(numbers) => size_of_val(&numbers[..]),
        }
    }

    pub fn keep(&self, writer: &mut Writer<'_>) -> io::Result<Kept> {
        Ok(match self {
            Self::Narrow(numbers) => Kept::Narrow(writer.section(numbers)?),
            Self::Middle(numbers) => Kept::Middle(writer.section(numbers)?),
            Self::Wide(numbers) => Kept::Wide(writer.section(numbers)?),
        })
    }

    /// What was kept; how many there are is not yet known to be right.
    pub fn revive(kept: Kept, entry: &Entry) -> Result<Self, String> {
        Ok(match kept {
            Kept::Narrow(section) => Self::Narrow(entry.stored(section)?),
            Kept::Middle(section) => Self::Middle(entry.stored(section)?),
            Kept::Wide(section) => Self::Wide(entry.stored(section)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_as_narrow_as_they_allow() {
        for (numbers, bytes) in [
            (vec![0, 65_535], 2),
            (vec![65_536, 3], 4),
            (vec![0, 1 << 32], 8),
            (vec![-1, 5], 8),
            (vec![i64::MIN, i64::MAX], 8),
        ] {
            let kept = Numbers::new(numbers.clone());
            assert_eq!((kept.memory_bytes(), kept.len()), (2 * bytes, 2), "{numbers:?}");
            assert_eq!([kept.at(0), kept.at(1)], numbers[..]);
        }
    }
}
