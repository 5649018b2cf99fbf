//! JSON values into a typed buffer.

use super::decimal::Fraction;
use super::{JsonError, Kind, Reader};
use crate::tensor::{DType, Data, Element};
use crate::text::shorten;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use half::{bf16, f16};
use std::sync::Arc;

/// A value that cannot become an element of the wanted type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElementError {
    #[error("malformed JSON {0}")]
    Json(#[from] JsonError),
    #[error("expected {expected}, got {got}")]
    Type { expected: String, got: String },
    #[error("{got} does not fit in {dtype}")]
    Range { dtype: DType, got: String },
}

/// Elements collected one by one.
pub struct Elements {
    pub data: Data,
}

impl Elements {
    pub fn new(dtype: DType, capacity: usize) -> Self {
        Self { data: Data::with_capacity(dtype, capacity) }
    }

    pub fn len(&self) -> usize {
        self.data.len()
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Reads one scalar.
    ///
    /// `null` stands for a missing number (NaN) where the type has one. Integers are exact and must
    /// be in range; a fraction that is whole (`3.0`) counts as an integer. Truth values may be
    /// written 0 and 1.
    #[inline]
    pub fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), ElementError> {
        match &mut self.data {
            Data::F32(values) => values.push(float(reader, DType::F32, |x: f32| x.is_infinite())?),
            Data::F64(values) => values.push(float(reader, DType::F64, |x: f64| x.is_infinite())?),
            Data::F16(values) => values.push(f16::from_f64(half(reader, DType::F16, 65504.0)?)),
            Data::BF16(values) => values.push(bf16::from_f64(half(reader, DType::BF16, f64::from(bf16::MAX))?)),
            Data::I8(values) => values.push(integer(reader)?),
            Data::I16(values) => values.push(integer(reader)?),
            Data::I32(values) => values.push(integer(reader)?),
            Data::I64(values) => values.push(integer(reader)?),
            Data::U8(values) => values.push(integer(reader)?),
            Data::U16(values) => values.push(integer(reader)?),
            Data::U32(values) => values.push(integer(reader)?),
            Data::U64(values) => values.push(integer(reader)?),
            Data::Bool(values) => values.push(truth(reader)?),
            Data::Str(values) => values.push(text(reader)?),
        }
        Ok(())
    }

    /// Reads plain fractions for as long as they follow one another, with the commas between them; answers how many.
    /// Other types, and values that take a closer look, are left for [`Self::read`].
    #[inline]
    pub(super) fn read_run(&mut self, reader: &mut Reader<'_>) -> usize {
        match &mut self.data {
            Data::F32(values) => reader.decimals(values.to_mut()),
            Data::F64(values) => reader.decimals(values.to_mut()),
            _ => 0,
        }
    }

    /// Adds a number that stands for what was given, where the elements can hold it.
    pub fn push_number(&mut self, number: f64) -> bool {
        match &mut self.data {
            Data::F32(values) => values.push(number as f32),
            Data::F64(values) => values.push(number),
            Data::I64(values) if number.fract() == 0.0 => values.push(number as i64),
            _ => return false,
        }
        true
    }

    /// Stands in for a value that was not given, where the type has a way to say so.
    pub fn push_missing(&mut self) -> bool {
        match &mut self.data {
            Data::F32(values) => values.push(f32::NAN),
            Data::F64(values) => values.push(f64::NAN),
            Data::F16(values) => values.push(f16::NAN),
            Data::BF16(values) => values.push(bf16::NAN),
            _ => return false,
        }
        true
    }
}

fn mismatch(reader: &mut Reader<'_>, expected: &str) -> ElementError {
    match reader.peek() {
        Ok(kind) => ElementError::Type { expected: expected.into(), got: shown(reader, kind) },
        Err(error) => ElementError::Json(error),
    }
}

/// The offending value itself where it is short, else its kind.
fn shown(reader: &Reader<'_>, kind: Kind) -> String {
    let mut ahead = reader.fork();
    match kind {
        Kind::String => match ahead.string() {
            Ok(text) if text.len() <= 40 => format!("the string \"{text}\""),
            _ => kind.words().into(),
        },
        Kind::Number => match ahead.number() {
            Ok(token) if token.len() <= 40 => String::from_utf8_lossy(token).into_owned(),
            _ => kind.words().into(),
        },
        Kind::Bool => ahead.bool().map_or_else(|_| kind.words().into(), |value| value.to_string()),
        _ => kind.words().into(),
    }
}

#[inline]
fn float<T>(reader: &mut Reader<'_>, dtype: DType, is_infinite: impl Fn(T) -> bool) -> Result<T, ElementError>
where
    T: fast_float2::FastFloat + Fraction + Element,
{
    if let Some(value) = reader.decimal() {
        return Ok(value);
    }
    let token = match reader.peek()? {
        Kind::Number => reader.number()?,
        Kind::Null => {
            reader.null()?;
            b"NaN"
        }
        _ => return Err(mismatch(reader, &format!("a number for {dtype}"))),
    };
    let value: T = fast_float2::parse(token).map_err(|_| mismatch(reader, "a number"))?;
    if is_infinite(value) && !token.ends_with(b"Infinity") {
        return Err(ElementError::Range { dtype, got: shorten(&String::from_utf8_lossy(token), 40) });
    }
    Ok(value)
}

fn half(reader: &mut Reader<'_>, dtype: DType, largest: f64) -> Result<f64, ElementError> {
    let value = float(reader, dtype, |x: f64| x.is_infinite())?;
    match value.is_finite() && value.abs() > largest {
        true => Err(ElementError::Range { dtype, got: value.to_string() }),
        false => Ok(value),
    }
}

/// Reads one exact integer.
pub fn integer<T: TryFrom<i128> + Element>(reader: &mut Reader<'_>) -> Result<T, ElementError> {
    if reader.peek()? != Kind::Number {
        return Err(mismatch(reader, &format!("an integer for {}", T::DTYPE)));
    }
    let before = reader.fork();
    let token = std::str::from_utf8(reader.number()?).unwrap_or("");
    let whole = match token.parse::<i128>() {
        Ok(value) => Some(value),
        Err(_) => whole_float(token),
    };
    let Some(value) = whole else {
        let mut at = before;
        return Err(mismatch(&mut at, &format!("an integer for {}", T::DTYPE)));
    };
    T::try_from(value).map_err(|_| ElementError::Range { dtype: T::DTYPE, got: shorten(token, 40) })
}

/// `3.0` or `1e3`: a float that is a whole number and small enough to be exact.
fn whole_float(token: &str) -> Option<i128> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value: f64 = token.parse().ok()?;
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i128)
}

fn truth(reader: &mut Reader<'_>) -> Result<bool, ElementError> {
    match reader.peek()? {
        Kind::Bool => Ok(reader.bool()?),
        Kind::Number => match reader.fork().number()? {
            b"0" => reader.number().map(|_| false).map_err(ElementError::Json),
            b"1" => reader.number().map(|_| true).map_err(ElementError::Json),
            _ => Err(mismatch(reader, "true, false, 0 or 1")),
        },
        _ => Err(mismatch(reader, "true, false, 0 or 1")),
    }
}

fn text(reader: &mut Reader<'_>) -> Result<Arc<str>, ElementError> {
    match reader.peek()? {
        Kind::String => Ok(Arc::from(reader.string()?)),
        Kind::Object => base64(reader),
        _ => Err(mismatch(reader, "a string for BYTES")),
    }
}

/// `{"b64": ".."}`: text that travels as bytes in base64, as TF Serving's clients write it.
fn base64(reader: &mut Reader<'_>) -> Result<Arc<str>, ElementError> {
    let wrong =
        |got: &str| ElementError::Type { expected: "{\"b64\": \"..\"} with UTF-8 text".into(), got: got.into() };
    let mut decoded = None;
    reader.object(|reader, key| {
        if key != "b64" || decoded.is_some() || reader.peek()? != Kind::String {
            return Err(wrong("another object"));
        }
        decoded = Some(STANDARD.decode(reader.string()?.as_bytes()).map_err(|_| wrong("what is not base64"))?);
        Ok(())
    })?;
    let bytes = decoded.ok_or_else(|| wrong("an empty object"))?;
    String::from_utf8(bytes).map(Arc::from).map_err(|_| wrong("other bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dtype: DType, text: &str) -> Result<Data, ElementError> {
        let mut elements = Elements::new(dtype, 1);
        elements.read(&mut Reader::new(text.as_bytes(), 8)).map(|()| elements.data)
    }

    #[test]
    fn integers_are_exact_and_bounded() {
        for value in [i64::MIN, i64::MAX, 9_007_199_254_740_993] {
            let Ok(Data::I64(got)) = read(DType::I64, &value.to_string()) else { panic!("{value}") };
            assert_eq!(got, [value]);
        }
        let Ok(Data::U64(got)) = read(DType::U64, "18446744073709551615") else { panic!("u64") };
        assert_eq!(got, [u64::MAX]);
        assert!(matches!(read(DType::U8, "256"), Err(ElementError::Range { .. })));
        assert!(matches!(read(DType::U8, "-1"), Err(ElementError::Range { .. })));
        assert!(matches!(read(DType::I64, "9223372036854775808"), Err(ElementError::Range { .. })));
        assert!(matches!(read(DType::I32, "1.5"), Err(ElementError::Type { .. })));
        assert!(read(DType::I32, "2.0").is_ok());
        assert!(read(DType::I32, "NaN").is_err());
    }

    #[test]
    fn floats_know_missing_and_refuse_overflow() {
        for text in ["null", "NaN"] {
            let Ok(Data::F32(got)) = read(DType::F32, text) else { panic!("{text}") };
            assert!(got[0].is_nan());
        }
        let Ok(Data::F32(got)) = read(DType::F32, "-Infinity") else { panic!("token") };
        assert_eq!(got, [f32::NEG_INFINITY]);
        assert!(matches!(read(DType::F32, "1e39"), Err(ElementError::Range { .. })));
        assert!(matches!(read(DType::F64, "1e400"), Err(ElementError::Range { .. })));
        assert!(read(DType::F64, "1e39").is_ok());
        let error = read(DType::F32, "\"abc\"").expect_err("text");
        assert_eq!(error.to_string(), "expected a number for FP32, got the string \"abc\"");
        assert!(read(DType::F32, "true").is_err());
    }

    #[test]
    fn truth_and_text_take_only_their_own() {
        assert!(matches!(read(DType::Bool, "1"), Ok(Data::Bool(v)) if v == [true]));
        assert!(read(DType::Bool, "2").is_err());
        assert!(read(DType::Bool, "\"true\"").is_err());
        assert!(read(DType::Str, "5").is_err());
        assert!(read(DType::Str, "null").is_err());
        assert!(matches!(read(DType::Str, r#"{"b64": "YcOk"}"#), Ok(Data::Str(v)) if &*v[0] == "a\u{e4}"));
        for bad in ["{}", r#"{"b64": 5}"#, r#"{"b64": "%"}"#, r#"{"b64": "/w=="}"#, r#"{"b64": "", "x": 1}"#] {
            assert!(read(DType::Str, bad).is_err(), "{bad}");
        }
    }
}
