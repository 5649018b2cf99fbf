//! A data frame's rows, each column to its place in the model.
//!
//! Columns go by name; more than the model has are dropped, as MLflow drops them. Where the model's own
//! columns have no names but `f0..`, columns of other names go by their order.

use crate::front::reply::ApiError;
use crate::front::wrong::Wrong;
use crate::json::{ElementError, Elements, Reader};
use crate::registry::{Place, Version};
use crate::tensor::{DType, Data, Shape, Tensor};
use crate::text;

/// The inputs of a model while rows are added to them.
pub struct Table<'v> {
    version: &'v Version,
    inputs: Vec<Elements>,
    /// For each column that comes, which of the model's it is.
    order: Vec<Option<usize>>,
    rows: usize,
}

impl<'v> Table<'v> {
    /// `columns`: the names of what comes, where they are told; else the model's own order.
    pub fn new(version: &'v Version, columns: Option<&[String]>) -> Result<Self, ApiError> {
        let names = &version.features.names;
        if names.is_empty() {
            let words = "this model's inputs are no table: send 'inputs' or 'instances'";
            return Err(ApiError::field("body", words));
        }
        let order = match columns {
            None => (0..names.len()).map(Some).collect(),
            Some(columns) => order(columns, names)?,
        };
        let inputs = version.signature().inputs.iter().map(|spec| Elements::new(spec.dtype, 1)).collect();
        Ok(Self { version, inputs, order, rows: 0 })
    }

    /// Adds a row that is a list.
    pub fn row(&mut self, reader: &mut Reader<'_>) -> Result<(), Wrong> {
        let mut values: Vec<Option<Reader<'_>>> = self.version.features.names.iter().map(|_| None).collect();
        let mut count = 0;
        let order = &self.order;
        reader.array(|reader| {
            if let Some(Some(at)) = order.get(count) {
                values[*at] = Some(reader.fork());
            }
            count += 1;
            Ok::<(), Wrong>(reader.skip()?)
        })?;
        if count != self.order.len() {
            let words =
                format!("row {}: expected {} values, one for each column, got {count}", self.rows, self.order.len());
            return Err(ApiError::field("data", words).into());
        }
        self.add(values)
    }

    /// Adds a row that is an object.
    pub fn record(&mut self, reader: &mut Reader<'_>) -> Result<(), Wrong> {
        let names = &self.version.features.names;
        let mut values: Vec<Option<Reader<'_>>> = names.iter().map(|_| None).collect();
        let row = self.rows;
        reader.object(|reader, key| {
            if let Some(at) = names.iter().position(|name| *name == *key)
                && values[at].replace(reader.fork()).is_some()
            {
                return Err(Wrong::from(ApiError::field(&*key, format!("row {row}: '{key}' is given twice"))));
            }
            Ok(reader.skip()?)
        })?;
        self.add(values)
    }

    fn add(&mut self, values: Vec<Option<Reader<'_>>>) -> Result<(), Wrong> {
        for (name, value) in self.version.features.names.iter().zip(values) {
            let missing = || {
                let words = format!("row {}: the model is missing input column '{name}'", self.rows);
                ApiError::field(name, words)
            };
            let mut reader = value.ok_or_else(missing)?;
            let elements = place(self.version, &mut self.inputs, name)?;
            elements.read(&mut reader).map_err(|error| match error {
                ElementError::Json(error) => Wrong::Json(error),
                other => ApiError::field(name, format!("column '{name}': {other}")).into(),
            })?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Adds a row of texts, as CSV has them: each is read as its column's type.
    pub fn texts<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> Result<(), ApiError> {
        let mut values: Vec<Option<&str>> = self.version.features.names.iter().map(|_| None).collect();
        for (place, text) in self.order.iter().zip(texts) {
            if let Some(at) = place {
                values[*at] = Some(text);
            }
        }
        for (name, value) in self.version.features.names.iter().zip(values) {
            let missing =
                || ApiError::field(name, format!("row {}: the model is missing input column '{name}'", self.rows));
            let text = value.ok_or_else(missing)?;
            let elements = place(self.version, &mut self.inputs, name)?;
            read_text(elements, text)
                .map_err(|words| ApiError::field(name, format!("row {}, column '{name}': {words}", self.rows)))?;
        }
        self.rows += 1;
        Ok(())
    }

    pub fn finish(self) -> Result<Vec<Tensor>, ApiError> {
        let specs = &self.version.signature().inputs;
        let tensors = self.inputs.into_iter().zip(specs).map(|(elements, spec)| {
            let mut shape = Shape::from([self.rows]);
            spec.dims.iter().skip(1).for_each(|dim| shape.push(usize::try_from(dim.as_i64()).unwrap_or(0)));
            Tensor::new(shape, elements.data)
                .map_err(|error| ApiError::field(&spec.name, format!("'{}': {error}", spec.name)))
        });
        tensors.collect()
    }
}

/// Where each column that comes goes; every one of the model's must come once.
fn order(columns: &[String], names: &[String]) -> Result<Vec<Option<usize>>, ApiError> {
    let by_name: Vec<Option<usize>> =
        columns.iter().map(|column| names.iter().position(|name| name == column)).collect();
    for (at, name) in names.iter().enumerate() {
        match by_name.iter().filter(|place| **place == Some(at)).count() {
            1 => {}
            0 if unnamed(names) && columns.len() == names.len() && by_name.iter().all(Option::is_none) => {
                return Ok((0..names.len()).map(Some).collect());
            }
            0 => {
                let near = text::nearest(name, columns.iter().map(String::as_str));
                let hint = near.map(|near| format!(": is it '{}'?", text::shorten(near, 60))).unwrap_or_default();
                return Err(ApiError::field(name, format!("the model is missing input column '{name}'{hint}")));
            }
            _ => return Err(ApiError::field(name, format!("column '{name}' is given twice"))),
        }
    }
    Ok(by_name)
}

/// Whether the model's columns are only counted.
fn unnamed(names: &[String]) -> bool {
    names.iter().enumerate().all(|(at, name)| *name == format!("f{at}"))
}

fn place<'e>(version: &Version, inputs: &'e mut [Elements], name: &str) -> Result<&'e mut Elements, ApiError> {
    match version.features.place(name) {
        Some(Place::Element { input, .. }) => Ok(&mut inputs[input]),
        _ => Err(ApiError::field(name, format!("column '{name}' has no place"))),
    }
}

/// A CSV field as its column's type. An empty one is a missing number, or an empty text.
fn read_text(elements: &mut Elements, text: &str) -> Result<(), String> {
    let trimmed = text.trim();
    match &mut elements.data {
        Data::Str(values) => {
            values.push(text.into());
            return Ok(());
        }
        Data::Bool(values) => {
            values.push(match trimmed {
                "true" | "True" | "TRUE" | "1" => true,
                "false" | "False" | "FALSE" | "0" => false,
                other => return Err(format!("expected true or false, got '{}'", text::shorten(other, 40))),
            });
            return Ok(());
        }
        _ => {}
    }
    let dtype: DType = elements.data.dtype();
    let missing = dtype.is_float() && ["", "nan", "NaN", "null", "NA"].contains(&trimmed);
    let number = if missing { "NaN" } else { trimmed.strip_prefix('+').unwrap_or(trimmed) };
    let mut reader = Reader::new(number.as_bytes(), 1);
    let wrong = || format!("expected a number for {dtype}, got '{}'", text::shorten(trimmed, 40));
    elements.read(&mut reader).map_err(|error| match error {
        ElementError::Json(_) => wrong(),
        other => other.to_string(),
    })?;
    reader.finish().map_err(|_| wrong())
}
