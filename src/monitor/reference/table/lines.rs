//! JSON lines: an object per line. A name that a line leaves out is a null of that row.

use super::input::Input;
use super::{Cell, MOST_ROW_BYTES, Sink, checked_name};
use crate::json::{JsonError, Kind, Reader};
use crate::monitor::reference::error::Fault;
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Values inside values that are read past.
const MOST_DEPTH: usize = 64;
/// Rows between two words about how far it has come.
const ROWS_PER_WORD: u64 = 4096;

pub fn scan(path: &Path, packed: bool, sink: &mut dyn Sink) -> Result<u64, Fault> {
    let mut reader = BufReader::with_capacity(1 << 16, Input::open(path, packed)?);
    let (mut lines, mut rows, mut bytes) = (0u64, 0u64, Vec::new());
    let mut names = Names::default();
    loop {
        bytes.clear();
        lines += 1;
        if let Err(error) = reader.read_until(b'\n', &mut bytes) {
            let place = format!("line {lines}");
            let long = reader.get_ref().is_exhausted();
            return Err(if long { Fault::TooLong { place, most: MOST_ROW_BYTES } } else { error.into() });
        }
        reader.get_mut().row_ended();
        if bytes.is_empty() {
            break;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        rows += 1;
        names.read_row(&bytes, rows, sink).map_err(|error| error.on_line(lines))?;
        if rows % ROWS_PER_WORD == 0 {
            sink.read(reader.get_mut().position());
        }
    }
    sink.read(reader.get_mut().position());
    Ok(rows)
}

/// Hands in the names of the first row, and no values.
pub fn first(path: &Path, packed: bool, sink: &mut dyn Sink) -> Result<(), Fault> {
    let mut reader = BufReader::with_capacity(1 << 16, Input::open(path, packed)?);
    let mut bytes = Vec::new();
    // Empty lines in front are no rows.
    while bytes.iter().all(u8::is_ascii_whitespace) {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(());
        }
    }
    Names::default().read_row(&bytes, 1, sink).map_err(|error| error.on_line(1))
}

/// The names seen up to now.
#[derive(Default)]
struct Names(HashMap<String, Name>);

struct Name {
    column: Option<usize>,
    /// The row that had it last, to find a row that has it twice.
    row: u64,
}

impl Names {
    fn read_row(&mut self, line: &[u8], row: u64, sink: &mut dyn Sink) -> Result<(), LineError> {
        let mut reader = Reader::new(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line), MOST_DEPTH);
        reader.object(|reader, name| {
            let column = self.column(&name, row, sink)?;
            hand_in(reader, column, sink)
        })?;
        Ok(reader.finish()?)
    }

    fn column(&mut self, name: &str, row: u64, sink: &mut dyn Sink) -> Result<Option<usize>, LineError> {
        if let Some(known) = self.0.get_mut(name) {
            if known.row == row {
                return Err(LineError::Twice(name.to_owned()));
            }
            known.row = row;
            return Ok(known.column);
        }
        let name = checked_name(name.as_bytes(), self.0.len())?;
        let column = sink.column(name)?;
        self.0.insert(name.to_owned(), Name { column, row });
        Ok(column)
    }
}

fn hand_in(reader: &mut Reader<'_>, column: Option<usize>, sink: &mut dyn Sink) -> Result<(), LineError> {
    let Some(column) = column else { return Ok(reader.skip()?) };
    match reader.peek()? {
        Kind::Null => reader.null()?,
        Kind::Bool => sink.cell(column, Cell::Bool(reader.bool()?)),
        Kind::String => sink.cell(column, Cell::Text(&reader.string()?)),
        Kind::Number => {
            let number = fast_float2::parse::<f64, _>(reader.number()?).map_err(|_| reader.error("a number"))?;
            sink.cell(column, Cell::Number(number));
        }
        Kind::Array | Kind::Object => {
            reader.skip()?;
            sink.cell(column, Cell::Other);
        }
    }
    Ok(())
}

/// What is wrong with a line, before it is known which one it is.
enum LineError {
    Json(JsonError),
    Twice(String),
    Fault(Fault),
}

impl LineError {
    fn on_line(self, line: u64) -> Fault {
        match self {
            Self::Json(error) => {
                Fault::malformed(format!("line {line}, byte {}", error.offset), error.expected, error.got)
            }
            Self::Twice(name) => Fault::malformed(format!("line {line}"), "each name once", format!("'{name}' twice")),
            Self::Fault(fault) => fault,
        }
    }
}

impl From<JsonError> for LineError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<Fault> for LineError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
