//! CSV: a header, then a row per line.

use super::rows::Table;
use crate::front::reply::ApiError;
use crate::registry::Version;
use crate::tensor::Tensor;

/// Reads a body to the model's tensors.
pub fn parse(bytes: &[u8], version: &Version) -> Result<Vec<Tensor>, ApiError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(bytes);
    let columns: Vec<String> = reader.headers().map_err(|error| wrong(&error))?.iter().map(str::to_owned).collect();
    if columns.is_empty() {
        return Err(ApiError::field("body", "expected a header of column names, then a row per line"));
    }
    let mut table = Table::new(version, Some(&columns))?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| wrong(&error))? {
        table.texts(record.iter())?;
    }
    table.finish()
}

fn wrong(error: &csv::Error) -> ApiError {
    ApiError::field("body", format!("malformed CSV: {error}"))
}
