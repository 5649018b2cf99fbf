//! One input of an inference request in JSON.

use super::parameters::count;
use super::request::{expect, is_shared_memory, no_shared_memory, string, value};
use crate::engine::{InputError, Signature};
use crate::front::reply::ApiError;
use crate::front::wrong::Wrong;
use crate::json::{ElementError, Elements, Kind, NestedError, Reader, integer, nested};
use crate::tensor::{DType, Shape, Tensor};

/// Axes that a shape may have: no model has as many.
pub const MOST_AXES: usize = 32;

/// Bytes that a value takes in the text, with its comma, where room is made for values beforehand.
const LIKELY_LENGTH: usize = 4;

/// An input that has been read, or whose bytes are announced.
pub struct Filled {
    /// Its place in the signature.
    pub at: usize,
    pub source: Source,
}

/// Where an input's data is.
pub enum Source {
    Json(Tensor),
    /// Behind the JSON, so many bytes.
    Binary {
        shape: Shape,
        size: usize,
    },
}

/// The members of one input, collected in whichever order they come.
#[derive(Default)]
struct Input<'a> {
    name: Option<String>,
    dtype: Option<DType>,
    shape: Option<Shape>,
    binary_size: Option<usize>,
    /// Where its data starts, while the type is not known yet.
    data: Option<Reader<'a>>,
    values: Option<(Shape, Elements)>,
}

/// Reads an entry of `inputs`.
pub fn input(reader: &mut Reader<'_>, signature: &Signature) -> Result<Filled, Wrong> {
    let mut input = Input::default();
    reader.object(|reader, key| input.member(reader, &key))?;
    input.finish(signature)
}

/// A shape from the lengths that a request gives.
pub fn shape_of(dims: impl IntoIterator<Item = i64>) -> Result<Shape, String> {
    let mut shape = Shape::default();
    for dim in dims {
        push(&mut shape, dim)?;
    }
    bounded(shape)
}

fn push(shape: &mut Shape, dim: i64) -> Result<(), String> {
    if shape.len() == MOST_AXES {
        return Err(format!("shape: expected at most {MOST_AXES} axes"));
    }
    shape.push(usize::try_from(dim).map_err(|_| format!("shape: {dim} is negative"))?);
    Ok(())
}

fn bounded(shape: Shape) -> Result<Shape, String> {
    match shape.elements() {
        Some(_) => Ok(shape),
        None => Err(format!("shape {shape} has more elements than memory can address")),
    }
}

impl<'a> Input<'a> {
    fn member(&mut self, reader: &mut Reader<'a>, key: &str) -> Result<(), Wrong> {
        match key {
            "name" => self.name = Some(string(reader, "inputs.name")?),
            "datatype" => self.dtype = Some(self.read_dtype(reader)?),
            "shape" => self.shape = Some(self.read_shape(reader)?),
            "data" => match self.dtype {
                Some(dtype) => self.values = Some(self.read_data(reader, dtype)?),
                None => {
                    self.data = Some(reader.fork());
                    reader.skip()?;
                }
            },
            "parameters" if reader.peek()? == Kind::Null => reader.null()?,
            "parameters" => self.read_parameters(reader)?,
            _ => reader.skip()?,
        }
        Ok(())
    }

    /// What to call the input in an error.
    fn field(&self) -> String {
        self.name.clone().unwrap_or_else(|| "inputs".into())
    }

    fn bad(&self, words: impl std::fmt::Display) -> ApiError {
        ApiError::field(self.field(), format!("input '{}': {words}", crate::text::shorten(&self.field(), 60)))
    }

    fn read_dtype(&self, reader: &mut Reader<'a>) -> Result<DType, Wrong> {
        let text = string(reader, "datatype")?;
        Ok(text.parse().map_err(|error| self.bad(error))?)
    }

    fn read_shape(&self, reader: &mut Reader<'a>) -> Result<Shape, Wrong> {
        expect(reader, Kind::Array, "shape")?;
        let mut shape = Shape::default();
        reader.array(|reader| {
            let dim: i64 = integer(reader).map_err(|error| self.bad(format!("shape: {error}")))?;
            Ok::<(), Wrong>(push(&mut shape, dim).map_err(|words| self.bad(words))?)
        })?;
        Ok(bounded(shape).map_err(|words| self.bad(words))?)
    }

    fn read_parameters(&mut self, reader: &mut Reader<'a>) -> Result<(), Wrong> {
        expect(reader, Kind::Object, "inputs.parameters")?;
        reader.object(|reader, key| {
            let value = value(reader)?;
            match &*key {
                "binary_data_size" => self.binary_size = Some(count(&key, &value)?),
                name if is_shared_memory(name) => return Err(no_shared_memory(name).into()),
                _ => {}
            }
            Ok(())
        })
    }

    fn read_data(&self, reader: &mut Reader<'a>, dtype: DType) -> Result<(Shape, Elements), Wrong> {
        self.refuse_halves(dtype)?;
        expect(reader, Kind::Array, &format!("{}.data", self.field()))?;
        // The shape is a caller's word: no memory is set aside on it beyond what the text may well hold.
        let wanted = self.shape.as_ref().and_then(Shape::elements).unwrap_or(0);
        let capacity = wanted.min(reader.left() / LIKELY_LENGTH);
        let mut elements = Elements::new(dtype, capacity);
        let shape = nested(reader, &mut elements).map_err(|error| match error {
            NestedError::Json(error) | NestedError::Element { source: ElementError::Json(error), .. } => {
                Wrong::Json(error)
            }
            other => self.bad(format!("data: {other}")).into(),
        })?;
        Ok((shape, elements))
    }

    /// Sixteen-bit fractions have no JSON form in the protocol.
    fn refuse_halves(&self, dtype: DType) -> Result<(), ApiError> {
        match dtype {
            DType::F16 | DType::BF16 => Err(self
                .bad(format!("receiving {dtype} data via JSON is not supported. Please use the binary data format"))),
            _ => Ok(()),
        }
    }

    fn finish(mut self, signature: &Signature) -> Result<Filled, Wrong> {
        let Some(name) = self.name.clone() else {
            return Err(ApiError::field("inputs", "an entry of 'inputs' has no name").into());
        };
        let at = signature.input(&name).ok_or_else(|| InputError::unknown(&name, signature))?;
        let dtype = self.dtype.ok_or_else(|| self.bad("'datatype' is missing"))?;
        let shape = self.shape.take().ok_or_else(|| self.bad("'shape' is missing"))?;
        if self.data.is_some() {
            self.refuse_halves(dtype)?;
        }
        let expected = signature.inputs[at].dtype;
        if dtype != expected {
            return Err(InputError::DType { name, expected, got: dtype }.into());
        }
        let (spelled, elements) = match (self.values.take(), self.data.take(), self.binary_size) {
            (None, None, Some(size)) => return Ok(Filled { at, source: Source::Binary { shape, size } }),
            (_, _, Some(_)) => return Err(self.bad("has both 'data' and 'binary_data_size': send one").into()),
            (Some(values), _, None) => values,
            (None, Some(mut reader), None) => self.read_data(&mut reader, dtype)?,
            (None, None, None) => return Err(self.bad("'data' is missing").into()),
        };
        if spelled.len() > 1 && spelled != shape {
            return Err(self.bad(format!("the data is nested as {spelled}, but the shape is {shape}")).into());
        }
        let tensor = Tensor::new(shape, elements.data).map_err(|error| self.bad(error))?;
        Ok(Filled { at, source: Source::Json(tensor) })
    }
}
