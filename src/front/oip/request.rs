//! An inference request to the tensors of a model.

use super::binary::{self, Framing};
use super::input::{Filled, Source, input};
use super::parameters::{Parameters, Value, count, truth};
use crate::engine::{Extras, InputError, Signature};
use crate::front::extra;
use crate::front::reply::ApiError;
use crate::front::wrong::Wrong;
use crate::json::{JsonError, Kind, Reader};
use crate::tensor::Tensor;
use bytes::Bytes;

/// What an inference request holds.
#[derive(Debug, Default)]
pub struct Parsed {
    pub id: Option<String>,
    /// Inputs in the signature's order.
    pub inputs: Vec<Tensor>,
    /// The outputs asked for by name, in the order asked; empty for all that the answer holds.
    pub wanted: Vec<Wanted>,
    pub extras: Extras,
    pub parameters: Parameters,
}

/// One output as it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its place among all that the answer holds: [`Signature::answered`].
    pub at: usize,
    /// As raw bytes or as JSON; what the request says where it says nothing itself.
    pub binary: Option<bool>,
    /// How many of its highest values, as classes; 0 for the tensor itself.
    pub classes: usize,
}

/// Reads a body straight into the model's tensors.
pub fn parse(body: &Bytes, framing: Framing, signature: &Signature, max_depth: usize) -> Result<Parsed, ApiError> {
    let json = match framing {
        Framing::Json => body.len(),
        Framing::Mixed { json } => json,
        Framing::Raw => return binary::raw(body, signature),
    };
    let (head, tail) = body.split_at_checked(json).unwrap_or((body, &[]));
    // Tensors that are taken as they lie keep the whole body for as long as they wait: more JSON than
    // tensors is not worth that, and a queue counts the tensors alone.
    let tail = if tail.len() < head.len() { Bytes::copy_from_slice(tail) } else { body.slice_ref(tail) };
    let mut reader = Reader::new(head, max_depth);
    let (mut parsed, filled) = whole(&mut reader, signature)?;
    reader.finish().map_err(Wrong::Json)?;
    let mut inputs = binary::fill(filled, framing, tail, signature)?;
    for (tensor, spec) in inputs.iter_mut().zip(&signature.inputs) {
        parsed.inputs.push(tensor.take().ok_or_else(|| InputError::Missing { name: spec.name.clone() })?);
    }
    Ok(parsed)
}

fn whole(reader: &mut Reader<'_>, signature: &Signature) -> Result<(Parsed, Vec<Filled>), Wrong> {
    let mut parsed = Parsed::default();
    let mut filled: Vec<Filled> = Vec::with_capacity(signature.inputs.len());
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
            reader.array(|reader| one_input(reader, signature, &mut filled))
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
    Ok((parsed, filled))
}

fn one_input(reader: &mut Reader<'_>, signature: &Signature, filled: &mut Vec<Filled>) -> Result<(), Wrong> {
    expect(reader, Kind::Object, "inputs")?;
    let one = input(reader, signature)?;
    if filled.iter().any(|other| other.at == one.at) {
        return Err(InputError::Duplicate { name: signature.inputs[one.at].name.clone() }.into());
    }
    filled.push(one);
    Ok(())
}

pub(super) fn expect(reader: &mut Reader<'_>, kind: Kind, field: &str) -> Result<(), Wrong> {
    match reader.peek()? {
        got if got == kind => Ok(()),
        got => Err(ApiError::field(field, format!("'{field}': expected {}, got {}", kind.words(), got.words())).into()),
    }
}

pub(super) fn string(reader: &mut Reader<'_>, field: &str) -> Result<String, Wrong> {
    expect(reader, Kind::String, field)?;
    Ok(reader.string()?.into_owned())
}

impl Parsed {
    /// Outputs asked for by name, and behind them the extras that parameters ask for.
    pub fn choose(&mut self, signature: &Signature, mut named: Vec<(String, Wanted)>) {
        let by_parameter = self.extras;
        for (name, _) in &named {
            self.extras = self.extras.and(signature.extra(name));
        }
        if named.is_empty() {
            return;
        }
        let behind = Extras::NAMES.into_iter().filter(|name| by_parameter.has(name));
        for name in behind {
            if !named.iter().any(|(other, _)| other == name) {
                named.push((name.into(), Wanted::default()));
            }
        }
        let extras = self.extras;
        let place = |(name, wanted): (String, Wanted)| {
            let at = signature.answered(extras).position(|spec| spec.name == name)?;
            Some(Wanted { at, ..wanted })
        };
        self.wanted = named.into_iter().filter_map(place).collect();
    }
}

fn parameters(reader: &mut Reader<'_>, signature: &Signature, parsed: &mut Parsed) -> Result<(), Wrong> {
    expect(reader, Kind::Object, "parameters")?;
    reader.object(|reader, key| {
        if Extras::NAMES.contains(&&*key) {
            parsed.extras = parsed.extras.and(extra::parameter(reader, signature, &key)?);
            return Ok(());
        }
        Ok(parsed.parameters.set(&key, &value(reader)?)?)
    })
}

/// Any parameter's value.
pub(super) fn value(reader: &mut Reader<'_>) -> Result<Value, JsonError> {
    Ok(match reader.peek()? {
        Kind::Bool => Value::Bool(reader.bool()?),
        Kind::String => Value::Text(reader.string()?.into_owned()),
        Kind::Number => number(std::str::from_utf8(reader.number()?).unwrap_or_default()),
        Kind::Object | Kind::Array | Kind::Null => {
            reader.skip()?;
            Value::Other
        }
    })
}

/// A fraction that is whole counts as an integer where it is small enough to be exact.
fn number(token: &str) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match (token.parse::<i128>(), token.parse::<f64>()) {
        (Ok(whole), _) => Value::Integer(whole),
        (_, Ok(float)) if float.fract() == 0.0 && float.abs() <= EXACT => Value::Integer(float as i128),
        (_, Ok(float)) => Value::Float(float),
        _ => Value::Other,
    }
}

fn output(reader: &mut Reader<'_>, signature: &Signature, named: &mut Vec<(String, Wanted)>) -> Result<(), Wrong> {
    expect(reader, Kind::Object, "outputs")?;
    let mut name = None;
    let mut one = Wanted::default();
    reader.object(|reader, key| match &*key {
        "name" => {
            name = Some(string(reader, "outputs.name")?);
            Ok::<(), Wrong>(())
        }
        "parameters" if reader.peek()? == Kind::Null => Ok(reader.null()?),
        "parameters" => {
            expect(reader, Kind::Object, "outputs.parameters")?;
            reader.object(|reader, key| Ok(one.set(&key, &value(reader)?)?))
        }
        _ => Ok(reader.skip()?),
    })?;
    let name = name.ok_or_else(|| ApiError::field("outputs", "an entry of 'outputs' has no name"))?;
    Ok(add(name, one, named, signature)?)
}

/// Adds an output that the model must have, and that must not be there yet.
pub fn add(
    name: String,
    one: Wanted,
    named: &mut Vec<(String, Wanted)>,
    signature: &Signature,
) -> Result<(), ApiError> {
    let all = || signature.outputs.iter().chain(&signature.extras).map(|spec| spec.name.as_str());
    if !all().any(|known| known == name) {
        let known = all().collect::<Vec<_>>().join(", ");
        let words = format!("unexpected inference output '{}': the model has {known}", crate::text::shorten(&name, 60));
        return Err(ApiError::field(&name, words));
    }
    if named.iter().any(|(other, _)| *other == name) {
        return Err(ApiError::field(&name, format!("output '{name}' is asked for twice")));
    }
    named.push((name, one));
    Ok(())
}

impl Wanted {
    /// Takes one of its parameters in.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<(), ApiError> {
        match name {
            "binary_data" => self.binary = Some(truth(name, value)?),
            "classification" => self.classes = count(name, value)?,
            name if is_shared_memory(name) => return Err(no_shared_memory(name)),
            _ => {}
        }
        Ok(())
    }
}

pub fn is_shared_memory(name: &str) -> bool {
    name.starts_with("shared_memory_")
}

pub fn no_shared_memory(name: &str) -> ApiError {
    let words = "shared memory is not among the server's extensions: send the data in the request";
    ApiError::field(crate::text::shorten(name, 60), words)
}

impl Filled {
    /// The bytes that its data takes behind the JSON, where it lies there.
    pub(super) fn binary_size(&self) -> Option<usize> {
        match self.source {
            Source::Binary { size, .. } => Some(size),
            Source::Json(_) => None,
        }
    }
}
