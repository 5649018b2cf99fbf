//! A request in the ring: a head, its sampled rows, and the texts of these rows.
//!
//! ```text
//! length (32) | rows (16) | tap (16)
//! end of the request, in microseconds since 1970
//! latency in nanoseconds
//! per row: place in the request (48) | level it was drawn at (8) | zero bits its hash starts with (8),
//!          then one word per column
//! per text: column place among all words (32) | bytes (32), then the bytes, padded to words
//! ```

use super::layout::text_hash;

/// Words before the first row.
pub const HEAD: usize = 3;
/// Bytes of a text that are kept; what is longer is known by its start and its hash.
pub const LONGEST_TEXT: usize = 64;

/// A record's fixed facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub length: u32,
    pub rows: u16,
    pub tap: u16,
    pub end_us: u64,
    pub latency_ns: u64,
}

impl Head {
    pub fn write(&self, words: &mut [u64]) {
        if let Some([first, second, third]) = words.first_chunk_mut::<HEAD>() {
            *first = u64::from(self.length) << 32 | u64::from(self.rows) << 16 | u64::from(self.tap);
            (*second, *third) = (self.end_us, self.latency_ns);
        }
    }

    fn read(words: &[u64]) -> Option<Self> {
        let [first, end_us, latency_ns] = *words.first_chunk::<HEAD>()?;
        Some(Self { length: (first >> 32) as u32, rows: (first >> 16) as u16, tap: first as u16, end_us, latency_ns })
    }
}

/// How a row came into the sample, from its first word: the level it was drawn at, and the zero bits that
/// its hash starts with.
pub fn drawn(word: u64) -> (u8, u8) {
    ((word >> 8) as u8, word as u8)
}

/// The records in the words of a ring.
pub fn records(mut words: &[u64]) -> impl Iterator<Item = (Head, &[u64])> {
    std::iter::from_fn(move || {
        let head = Head::read(words)?;
        let (record, rest) = words.split_at_checked(head.length as usize)?;
        words = rest;
        Some((head, record.get(HEAD..)?))
    })
}

/// The texts behind a record's rows: the place of each one's word among those of the rows, and its start.
pub fn texts(mut words: &[u64]) -> impl Iterator<Item = (usize, &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = words.split_first()?;
        let bytes = (*head & 0xffff_ffff) as usize;
        let (text, rest) = rest.split_at_checked(bytes.div_ceil(8))?;
        words = rest;
        Some(((*head >> 32) as usize, bytemuck::cast_slice(text).get(..bytes)?))
    })
}

/// Where texts are written while words are filled.
pub struct Texts<'a> {
    pub area: &'a mut Vec<u64>,
    /// The place of the part's first word among those of the rows.
    pub first: usize,
}

impl Texts<'_> {
    /// Adds the text of word `at` of the part and answers its hash.
    pub fn add(&mut self, at: usize, text: &str) -> u64 {
        let kept = &text.as_bytes()[..text.floor_char_boundary(LONGEST_TEXT)];
        self.area.push((((self.first + at) as u64) << 32) | kept.len() as u64);
        for piece in kept.chunks(8) {
            let mut bytes = [0; 8];
            bytes[..piece.len()].copy_from_slice(piece);
            self.area.push(u64::from_ne_bytes(bytes));
        }
        text_hash(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_texts_are_read_back() {
        let head = Head { length: 0, rows: 2, tap: 9, end_us: 77, latency_ns: 5 };
        let mut words = Vec::new();
        for text in ["short", "a text of more than eight bytes: größer"] {
            let mut record = vec![0; HEAD];
            record.extend([1, 2]);
            let mut area = Vec::new();
            let hash = Texts { area: &mut area, first: 4 }.add(1, text);
            assert_eq!(hash, text_hash(text));
            record.append(&mut area);
            Head { length: record.len() as u32, ..head }.write(&mut record);
            words.append(&mut record);
        }
        let read: Vec<_> = records(&words).collect();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].0.tap, read[0].0.rows, read[0].0.end_us, read[0].0.latency_ns), (9, 2, 77, 5));
        let found: Vec<_> = texts(&read[1].1[2..]).collect();
        assert_eq!(found, [(5, "a text of more than eight bytes: größer".as_bytes())]);
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let mut area = Vec::new();
        Texts { area: &mut area, first: 0 }.add(0, &"ü".repeat(60));
        assert_eq!(texts(&area).next().map(|(_, text)| text.len()), Some(64));
        Texts { area: &mut area, first: 0 }.add(0, &format!("x{}", "ü".repeat(60)));
        assert_eq!(texts(&area).last().map(|(_, text)| text.len()), Some(63));
    }
}
