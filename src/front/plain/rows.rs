//! Rows by column, collected into one buffer per input.

use super::request::listed;
use crate::front::reply::ApiError;
use crate::front::wrong::Wrong;
use crate::json::{ElementError, Elements, Kind, Reader, nested};
use crate::registry::{Place, Version};
use crate::tensor::{Shape, Tensor};
use crate::text;

/// The inputs of a model while rows are added to them.
pub(super) struct Rows<'v> {
    version: &'v Version,
    inputs: Vec<Elements>,
    /// The shape of a row of each input, where its first row has told it.
    shapes: Vec<Option<Shape>>,
    rows: usize,
}

impl<'v> Rows<'v> {
    pub fn new(version: &'v Version) -> Self {
        let specs = &version.signature().inputs;
        let inputs = specs.iter().map(|spec| Elements::new(spec.dtype, 1)).collect();
        Self { version, inputs, shapes: vec![None; specs.len()], rows: 0 }
    }

    /// Adds a row given as a list of values in column order.
    pub fn list(&mut self, reader: &mut Reader<'_>) -> Result<(), Wrong> {
        let names = &self.version.features.names;
        if names.is_empty() {
            let words = "this model's inputs are no columns: send an object by input name";
            return Err(ApiError::field("features", words).into());
        }
        let mut places = names.iter();
        let mut count = 0;
        reader.array(|reader| {
            count += 1;
            match places.next() {
                Some(name) => Self::element(self.version, &mut self.inputs, name, reader),
                None => reader.skip().map_err(Wrong::Json),
            }
        })?;
        if count != names.len() {
            let words = format!("row {}: expected {} values ({}), got {count}", self.rows, names.len(), listed(names));
            return Err(ApiError::field("features", words).into());
        }
        self.rows += 1;
        Ok(())
    }

    /// Adds a row given as an object by column or input name.
    pub fn record(&mut self, reader: &mut Reader<'_>) -> Result<(), Wrong> {
        if reader.peek()? != Kind::Object {
            let words = format!("row {}: expected an object by column, like the first row", self.rows);
            return Err(ApiError::field("features", words).into());
        }
        let mut given: Vec<Vec<Option<Reader<'_>>>> = self.empty_places();
        let mut whole: Vec<Option<Reader<'_>>> = self.inputs.iter().map(|_| None).collect();
        let row = self.rows;
        let version = self.version;
        reader.object(|reader, key| {
            let value = reader.fork();
            let slot = match version.features.place(&key) {
                Some(Place::Element { input, offset }) => &mut given[input][offset],
                Some(Place::Row { input }) => &mut whole[input],
                None if version.loaded.model.takes_dictionary() => return reader.skip().map_err(Wrong::Json),
                None => return Err(unknown(version, &key).into()),
            };
            if slot.replace(value).is_some() {
                return Err(ApiError::field(&*key, format!("row {row}: '{key}' is given twice")).into());
            }
            reader.skip().map_err(Wrong::Json)
        })?;
        for (input, (elements, row)) in given.into_iter().zip(whole).enumerate() {
            self.take(input, elements, row)?;
        }
        self.rows += 1;
        Ok(())
    }

    fn empty_places<'r>(&self) -> Vec<Vec<Option<Reader<'r>>>> {
        let table = !self.version.features.names.is_empty();
        let widths = self.version.features.widths.iter();
        widths.map(|width| (0..width.filter(|_| table).unwrap_or(0)).map(|_| None).collect()).collect()
    }

    /// Reads one input's values, from its columns or from the member of its own name.
    fn take(&mut self, input: usize, columns: Vec<Option<Reader<'_>>>, row: Option<Reader<'_>>) -> Result<(), Wrong> {
        let spec = &self.version.signature().inputs[input];
        if let Some(mut reader) = row {
            if columns.iter().any(Option::is_some) {
                let words = format!("row {}: '{}' is given both whole and by column", self.rows, spec.name);
                return Err(ApiError::field(&spec.name, words).into());
            }
            return self.whole_row(input, &mut reader);
        }
        if columns.is_empty() {
            return Err(ApiError::field(&spec.name, format!("row {}: '{}' is missing", self.rows, spec.name)).into());
        }
        for (offset, value) in columns.into_iter().enumerate() {
            let name = self.name_of(input, offset);
            let Some(mut reader) = value else {
                if self.version.loaded.model.takes_dictionary() && self.inputs[input].push_number(0.0) {
                    continue;
                }
                return Err(ApiError::field(name, format!("row {}: feature '{name}' is missing", self.rows)).into());
            };
            Self::element(self.version, &mut self.inputs, name, &mut reader)?;
        }
        Ok(())
    }

    /// Reads a row of an input given under the input's own name: nested to its shape, or flat.
    fn whole_row(&mut self, input: usize, reader: &mut Reader<'_>) -> Result<(), Wrong> {
        let spec = &self.version.signature().inputs[input];
        let wrong = |words: String| ApiError::field(&spec.name, format!("'{}': {words}", spec.name));
        let shape = nested(reader, &mut self.inputs[input]).map_err(|error| wrong(error.to_string()))?;
        let flat = shape.len() <= 1 && spec.row_elements() == shape.elements();
        if flat {
            return Ok(());
        }
        if !spec.row_fits(&shape) {
            return Err(wrong(format!("expected a row of shape {}, got {shape}", spec.row_text())).into());
        }
        // Rows of one tensor have one shape, also on the axes that the model leaves open.
        match self.shapes[input].get_or_insert_with(|| shape.clone()) {
            first if *first == shape => Ok(()),
            first => Err(wrong(format!("row {} has shape {shape}, the rows before it {first}", self.rows)).into()),
        }
    }

    fn name_of(&self, input: usize, offset: usize) -> &'v str {
        let before: usize = self.version.features.widths[..input].iter().map(|width| width.unwrap_or(0)).sum();
        &self.version.features.names[before + offset]
    }

    /// Reads the next value of a named column.
    fn element(version: &Version, inputs: &mut [Elements], name: &str, reader: &mut Reader<'_>) -> Result<(), Wrong> {
        let Some(Place::Element { input, offset }) = version.features.place(name) else {
            return Err(ApiError::field(name, format!("feature '{name}' has no place")).into());
        };
        if reader.peek()? == Kind::String
            && let Some(words) = version.loaded.model.words(offset)
        {
            let code = words.code(&reader.string()?);
            let code = code.map_err(|words| ApiError::field(name, format!("feature '{name}': {words}")))?;
            if inputs[input].push_number(code) {
                return Ok(());
            }
        }
        inputs[input].read(reader).map_err(|error| match error {
            ElementError::Json(error) => Wrong::Json(error),
            other => ApiError::field(name, format!("feature '{name}': {other}")).into(),
        })
    }

    pub fn finish(self) -> Result<Vec<Tensor>, ApiError> {
        let rows = self.rows;
        let specs = &self.version.signature().inputs;
        self.inputs
            .into_iter()
            .zip(self.shapes)
            .zip(specs)
            .map(|((elements, told), spec)| {
                let mut shape = Shape::from([rows]);
                let fixed = spec.dims.iter().skip(1).map(|dim| usize::try_from(dim.as_i64()).unwrap_or(0));
                match told {
                    Some(row) => row.iter().for_each(|dim| shape.push(*dim)),
                    None => fixed.for_each(|dim| shape.push(dim)),
                }
                Tensor::new(shape, elements.data)
                    .map_err(|error| ApiError::field(&spec.name, format!("'{}': {error}", spec.name)))
            })
            .collect()
    }
}

fn unknown(version: &Version, key: &str) -> ApiError {
    let names = &version.features.names;
    let key = text::shorten(key, 60);
    let hint = match text::nearest(&key, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("expected {}", listed(names)),
    };
    ApiError::field(&key, format!("unknown feature '{key}': {hint}"))
}
