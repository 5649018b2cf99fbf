//! The pull reader: tokens, objects, arrays, and values skipped.

use super::decimal::{Fraction, decimal};
use std::borrow::Cow;

/// Where and how a text stops being JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: expected {expected}, got {got}")]
pub struct JsonError {
    pub offset: usize,
    pub expected: String,
    pub got: String,
}

/// What the next value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Kind {
    /// With its article, for errors.
    pub fn words(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::Null => "null",
        }
    }
}

/// Reads one JSON text from front to back.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    max_depth: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], max_depth: usize) -> Self {
        Self { bytes, at: 0, depth: 0, max_depth }
    }

    /// How many bytes have been read.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// A second reader at this place, to come back to a value later.
    pub fn fork(&self) -> Self {
        Self { ..*self }
    }

    /// The kind of the next value; reads white space only.
    #[inline]
    pub fn peek(&mut self) -> Result<Kind, JsonError> {
        self.space();
        match self.bytes.get(self.at) {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9' | b'N' | b'I') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.error("a value")),
        }
    }

    /// Whether an object comes next whose first key is `name`, written without escapes; reads white space only.
    pub fn begins_with(&mut self, name: &str) -> bool {
        self.space();
        let rest = self.bytes[self.at..].strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
        let key = rest.and_then(|rest| rest.strip_prefix(b"\"")?.strip_prefix(name.as_bytes()));
        key.is_some_and(|rest| rest.starts_with(b"\""))
    }

    /// Reads an object, handing each key to `member`, which must read or skip the value.
    pub fn object<E: From<JsonError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'{', "an object")?;
        if self.take(b'}') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.expect(b':', "':'")?;
            member(self, key)?;
            if !self.more(b'}', "',' or '}'")? {
                return Ok(());
            }
        }
    }

    /// Reads an array, calling `element` before each value, which it must read or skip.
    #[inline]
    pub fn array<E: From<JsonError>>(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), E>) -> Result<(), E> {
        self.open(b'[', "an array")?;
        if self.take(b']') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            element(self)?;
            if !self.more(b']', "',' or ']'")? {
                return Ok(());
            }
        }
    }

    /// Reads a string.
    pub fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.space();
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(self.error("a string"));
        }
        let start = self.at + 1;
        let mut end = start;
        loop {
            match self.bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => return self.escaped(start, end),
                Some(0..=0x1f) | None => return Err(self.error_at(end, "the end of the string")),
                Some(_) => end += 1,
            }
        }
        let text = std::str::from_utf8(&self.bytes[start..end]).map_err(|e| self.not_utf8(start, &e))?;
        self.at = end + 1;
        Ok(Cow::Borrowed(text))
    }

    /// Reads `true` or `false`.
    pub fn bool(&mut self) -> Result<bool, JsonError> {
        self.space();
        if self.word("true") {
            Ok(true)
        } else if self.word("false") {
            Ok(false)
        } else {
            Err(self.error("true or false"))
        }
    }

    /// Reads `null`.
    pub fn null(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.word("null") { Ok(()) } else { Err(self.error("null")) }
    }

    /// The bytes of a number, checked against the grammar; `NaN` and the infinities included.
    #[inline]
    pub fn number(&mut self) -> Result<&'a [u8], JsonError> {
        self.space();
        let rest = &self.bytes[self.at..];
        let len = number_len(rest).or_else(|| bare_len(rest)).ok_or_else(|| self.error("a number"))?;
        if matches!(rest.get(len), Some(b'0'..=b'9' | b'.' | b'+' | b'-' | b'a'..=b'z' | b'A'..=b'Z' | b'_')) {
            return Err(self.error_at(self.at + len, "the end of the number"));
        }
        self.at += len;
        Ok(&rest[..len])
    }

    /// Reads the next value if it is a plain fraction; otherwise nothing is read but white space.
    #[inline]
    pub(super) fn decimal<T: Fraction>(&mut self) -> Option<T> {
        self.space();
        let (value, length) = decimal(self.bytes.get(self.at..)?)?;
        self.at += length;
        Some(value)
    }

    /// Reads plain fractions for as long as they follow one another, with the commas between them, and answers how
    /// many. What stops it, a comma before another kind of value included, is left to be read.
    #[inline]
    pub(super) fn decimals<T: Fraction>(&mut self, values: &mut Vec<T>) -> usize {
        let before = values.len();
        let mut end = self.at;
        while let Some(value) = self.decimal() {
            values.push(value);
            end = self.at;
            if !self.take(b',') {
                break;
            }
        }
        self.at = end;
        values.len() - before
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Reads past one value of any kind.
    pub fn skip(&mut self) -> Result<(), JsonError> {
        match self.peek()? {
            Kind::Object => self.object(|reader, _| reader.skip()),
            Kind::Array => self.array(Self::skip),
            Kind::String => self.string().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::Bool => self.bool().map(drop),
            Kind::Null => self.null(),
        }
    }

    /// Checks that nothing but white space is left.
    pub fn finish(mut self) -> Result<(), JsonError> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.error("the end of the text")) }
    }

    /// An error at the next token.
    pub fn error(&self, expected: impl Into<String>) -> JsonError {
        self.error_at(self.at, expected)
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    #[inline]
    fn expect(&mut self, byte: u8, words: &str) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.error(words)) }
    }

    fn word(&mut self, word: &str) -> bool {
        let there = self.bytes[self.at..].starts_with(word.as_bytes());
        if there {
            self.at += word.len();
        }
        there
    }

    fn open(&mut self, byte: u8, words: &str) -> Result<(), JsonError> {
        if self.depth == self.max_depth {
            self.space();
            return Err(self.error(format!("at most {} nested values (--max-json-depth)", self.max_depth)));
        }
        self.expect(byte, words)?;
        self.depth += 1;
        Ok(())
    }

    /// After a member or element: whether another follows.
    #[inline]
    fn more(&mut self, close: u8, words: &str) -> Result<bool, JsonError> {
        if self.take(b',') {
            return Ok(true);
        }
        self.expect(close, words)?;
        self.depth -= 1;
        Ok(false)
    }

    /// A string with escapes: finds its end, then unescapes into a new buffer.
    fn escaped(&mut self, start: usize, first: usize) -> Result<Cow<'a, str>, JsonError> {
        let mut text = self.bytes[start..first].to_vec();
        let mut at = first;
        loop {
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at = self.escape(at + 1, &mut text)?,
                Some(0..=0x1f) | None => return Err(self.error_at(at, "the end of the string")),
                Some(byte) => {
                    text.push(*byte);
                    at += 1;
                }
            }
        }
        let text = String::from_utf8(text).map_err(|e| self.not_utf8(start, &e.utf8_error()))?;
        self.at = at + 1;
        Ok(Cow::Owned(text))
    }

    fn escape(&self, at: usize, text: &mut Vec<u8>) -> Result<usize, JsonError> {
        let plain = match self.bytes.get(at) {
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode(at + 1, text),
            _ => return Err(self.error_at(at, "an escape")),
        };
        text.push(plain);
        Ok(at + 1)
    }

    fn unicode(&self, at: usize, text: &mut Vec<u8>) -> Result<usize, JsonError> {
        let high = self.hex(at)?;
        let (code, end) = match high {
            0xd800..=0xdbff if self.bytes.get(at + 4..at + 6) == Some(b"\\u") => {
                let low = self.hex(at + 6)?;
                let pair = 0x10000 + ((high - 0xd800) << 10) + low.wrapping_sub(0xdc00);
                ((0xdc00..=0xdfff).contains(&low).then_some(pair), at + 10)
            }
            code => (Some(code), at + 4),
        };
        let letter = code.and_then(char::from_u32).ok_or_else(|| self.error_at(at, "a pair of surrogates"))?;
        text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(end)
    }

    fn hex(&self, at: usize) -> Result<u32, JsonError> {
        let digits = self.bytes.get(at..at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| self.error_at(at, "four hexadecimal digits"))
    }

    fn not_utf8(&self, start: usize, error: &std::str::Utf8Error) -> JsonError {
        self.error_at(start + error.valid_up_to(), "UTF-8 text")
    }

    fn error_at(&self, offset: usize, expected: impl Into<String>) -> JsonError {
        JsonError { offset, expected: expected.into(), got: self.sight(offset) }
    }

    /// What stands at a place, at most 24 characters of it.
    fn sight(&self, offset: usize) -> String {
        let rest = self.bytes.get(offset..).unwrap_or(&[]);
        if rest.is_empty() {
            return "the end of the text".into();
        }
        let shown = String::from_utf8_lossy(&rest[..rest.len().min(24)]).replace(char::is_control, " ");
        let dots = if rest.len() > 24 { "..." } else { "" };
        format!("{shown}{dots}")
    }
}

/// Length of a number by RFC 8259, or `None` where none starts here.
#[inline]
fn number_len(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    at += match bytes.get(at)? {
        b'0' => 1,
        b'1'..=b'9' => digits(at),
        _ => return None,
    };
    if bytes.get(at) == Some(&b'.') {
        match digits(at + 1) {
            0 => return None,
            n => at += 1 + n,
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        match bytes.get(at + 1 + sign).map(|_| digits(at + 1 + sign)) {
            Some(n) if n > 0 => at += 1 + sign + n,
            _ => return None,
        }
    }
    Some(at)
}

/// Length of a bare non-finite token.
fn bare_len(bytes: &[u8]) -> Option<usize> {
    let tokens: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    tokens.into_iter().find(|token| bytes.starts_with(token)).map(<[u8]>::len)
}

#[cfg(test)]
mod tests;
