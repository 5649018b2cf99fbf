//! A plain body to the tensors of a model.

use super::rows::Rows;
use crate::engine::{Extras, TensorSpec};
use crate::front::extra;
use crate::front::reply::ApiError;
use crate::front::wrong::Wrong;
use crate::json::{ElementError, Elements, JsonError, Kind, NestedError, Reader, nested};
use crate::registry::{Place, Version};
use crate::tensor::{Shape, Tensor};

/// The member that wraps the rows.
const ENVELOPE: &str = "features";
/// The member of the envelope that asks for more than the answer.
const PARAMETERS: &str = "parameters";

/// What a plain request holds.
#[derive(Debug)]
pub struct Parsed {
    pub inputs: Vec<Tensor>,
    pub extras: Extras,
}

impl From<Vec<Tensor>> for Parsed {
    fn from(inputs: Vec<Tensor>) -> Self {
        Self { inputs, extras: Extras::NONE }
    }
}

/// Reads a body straight into the model's tensors.
pub fn parse(bytes: &[u8], version: &Version, max_depth: usize) -> Result<Parsed, ApiError> {
    let mut reader = Reader::new(bytes, max_depth);
    let parsed = whole(&mut reader, version).map_err(ApiError::from)?;
    reader.finish().map_err(|error| ApiError::from(Wrong::Json(error)))?;
    Ok(parsed)
}

fn whole(reader: &mut Reader<'_>, version: &Version) -> Result<Parsed, Wrong> {
    if reader.peek()? != Kind::Object || !has_envelope(reader.fork(), version)? {
        return value(reader, version);
    }
    let mut parsed: Option<Parsed> = None;
    let mut extras = Extras::NONE;
    reader.object(|reader, key| match &*key {
        ENVELOPE if parsed.is_some() => Err(ApiError::field(ENVELOPE, "'features' is given twice").into()),
        ENVELOPE => {
            parsed = Some(value(reader, version)?);
            Ok(())
        }
        PARAMETERS => parameters(reader, version, &mut extras),
        _ => reader.skip().map_err(Wrong::Json),
    })?;
    match parsed {
        Some(parsed) => Ok(Parsed { extras, ..parsed }),
        None => Err(ApiError::field(ENVELOPE, "'features' is missing").into()),
    }
}

fn parameters(reader: &mut Reader<'_>, version: &Version, extras: &mut Extras) -> Result<(), Wrong> {
    if reader.peek()? != Kind::Object {
        return reader.skip().map_err(Wrong::Json);
    }
    reader.object(|reader, key| match Extras::named(&key) {
        Some(_) => {
            *extras = extras.and(extra::parameter(reader, version.signature(), &key)?);
            Ok(())
        }
        None => reader.skip().map_err(Wrong::Json),
    })
}

/// Whether an object is the envelope and not a row: it has the member, which is no column.
fn has_envelope(mut ahead: Reader<'_>, version: &Version) -> Result<bool, Wrong> {
    if let Some(Place::Element { .. }) = version.features.place(ENVELOPE) {
        return Ok(false);
    }
    if ahead.begins_with(ENVELOPE) {
        return Ok(true);
    }
    let mut found = false;
    ahead
        .object(|reader, key| {
            found |= key == ENVELOPE;
            // Found first, as it nearly always is: the rest need not be read twice.
            if found { Err(Found::Yes) } else { reader.skip().map_err(Found::Json) }
        })
        .map_or_else(
            |stop| match stop {
                Found::Yes => Ok(true),
                Found::Json(error) => Err(Wrong::Json(error)),
            },
            |()| Ok(found),
        )
}

/// Ends a look ahead.
enum Found {
    Yes,
    Json(JsonError),
}

impl From<JsonError> for Found {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

fn value(reader: &mut Reader<'_>, version: &Version) -> Result<Parsed, Wrong> {
    match reader.peek()? {
        Kind::Object => record(reader, version),
        Kind::Array => list(reader, version),
        other => {
            let words =
                format!("expected a list of numbers, a list of rows or an object by column, got {}", other.words());
            Err(ApiError::field(ENVELOPE, words).into())
        }
    }
}

fn record(reader: &mut Reader<'_>, version: &Version) -> Result<Parsed, Wrong> {
    let mut rows = Rows::new(version);
    rows.record(reader)?;
    Ok(rows.finish()?.into())
}

fn list(reader: &mut Reader<'_>, version: &Version) -> Result<Parsed, Wrong> {
    let mut ahead = reader.fork();
    let mut first = None;
    let _ = ahead.array(|reader| {
        first = Some(reader.peek());
        Err::<(), Found>(Found::Yes)
    });
    let inputs = &version.signature().inputs;
    match (&first, inputs.as_slice()) {
        (Some(Ok(Kind::Object)), _) => Ok(records(reader, version)?.into()),
        (_, [only]) => {
            let again = reader.fork();
            match one_input(reader, version, only) {
                Err(Wrong::Reply(_)) if version.has_words() => {
                    *reader = again;
                    by_column(reader, version, &first)
                }
                outcome => outcome,
            }
        }
        _ => by_column(reader, version, &first),
    }
}

/// A row or a list of rows, value by value. `first` is what the list begins with.
fn by_column(
    reader: &mut Reader<'_>,
    version: &Version,
    first: &Option<Result<Kind, JsonError>>,
) -> Result<Parsed, Wrong> {
    if let Some(Ok(Kind::Array)) = first {
        return Ok(lists(reader, version)?.into());
    }
    let mut rows = Rows::new(version);
    rows.list(reader)?;
    Ok(rows.finish()?.into())
}

/// A list of rows, each an object by column or input.
pub fn records(reader: &mut Reader<'_>, version: &Version) -> Result<Vec<Tensor>, Wrong> {
    let mut rows = Rows::new(version);
    reader.array(|reader| rows.record(reader))?;
    Ok(rows.finish()?)
}

/// A list of rows, each a list in column order.
pub fn lists(reader: &mut Reader<'_>, version: &Version) -> Result<Vec<Tensor>, Wrong> {
    let mut rows = Rows::new(version);
    reader.array(|reader| rows.list(reader))?;
    Ok(rows.finish()?)
}

/// A list for a model with one input: nested to its rank it is a batch, one less is a row.
fn one_input(reader: &mut Reader<'_>, version: &Version, spec: &TensorSpec) -> Result<Parsed, Wrong> {
    let mut elements = Elements::new(spec.dtype, spec.row_elements().unwrap_or(0));
    let shape = nested(reader, &mut elements).map_err(|error| bad_element(error, version))?;
    let single = shape.len() + 1 == spec.dims.len();
    let shape = if single { with_one_row(&shape) } else { shape };
    check_width(&shape, version, spec)?;
    let tensor = Tensor::new(shape, elements.data).map_err(|error| ApiError::field(ENVELOPE, error.to_string()))?;
    Ok(vec![tensor].into())
}

fn with_one_row(row: &Shape) -> Shape {
    let mut shape = Shape::from([1]);
    row.iter().for_each(|dim| shape.push(*dim));
    shape
}

/// A row of the wrong length is refused in the words of columns, not of shapes.
fn check_width(shape: &Shape, version: &Version, spec: &TensorSpec) -> Result<(), ApiError> {
    let names = &version.features.names;
    match (shape.len(), spec.row_elements()) {
        (2, Some(width)) if shape[1] != width && shape[0] > 0 && names.len() == width => Err(ApiError::field(
            ENVELOPE,
            format!("expected {width} values per row ({}), got {}", listed(names), shape[1]),
        )),
        _ => Ok(()),
    }
}

/// Column names for an error, the first few of many.
pub(super) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown}, .. {} in all", names.len()) } else { shown }
}

fn bad_element(error: NestedError, version: &Version) -> Wrong {
    match error {
        NestedError::Json(error) | NestedError::Element { source: ElementError::Json(error), .. } => Wrong::Json(error),
        NestedError::Element { index, source } => {
            let names = &version.features.names;
            let column = names.get(index % names.len().max(1));
            let field = column.cloned().unwrap_or_else(|| format!("features[{index}]"));
            ApiError::field(field.clone(), format!("feature '{field}' (element {index}): {source}")).into()
        }
        other => ApiError::field(ENVELOPE, other.to_string()).into(),
    }
}
