//! An inference request to the tensors of a model.

use crate::engine::{Extras, InputError, Signature};
use crate::front::extra;
use crate::front::reply::{ApiError, Cause};
use crate::front::wrong::Wrong;
use crate::json::{ElementError, Elements, Kind, NestedError, Reader, integer, nested};
use crate::tensor::{DType, Shape, Tensor};
use hyper::HeaderMap;
use std::time::Duration;

/// Axes that a shape may have: no model has as many.
const MOST_AXES: usize = 32;

/// What an inference request holds.
#[derive(Debug, Default)]
pub struct Parsed {
    pub id: Option<String>,
    /// Inputs in the signature's order.
    pub inputs: Vec<Tensor>,
    /// Outputs asked for by name, in the order asked, as places in [`Signature::answered`]; empty for
    /// all that the answer holds.
    pub wanted: Vec<usize>,
    pub extras: Extras,
    pub timeout: Option<Duration>,
}

/// The binary tensor extension announces itself by a header; its bodies are not JSON.
pub fn refuse_binary(headers: &HeaderMap) -> Result<(), ApiError> {
    const HEADER: &str = "inference-header-content-length";
    match headers.get(HEADER) {
        None => Ok(()),
        Some(_) => {
            let words = "the binary tensor extension is not spoken: send JSON data (tritonclient: binary_data=False)";
            Err(ApiError { field: Some(HEADER.into()), ..ApiError::new(Cause::MediaType, words) })
        }
    }
}

/// Reads a body straight into the model's tensors.
pub fn parse(bytes: &[u8], signature: &Signature, max_depth: usize) -> Result<Parsed, ApiError> {
    let mut reader = Reader::new(bytes, max_depth);
    let parsed = whole(&mut reader, signature)?;
    reader.finish().map_err(Wrong::Json)?;
    Ok(parsed)
}

fn whole(reader: &mut Reader<'_>, signature: &Signature) -> Result<Parsed, Wrong> {
    let mut parsed = Parsed::default();
    let mut inputs: Vec<Option<Tensor>> = signature.inputs.iter().map(|_| None).collect();
    expect(reader, Kind::Object, "body")?;
    let mut given = false;
    let mut names = Vec::new();
    reader.object(|reader, key| match &*key {
        // Clients that write out absent members as null mean that they are absent.
        "id" | "outputs" | "parameters" if reader.peek()? == Kind::Null => Ok(reader.null()?),
        "id" => {
            parsed.id = Some(string(reader, "id")?);
            Ok(())
        }
        "inputs" => {
            if std::mem::replace(&mut given, true) {
                return Err(ApiError::field("inputs", "'inputs' is given twice").into());
            }
            expect(reader, Kind::Array, "inputs")?;
            reader.array(|reader| input(reader, signature, &mut inputs))
        }
        "outputs" => {
            expect(reader, Kind::Array, "outputs")?;
            reader.array(|reader| output(reader, signature, &mut names))
        }
        "parameters" => parameters(reader, signature, &mut parsed),
        // Unknown members are ignored: Triton's own examples send some.
        _ => Ok(reader.skip()?),
    })?;
    parsed.choose(signature, names);
    for (tensor, spec) in inputs.into_iter().zip(&signature.inputs) {
        parsed.inputs.push(tensor.ok_or_else(|| InputError::Missing { name: spec.name.clone() })?);
    }
    Ok(parsed)
}

fn expect(reader: &mut Reader<'_>, kind: Kind, field: &str) -> Result<(), Wrong> {
    match reader.peek()? {
        got if got == kind => Ok(()),
        got => Err(ApiError::field(field, format!("'{field}': expected {}, got {}", kind.words(), got.words())).into()),
    }
}

fn string(reader: &mut Reader<'_>, field: &str) -> Result<String, Wrong> {
    expect(reader, Kind::String, field)?;
    Ok(reader.string()?.into_owned())
}

impl Parsed {
    /// Outputs asked for by name, and behind them the extras that parameters ask for.
    fn choose(&mut self, signature: &Signature, mut names: Vec<String>) {
        let by_parameter = self.extras;
        for name in &names {
            self.extras = self.extras.and(signature.extra(name));
        }
        if names.is_empty() {
            return;
        }
        let behind = Extras::NAMES.into_iter().filter(|name| by_parameter.has(name));
        for name in behind {
            if !names.iter().any(|named| named == name) {
                names.push(name.into());
            }
        }
        let place = |name: &String| signature.answered(self.extras).position(|spec| spec.name == *name);
        self.wanted = names.iter().filter_map(place).collect();
    }
}

fn parameters(reader: &mut Reader<'_>, signature: &Signature, parsed: &mut Parsed) -> Result<(), Wrong> {
    expect(reader, Kind::Object, "parameters")?;
    reader.object(|reader, key| {
        if Extras::NAMES.contains(&&*key) {
            parsed.extras = parsed.extras.and(extra::parameter(reader, signature, &key)?);
            return Ok(());
        }
        if key != "timeout" {
            return Ok(reader.skip()?);
        }
        let micros: u64 = integer(reader)
            .map_err(|error| ApiError::field("timeout", format!("parameter 'timeout' (microseconds): {error}")))?;
        // As in Triton, 0 leaves it to the server.
        parsed.timeout = (micros > 0).then(|| Duration::from_micros(micros));
        Ok(())
    })
}

fn output(reader: &mut Reader<'_>, signature: &Signature, names: &mut Vec<String>) -> Result<(), Wrong> {
    expect(reader, Kind::Object, "outputs")?;
    let mut name = None;
    reader.object(|reader, key| match &*key {
        "name" => {
            name = Some(string(reader, "outputs.name")?);
            Ok(())
        }
        "parameters" => output_parameters(reader),
        _ => Ok(reader.skip()?),
    })?;
    let name = name.ok_or_else(|| ApiError::field("outputs", "an entry of 'outputs' has no name"))?;
    let all = || signature.outputs.iter().chain(&signature.extras).map(|spec| spec.name.as_str());
    if !all().any(|known| known == name) {
        let known = all().collect::<Vec<_>>().join(", ");
        let words = format!("unexpected inference output '{}': the model has {known}", crate::text::shorten(&name, 60));
        return Err(ApiError::field(&name, words).into());
    }
    if names.contains(&name) {
        return Err(ApiError::field(&name, format!("output '{name}' is asked for twice")).into());
    }
    names.push(name);
    Ok(())
}

fn output_parameters(reader: &mut Reader<'_>) -> Result<(), Wrong> {
    reader.object(|reader, key| match &*key {
        "classification" => {
            Err(ApiError::field("classification", "the classification extension is not spoken here").into())
        }
        _ => Ok(reader.skip()?),
    })
}

/// The members of one input, collected in whichever order they come.
#[derive(Default)]
struct Input<'a> {
    name: Option<String>,
    dtype: Option<DType>,
    shape: Option<Shape>,
    /// Where its data starts, while the type is not known yet.
    data: Option<Reader<'a>>,
    values: Option<(Shape, Elements)>,
}

fn input<'a>(reader: &mut Reader<'a>, signature: &Signature, inputs: &mut [Option<Tensor>]) -> Result<(), Wrong> {
    expect(reader, Kind::Object, "inputs")?;
    let mut input = Input::default();
    reader.object(|reader, key| input.member(reader, &key))?;
    let (at, tensor) = input.finish(signature)?;
    match inputs[at].replace(tensor) {
        Some(_) => Err(InputError::Duplicate { name: signature.inputs[at].name.clone() }.into()),
        None => Ok(()),
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
        let dtype: DType = text.parse().map_err(|error| self.bad(error))?;
        match dtype {
            DType::F16 | DType::BF16 => Err(self
                .bad(format!("receiving {dtype} data via JSON is not supported. Please use the binary data format"))
                .into()),
            dtype => Ok(dtype),
        }
    }

    fn read_shape(&self, reader: &mut Reader<'a>) -> Result<Shape, Wrong> {
        expect(reader, Kind::Array, "shape")?;
        let mut shape = Shape::default();
        reader.array(|reader| {
            let dim: i64 = integer(reader).map_err(|error| self.bad(format!("shape: {error}")))?;
            if shape.len() == MOST_AXES {
                return Err(self.bad(format!("shape: expected at most {MOST_AXES} axes")).into());
            }
            shape.push(usize::try_from(dim).map_err(|_| self.bad(format!("shape: {dim} is negative")))?);
            Ok::<(), Wrong>(())
        })?;
        if shape.elements().is_none() {
            return Err(self.bad(format!("shape {shape} has more elements than memory can address")).into());
        }
        Ok(shape)
    }

    fn read_parameters(&self, reader: &mut Reader<'a>) -> Result<(), Wrong> {
        expect(reader, Kind::Object, "inputs.parameters")?;
        reader.object(|reader, key| match &*key {
            "binary_data_size" => Err(self.bad("binary data is not spoken: send 'data' as JSON").into()),
            _ => Ok(reader.skip()?),
        })
    }

    fn read_data(&self, reader: &mut Reader<'a>, dtype: DType) -> Result<(Shape, Elements), Wrong> {
        expect(reader, Kind::Array, &format!("{}.data", self.field()))?;
        // The shape is a caller's word: no memory is set aside on it beyond a little.
        let capacity = self.shape.as_ref().and_then(Shape::elements).unwrap_or(0).min(4096);
        let mut elements = Elements::new(dtype, capacity);
        let shape = nested(reader, &mut elements).map_err(|error| match error {
            NestedError::Json(error) | NestedError::Element { source: ElementError::Json(error), .. } => {
                Wrong::Json(error)
            }
            other => self.bad(format!("data: {other}")).into(),
        })?;
        Ok((shape, elements))
    }

    fn finish(mut self, signature: &Signature) -> Result<(usize, Tensor), Wrong> {
        let Some(name) = self.name.clone() else {
            return Err(ApiError::field("inputs", "an entry of 'inputs' has no name").into());
        };
        let at = signature.input(&name).ok_or_else(|| InputError::unknown(&name, signature))?;
        let dtype = self.dtype.ok_or_else(|| self.bad("'datatype' is missing"))?;
        let shape = self.shape.take().ok_or_else(|| self.bad("'shape' is missing"))?;
        let expected = signature.inputs[at].dtype;
        if dtype != expected {
            return Err(InputError::DType { name, expected, got: dtype }.into());
        }
        let (spelled, elements) = match (self.values.take(), self.data.take()) {
            (Some(values), _) => values,
            (None, Some(mut reader)) => self.read_data(&mut reader, dtype)?,
            (None, None) => return Err(self.bad("'data' is missing").into()),
        };
        if spelled.len() > 1 && spelled != shape {
            return Err(self.bad(format!("the data is nested as {spelled}, but the shape is {shape}")).into());
        }
        let tensor = Tensor::new(shape, elements.data).map_err(|error| self.bad(error))?;
        Ok((at, tensor))
    }
}
