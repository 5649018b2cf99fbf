//! Universal Binary JSON (draft 12), as XGBoost writes it: markers of one byte, numbers big-endian,
//! arrays with one marker and a count in front.
//!
//! Lengths in the file are promises: nothing is set aside on their word, and each is held against
//! the bytes that are left.

use super::document::{Document, Fault, MOST_DEPTH};

/// Reads one value from front to back.
pub struct Ubjson<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// The marker of the next value, where it stands once before a whole array.
    marker: Option<u8>,
}

impl<'a> Ubjson<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0, marker: None }
    }

    /// Checks that nothing is left.
    pub fn finish(self) -> Result<(), Fault> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            left => Err(Fault(format!("{left} bytes follow behind the end of the value"))),
        }
    }

    fn wrong(&self, expected: &str, got: u8) -> Fault {
        let shown = if got.is_ascii_graphic() { format!("'{}'", got as char) } else { format!("0x{got:02x}") };
        Fault(format!("at byte {}: expected {expected}, got the marker {shown}", self.at.saturating_sub(1)))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or_else(|| {
            Fault(format!("at byte {}: expected {count} bytes more, but only {} are left", self.at, rest.len()))
        })?;
        self.at += count;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        self.fixed::<1>().map(|[byte]| byte)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The marker of the next value; `N` says nothing and is passed over.
    fn next_marker(&mut self) -> Result<u8, Fault> {
        if let Some(marker) = self.marker.take() {
            return Ok(marker);
        }
        loop {
            match self.byte()? {
                b'N' => {}
                marker => return Ok(marker),
            }
        }
    }

    fn whole(&mut self, marker: u8) -> Result<i64, Fault> {
        Ok(match marker {
            b'i' => i64::from(i8::from_be_bytes(self.fixed()?)),
            b'U' => i64::from(self.byte()?),
            b'I' => i64::from(i16::from_be_bytes(self.fixed()?)),
            b'l' => i64::from(i32::from_be_bytes(self.fixed()?)),
            b'L' => i64::from_be_bytes(self.fixed()?),
            b'T' => 1,
            b'F' => 0,
            other => return Err(self.wrong("a whole number", other)),
        })
    }

    fn length(&mut self) -> Result<usize, Fault> {
        let marker = self.byte()?;
        let length = self.whole(marker)?;
        usize::try_from(length).map_err(|_| Fault(format!("at byte {}: the length {length} is negative", self.at)))
    }

    fn bytes_of_text(&mut self) -> Result<&'a str, Fault> {
        let length = self.length()?;
        let start = self.at;
        std::str::from_utf8(self.take(length)?).map_err(|_| Fault(format!("at byte {start}: the text is not UTF-8")))
    }

    fn enter(&mut self) -> Result<(), Fault> {
        if self.depth == MOST_DEPTH {
            return Err(Fault(format!("at byte {}: more than {MOST_DEPTH} nested values", self.at)));
        }
        self.depth += 1;
        Ok(())
    }

    /// The count behind an opening bracket, where there is one.
    fn count(&mut self) -> Result<Option<usize>, Fault> {
        if self.peek() != Some(b'#') {
            return Ok(None);
        }
        self.at += 1;
        self.length().map(Some)
    }

    /// The marker of all elements, where there is one. Only those that take bytes are allowed: a
    /// count of others could be any number.
    fn common_marker(&mut self) -> Result<Option<u8>, Fault> {
        if self.peek() != Some(b'$') {
            return Ok(None);
        }
        self.at += 1;
        match self.byte()? {
            marker @ (b'i' | b'U' | b'I' | b'l' | b'L' | b'd' | b'D' | b'S' | b'C' | b'[' | b'{') => Ok(Some(marker)),
            other => Err(self.wrong("the type of an array's elements", other)),
        }
    }

    /// Whether a container goes on: by its count, or up to its closing bracket.
    fn more(&mut self, left: &mut Option<usize>, close: u8) -> Result<bool, Fault> {
        if let Some(left) = left {
            let more = *left > 0;
            *left = left.saturating_sub(1);
            return Ok(more);
        }
        while self.peek() == Some(b'N') {
            self.at += 1;
        }
        let more = self.peek() != Some(close);
        self.at += usize::from(!more);
        Ok(more)
    }
}

impl Document for Ubjson<'_> {
    fn object(&mut self, mut member: impl FnMut(&mut Self, &str) -> Result<(), Fault>) -> Result<(), Fault> {
        match self.next_marker()? {
            b'{' => self.enter()?,
            other => return Err(self.wrong("an object", other)),
        }
        let mut left = self.count()?;
        while self.more(&mut left, b'}')? {
            let key = self.bytes_of_text()?;
            member(self, key)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        match self.next_marker()? {
            b'[' => self.enter()?,
            other => return Err(self.wrong("an array", other)),
        }
        let common = self.common_marker()?;
        let mut left = self.count()?;
        if common.is_some() && left.is_none() {
            return Err(Fault(format!("at byte {}: a typed array has no count", self.at)));
        }
        while self.more(&mut left, b']')? {
            self.marker = common;
            element(self)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn text(&mut self) -> Result<String, Fault> {
        match self.next_marker()? {
            b'S' => self.bytes_of_text().map(str::to_owned),
            b'C' => self.byte().map(|letter| (letter as char).to_string()),
            other => Err(self.wrong("a text", other)),
        }
    }

    fn integer(&mut self) -> Result<i64, Fault> {
        let marker = self.next_marker()?;
        self.whole(marker)
    }

    fn float(&mut self) -> Result<f32, Fault> {
        match self.next_marker()? {
            b'd' => Ok(f32::from_be_bytes(self.fixed()?)),
            b'D' => Ok(f64::from_be_bytes(self.fixed()?) as f32),
            other => self.whole(other).map(|value| value as f32),
        }
    }

    fn skip(&mut self) -> Result<(), Fault> {
        let marker = self.next_marker()?;
        match marker {
            b'{' | b'[' => {
                self.marker = Some(marker);
                match marker {
                    b'{' => self.object(|document, _| document.skip()),
                    _ => self.array(Self::skip),
                }
            }
            b'S' | b'H' => self.bytes_of_text().map(drop),
            b'd' => self.take(4).map(drop),
            b'D' => self.take(8).map(drop),
            b'C' => self.byte().map(drop),
            b'Z' => Ok(()),
            other => self.whole(other).map(drop),
        }
    }

    fn fork(&self) -> Self {
        Self { ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_list_is_read() {
        let lists: [&[u8]; 4] = [
            b"[$l#i\x02\x00\x00\x00\x07\xff\xff\xff\xff",
            b"[#U\x02i\x07NL\xff\xff\xff\xff\xff\xff\xff\xff",
            b"[U\x07I\xff\xff]",
            b"[NU\x07NNi\xffN]",
        ];
        for list in lists {
            let mut document = Ubjson::new(list);
            assert_eq!(document.integers(), Ok(vec![7, -1]), "{list:?}");
            assert_eq!(document.finish(), Ok(()));
        }
        assert_eq!(Ubjson::new(b"[$d#i\x01\x3f\x80\x00\x00").floats(), Ok(vec![1.0]));
        assert_eq!(Ubjson::new(b"[$S#i\x01i\x02ab").texts(), Ok(vec!["ab".to_owned()]));
    }

    #[test]
    fn objects_are_read_and_skipped_to_their_ends() {
        let bytes = b"{i\x01a{i\x01xTi\x01y[Z[$U#i\x02ab]}L\0\0\0\0\0\0\0\x01bSi\x02hi}";
        let mut document = Ubjson::new(bytes);
        let mut seen = Vec::new();
        let read = document.object(|document, key| {
            seen.push(key.to_owned());
            if key == "a" { document.skip() } else { document.text().map(|text| seen.push(text)) }
        });
        assert_eq!((read, document.finish()), (Ok(()), Ok(())));
        assert_eq!(seen, ["a", "b", "hi"]);
    }

    #[test]
    fn promises_are_not_taken_on_trust() {
        let deep: Vec<u8> = vec![b'['; 100_000];
        let cases: [(&[u8], &str); 7] = [
            (b"[$Z#L\x7f\xff\xff\xff\xff\xff\xff\xff", "type of an array's elements"),
            (b"[$l#L\x7f\xff\xff\xff\xff\xff\xff\xff\x00", "4 bytes more, but only 1"),
            (b"[#L\x7f\xff\xff\xff\xff\xff\xff\xffT", "1 bytes more, but only 0"),
            (b"[$l#i\xff", "-1 is negative"),
            (b"[$lU", "has no count"),
            (b"", "but only 0 are left"),
            (&deep, "nested"),
        ];
        for (bytes, words) in cases {
            let error = Ubjson::new(bytes).skip().expect_err(words);
            assert!(error.0.contains(words), "{}: {words}", error.0);
        }
    }
}
