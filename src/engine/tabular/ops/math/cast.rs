//! Cast between numbers, truth values and text.

use crate::engine::onnx::Attributes;
use crate::engine::onnx::dtype;
use crate::engine::tabular::ops::{Op, Outputs, RunError, one, operand, tensor, unsupported};
use crate::tensor::{DType, Data, Tensor};
use std::sync::Arc;

pub struct Cast {
    to: DType,
}

impl Cast {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let code = i32::try_from(attributes.int("to", 0)).map_err(|_| "'to' is out of range")?;
        let to = dtype(code)?;
        match to {
            DType::F32 | DType::F64 | DType::I32 | DType::I64 | DType::Bool | DType::Str => Ok(Self { to }),
            other => Err(format!("a cast to {other} is not supported yet")),
        }
    }
}

/// A number on its way to another type; integers stay exact.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Self::Int(v) => v as f64,
            Self::Float(v) => v,
        }
    }

    /// Towards zero; out of range to the nearest end.
    fn int(self) -> i64 {
        match self {
            Self::Int(v) => v,
            Self::Float(v) => v as i64,
        }
    }
}

fn numbers(data: &Data) -> Result<Vec<Number>, RunError> {
    Ok(match data {
        Data::Bool(values) => values.iter().map(|v| Number::Int(i64::from(*v))).collect(),
        Data::U8(values) => values.iter().map(|v| Number::Int(i64::from(*v))).collect(),
        Data::I32(values) => values.iter().map(|v| Number::Int(i64::from(*v))).collect(),
        Data::I64(values) => values.iter().map(|v| Number::Int(*v)).collect(),
        Data::F32(values) => values.iter().map(|v| Number::Float(f64::from(*v))).collect(),
        Data::F64(values) => values.iter().map(|v| Number::Float(*v)).collect(),
        Data::Str(values) => values.iter().map(|text| parse(text)).collect::<Result<_, _>>()?,
        other => return Err(unsupported(other.dtype())),
    })
}

fn parse(text: &str) -> Result<Number, RunError> {
    let text = text.trim();
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(int), _) => Ok(Number::Int(int)),
        (_, Ok(float)) => Ok(Number::Float(float)),
        _ => Err(RunError::Input(format!("'{text:.40}' is not a number"))),
    }
}

fn texts(data: &Data) -> Result<Vec<Arc<str>>, RunError> {
    Ok(match data {
        Data::Str(values) => values.clone(),
        Data::Bool(values) => values.iter().map(|v| Arc::from(if *v { "1" } else { "0" })).collect(),
        Data::F32(values) => values.iter().map(|v| Arc::from(v.to_string())).collect(),
        Data::F64(values) => values.iter().map(|v| Arc::from(v.to_string())).collect(),
        other => numbers(other)?.into_iter().map(|v| Arc::from(v.int().to_string())).collect(),
    })
}

impl Op for Cast {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        if input.dtype() == self.to {
            return Ok(one(input.clone()));
        }
        let shape = input.shape().clone();
        let data = input.data();
        Ok(one(match self.to {
            DType::Str => tensor(shape, texts(data)?)?,
            DType::F64 => tensor(shape, numbers(data)?.into_iter().map(Number::float).collect())?,
            DType::F32 => tensor(shape, numbers(data)?.into_iter().map(|v| v.float() as f32).collect())?,
            DType::I64 => tensor(shape, numbers(data)?.into_iter().map(Number::int).collect())?,
            DType::I32 => tensor(shape, numbers(data)?.into_iter().map(|v| v.int() as i32).collect())?,
            DType::Bool => tensor(shape, numbers(data)?.into_iter().map(|v| v.float() != 0.0).collect())?,
            other => return Err(unsupported(other)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stay_exact_and_text_is_read() {
        let big = i64::MAX - 1;
        let input = Tensor::of([1], vec![Arc::<str>::from(big.to_string())]).expect("fits");
        let out = Cast { to: DType::I64 }.run(&[&input]).expect("a number");
        assert_eq!(out[0].as_slice::<i64>(), Some(&[big][..]));
        let input = Tensor::of([1], vec![Arc::<str>::from("many")]).expect("fits");
        assert!(matches!(Cast { to: DType::F32 }.run(&[&input]), Err(RunError::Input(_))));
    }
}
