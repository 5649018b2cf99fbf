//! What XGBoost's two file formats, JSON and UBJSON, have in common: objects, arrays and scalars,
//! read from front to back without building a document.

use crate::json::{JsonError, Kind, Reader};

/// Levels of nesting that a file may have; XGBoost's own have eight.
pub const MOST_DEPTH: usize = 32;

/// Why a file cannot be read, in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault(pub String);

impl From<String> for Fault {
    fn from(words: String) -> Self {
        Self(words)
    }
}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Self {
        Self(error.to_string())
    }
}

impl Fault {
    /// The same fault with its place in front.
    pub fn at(self, place: impl std::fmt::Display) -> Self {
        Self(format!("{place}: {}", self.0))
    }
}

/// A reader of one text or byte string, which every method advances past one value.
pub trait Document: Sized {
    /// Reads an object; `member` must read or skip the value behind each key.
    fn object(&mut self, member: impl FnMut(&mut Self, &str) -> Result<(), Fault>) -> Result<(), Fault>;

    /// Reads an array; `element` must read or skip each value.
    fn array(&mut self, element: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault>;

    fn text(&mut self) -> Result<String, Fault>;

    /// A whole number; `true` and `false` count as 1 and 0.
    fn integer(&mut self) -> Result<i64, Fault>;

    /// A number, rounded once to the nearest `f32`.
    fn float(&mut self) -> Result<f32, Fault>;

    fn skip(&mut self) -> Result<(), Fault>;

    /// A second reader at this place, to come back to a value later.
    fn fork(&self) -> Self;

    fn integers(&mut self) -> Result<Vec<i64>, Fault> {
        let mut values = Vec::new();
        self.array(|document| {
            values.push(document.integer()?);
            Ok(())
        })?;
        Ok(values)
    }

    fn floats(&mut self) -> Result<Vec<f32>, Fault> {
        let mut values = Vec::new();
        self.array(|document| {
            values.push(document.float()?);
            Ok(())
        })?;
        Ok(values)
    }

    fn texts(&mut self) -> Result<Vec<String>, Fault> {
        let mut values = Vec::new();
        self.array(|document| {
            values.push(document.text()?);
            Ok(())
        })?;
        Ok(values)
    }

    /// A whole number that the file writes as text, as XGBoost does with its parameters.
    fn number_text(&mut self) -> Result<u64, Fault> {
        let text = self.text()?;
        text.trim()
            .parse()
            .map_err(|_| Fault(format!("expected a whole number, got \"{}\"", crate::text::shorten(&text, 40))))
    }
}

impl Document for Reader<'_> {
    fn object(&mut self, mut member: impl FnMut(&mut Self, &str) -> Result<(), Fault>) -> Result<(), Fault> {
        Reader::object(self, |reader, key| member(reader, &key))
    }

    fn array(&mut self, element: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        Reader::array(self, element)
    }

    fn text(&mut self) -> Result<String, Fault> {
        Ok(self.string()?.into_owned())
    }

    fn integer(&mut self) -> Result<i64, Fault> {
        if self.peek()? == Kind::Bool {
            return Ok(i64::from(self.bool()?));
        }
        let before = self.fork();
        let token = self.number()?;
        let value = std::str::from_utf8(token).ok().and_then(|token| token.parse().ok());
        value.ok_or_else(|| before.error("a whole number of 64 bits").into())
    }

    fn float(&mut self) -> Result<f32, Fault> {
        let before = self.fork();
        let token = self.number()?;
        fast_float2::parse(token).map_err(|_| before.error("a number").into())
    }

    fn skip(&mut self) -> Result<(), Fault> {
        Ok(Reader::skip(self)?)
    }

    fn fork(&self) -> Self {
        Reader::fork(self)
    }
}
