//! The four forms of a JSON request.

use super::rows::Table;
use crate::front::reply::ApiError;
use crate::front::v1;
use crate::front::wrong::Wrong;
use crate::json::{Kind, Reader};
use crate::registry::Version;
use crate::tensor::Tensor;

/// MLflow's own words for a body of no known form.
const EXPECTED: &str = "The input must be a JSON dictionary with exactly one of the input fields 'dataframe_split', \
                        'dataframe_records', 'instances', 'inputs'";

/// Reads a body to the model's tensors. `params` may stand beside the input: no model here takes any.
pub fn parse(bytes: &[u8], version: &Version, max_depth: usize) -> Result<Vec<Tensor>, ApiError> {
    let mut reader = Reader::new(bytes, max_depth);
    let form = || ApiError::field("body", EXPECTED);
    if reader.peek().map_err(Wrong::Json)? != Kind::Object {
        return Err(form());
    }
    let mut inputs = None;
    let read: Result<(), Wrong> = reader.object(|reader, key| {
        if key == "params" {
            return Ok(reader.skip()?);
        }
        if inputs.is_some() {
            return Err(form().into());
        }
        inputs = Some(match &*key {
            "dataframe_split" => split(reader, version)?,
            "dataframe_records" => records(reader, version)?,
            "instances" => v1::instances(reader, version)?,
            "inputs" => v1::columns(reader, version)?,
            _ => return Err(form().into()),
        });
        Ok(())
    });
    read?;
    reader.finish().map_err(Wrong::Json)?;
    inputs.ok_or_else(form)
}

/// `{"columns": [..], "index": [..], "data": [[..], ..]}`.
fn split(reader: &mut Reader<'_>, version: &Version) -> Result<Vec<Tensor>, Wrong> {
    expect(reader, Kind::Object, "dataframe_split")?;
    let mut columns: Option<Vec<String>> = None;
    let mut data = None;
    reader.object(|reader, key| match &*key {
        "columns" => {
            expect(reader, Kind::Array, "columns")?;
            let mut names = Vec::new();
            reader.array(|reader| {
                names.push(name(reader)?);
                Ok::<(), Wrong>(())
            })?;
            columns = Some(names);
            Ok::<(), Wrong>(())
        }
        "data" => {
            expect(reader, Kind::Array, "data")?;
            // The columns may come behind it.
            data = Some(reader.fork());
            Ok(reader.skip()?)
        }
        _ => Ok(reader.skip()?),
    })?;
    let mut data = data.ok_or_else(|| ApiError::field("data", "'dataframe_split': 'data' is missing"))?;
    let mut table = Table::new(version, columns.as_deref())?;
    data.array(|reader| {
        expect(reader, Kind::Array, "data")?;
        table.row(reader)
    })?;
    Ok(table.finish()?)
}

/// A column's name: text, or a number, as unnamed columns have.
fn name(reader: &mut Reader<'_>) -> Result<String, Wrong> {
    match reader.peek()? {
        Kind::String => Ok(reader.string()?.into_owned()),
        Kind::Number => Ok(String::from_utf8_lossy(reader.number()?).into_owned()),
        got => Err(ApiError::field("columns", format!("'columns': expected names, got {}", got.words())).into()),
    }
}

/// `[{column: value, ..}, ..]`.
fn records(reader: &mut Reader<'_>, version: &Version) -> Result<Vec<Tensor>, Wrong> {
    expect(reader, Kind::Array, "dataframe_records")?;
    let mut table = Table::new(version, None)?;
    reader.array(|reader| {
        expect(reader, Kind::Object, "dataframe_records")?;
        table.record(reader)
    })?;
    Ok(table.finish()?)
}

fn expect(reader: &mut Reader<'_>, kind: Kind, field: &str) -> Result<(), Wrong> {
    match reader.peek()? {
        got if got == kind => Ok(()),
        got => Err(ApiError::field(field, format!("'{field}': expected {}, got {}", kind.words(), got.words())).into()),
    }
}
