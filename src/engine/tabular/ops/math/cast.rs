//! Cast between numbers, truth values and text.

use crate::engine::RunError;
use crate::engine::onnx::{Attributes, dtype};
use crate::engine::tabular::ops::operands::{one, operand, wrap};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::engine::tabular::row::{Columns, Operand};
use crate::tensor::{DType, Data, Tensor};
use half::{bf16, f16};
use std::sync::Arc;

pub struct Cast {
    to: DType,
}

impl Cast {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let code = i32::try_from(attributes.int("to", 0)).map_err(|_| "'to' is out of range")?;
        dtype(code).map(Self::to)
    }

    pub fn to(to: DType) -> Self {
        Self { to }
    }
}

impl Op for Cast {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        if input.dtype() == self.to {
            return Ok(one(input.clone()));
        }
        wrap(input.shape().clone(), converted(input.data(), self.to)?)
    }

    /// Numbers stay what they are.
    fn columns(&self, operands: &[Operand<'_>]) -> Option<Columns> {
        let table = operands.first()?.columns()?;
        (self.to == DType::F32 && table.is_numeric()).then(|| table.clone())
    }
}

/// A cast to the type of the second operand.
pub struct CastLike;

impl Op for CastLike {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        Cast::to(operand(operands, 1)?.dtype()).run(operands)
    }
}

/// A number on its way to another type; integers stay exact.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Large(u64),
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Self::Int(v) => v as f64,
            Self::Large(v) => v as f64,
            Self::Float(v) => v,
        }
    }

    /// Rounded once: an integer that no double holds must not be rounded on the way.
    fn single(self) -> f32 {
        match self {
            Self::Int(v) => v as f32,
            Self::Large(v) => v as f32,
            Self::Float(v) => v as f32,
        }
    }

    /// Towards zero; out of range to the nearest end.
    fn int(self) -> i64 {
        match self {
            Self::Int(v) => v,
            Self::Large(v) => v as i64,
            Self::Float(v) => v as i64,
        }
    }

    fn large(self) -> u64 {
        match self {
            Self::Float(v) if v >= 0.0 => v as u64,
            other => other.int() as u64,
        }
    }
}

fn converted(data: &Data, to: DType) -> Result<Data, RunError> {
    Ok(match (data, to) {
        // Both in one step, for the types that are cast most.
        (Data::F32(values), DType::F64) => Data::F64(values.iter().map(|v| f64::from(*v)).collect()),
        (Data::F64(values), DType::F32) => Data::F32(values.iter().map(|v| *v as f32).collect()),
        (Data::I64(values), DType::F32) => Data::F32(values.iter().map(|v| *v as f32).collect()),
        (Data::Bool(values), DType::F32) => Data::F32(values.iter().map(|v| f32::from(u8::from(*v))).collect()),
        (Data::Str(values), DType::F32) => Data::F32(values.iter().map(|v| parsed(v)).collect::<Result<_, _>>()?),
        (_, DType::Str) => Data::Str(texts(data)?),
        _ => from_numbers(&numbers(data)?, to),
    })
}

fn from_numbers(numbers: &[Number], to: DType) -> Data {
    let each = numbers.iter().copied();
    match to {
        DType::Bool => Data::Bool(each.map(|v| v.float() != 0.0).collect()),
        DType::U8 => Data::U8(each.map(|v| v.int() as u8).collect()),
        DType::U16 => Data::U16(each.map(|v| v.int() as u16).collect()),
        DType::U32 => Data::U32(each.map(|v| v.int() as u32).collect()),
        DType::U64 => Data::U64(each.map(Number::large).collect()),
        DType::I8 => Data::I8(each.map(|v| v.int() as i8).collect()),
        DType::I16 => Data::I16(each.map(|v| v.int() as i16).collect()),
        DType::I32 => Data::I32(each.map(|v| v.int() as i32).collect()),
        DType::I64 => Data::I64(each.map(Number::int).collect()),
        DType::F16 => Data::F16(each.map(|v| f16::from_f64(v.float())).collect()),
        DType::BF16 => Data::BF16(each.map(|v| bf16::from_f64(v.float())).collect()),
        DType::F32 => Data::F32(each.map(Number::single).collect()),
        DType::F64 => Data::F64(each.map(Number::float).collect()),
        DType::Str => Data::Str(each.map(|v| Arc::from(v.int().to_string())).collect()),
    }
}

fn numbers(data: &Data) -> Result<Vec<Number>, RunError> {
    macro_rules! ints {
        ($values:expr) => {
            $values.iter().map(|v| Number::Int(i64::from(*v))).collect()
        };
    }
    Ok(match data {
        Data::Bool(values) => ints!(values),
        Data::U8(values) => ints!(values),
        Data::U16(values) => ints!(values),
        Data::U32(values) => ints!(values),
        Data::U64(values) => values.iter().map(|v| Number::Large(*v)).collect(),
        Data::I8(values) => ints!(values),
        Data::I16(values) => ints!(values),
        Data::I32(values) => ints!(values),
        Data::I64(values) => ints!(values),
        Data::F16(values) => values.iter().map(|v| Number::Float(v.to_f64())).collect(),
        Data::BF16(values) => values.iter().map(|v| Number::Float(v.to_f64())).collect(),
        Data::F32(values) => values.iter().map(|v| Number::Float(f64::from(*v))).collect(),
        Data::F64(values) => values.iter().map(|v| Number::Float(*v)).collect(),
        Data::Str(values) => values.iter().map(|text| parse(text)).collect::<Result<_, _>>()?,
    })
}

fn parse(text: &str) -> Result<Number, RunError> {
    match text.trim().parse::<i64>() {
        Ok(int) => Ok(Number::Int(int)),
        Err(_) => parsed(text).map(Number::Float),
    }
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, RunError> {
    text.trim().parse().map_err(|_| RunError::Input(format!("'{text:.40}' is not a number")))
}

fn texts(data: &Data) -> Result<Vec<Arc<str>>, RunError> {
    Ok(match data {
        Data::Str(values) => values.clone(),
        Data::F32(values) => values.iter().map(|v| Arc::from(general(f64::from(*v)))).collect(),
        Data::F64(values) => values.iter().map(|v| Arc::from(general(*v))).collect(),
        Data::F16(values) => values.iter().map(|v| Arc::from(general(v.to_f64()))).collect(),
        Data::BF16(values) => values.iter().map(|v| Arc::from(general(v.to_f64()))).collect(),
        Data::U64(values) => values.iter().map(|v| Arc::from(v.to_string())).collect(),
        other => numbers(other)?.into_iter().map(|v| Arc::from(v.int().to_string())).collect(),
    })
}

/// A float as C's `%.8g` writes it, which is how ONNX Runtime casts either width to text.
fn general(value: f64) -> String {
    const DIGITS: usize = 8;
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF".into() } else { "-INF".into() };
    }
    let scientific = format!("{value:.*e}", DIGITS - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let whole = DIGITS as i32;
    if (-4..whole).contains(&exponent) {
        let decimals = usize::try_from(whole - 1 - exponent).unwrap_or(0);
        return trimmed(&format!("{value:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

/// Without the zeros behind the point, and without a point that nothing follows.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stay_exact_and_text_is_read() {
        let big = i64::MAX - 1;
        let input = Tensor::of([1], vec![Arc::<str>::from(big.to_string())]).expect("fits");
        let out = Cast::to(DType::I64).run(&[&input]).expect("a number");
        assert_eq!(out[0].as_slice::<i64>(), Some(&[big][..]));
        let input = Tensor::of([1], vec![Arc::<str>::from("many")]).expect("fits");
        assert!(matches!(Cast::to(DType::F32).run(&[&input]), Err(RunError::Input(_))));
    }

    #[test]
    fn floats_are_written_as_c_writes_them() {
        let cases = [
            (1.0, "1"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e-5, "1e-05"),
            (123_456_789.0, "1.2345679e+08"),
            (0.000_123_456_789, "0.00012345679"),
            (99_999_999.9, "1e+08"),
            (0.0, "0"),
            (f64::INFINITY, "INF"),
            (f64::NAN, "NaN"),
        ];
        for (value, words) in cases {
            assert_eq!(general(value), words);
        }
    }

    #[test]
    fn floats_go_towards_zero_and_stop_at_the_ends() {
        let input = Tensor::of([4], vec![-1.9f32, 1.9, 1e30, f32::NAN]).expect("fits");
        let out = Cast::to(DType::I64).run(&[&input]).expect("numbers");
        assert_eq!(out[0].as_slice::<i64>(), Some(&[-1, 1, i64::MAX, 0][..]));
        let out = Cast::to(DType::Bool).run(&[&input]).expect("numbers");
        assert_eq!(out[0].as_slice::<bool>(), Some(&[true; 4][..]));
    }
}
