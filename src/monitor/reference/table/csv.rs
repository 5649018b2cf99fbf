//! CSV: a header, then rows of as many fields. Strict about both, since a shifted row would poison
//! every column after the shift.

use super::input::Input;
use super::{Cell, MOST_ROW_BYTES, Sink, checked_name};
use crate::monitor::reference::error::Fault;
use ::csv::{ByteRecord, Reader, ReaderBuilder};
use std::io::Read;
use std::path::Path;

/// What stands for "no value" in a field, as pandas reads it by default, less the spellings of NaN.
const NULLS: &[&str] = &["", "NA", "N/A", "n/a", "<NA>", "#N/A", "null", "NULL", "Null", "None"];
/// Rows between two words about how far it has come.
const ROWS_PER_WORD: u64 = 4096;
/// Enough of a file to hold its header.
const HEAD_BYTES: u64 = 1 << 16;

pub fn scan(path: &Path, tabs: bool, packed: bool, sink: &mut dyn Sink) -> Result<u64, Fault> {
    open(path, tabs, packed)?.scan(sink)
}

/// Hands in the names of the columns, and no values.
pub fn header(path: &Path, tabs: bool, packed: bool, sink: &mut dyn Sink) -> Result<(), Fault> {
    open(path, tabs, packed)?.read_header(sink)
}

fn open(path: &Path, tabs: bool, packed: bool) -> Result<Table, Fault> {
    let delimiter = if tabs { b'\t' } else { delimiter(Input::open(path, packed)?)? };
    let input = Input::open(path, packed)?;
    let reader = ReaderBuilder::new().flexible(true).delimiter(delimiter).buffer_capacity(1 << 16).from_reader(input);
    Ok(Table { reader, names: Vec::new(), columns: Vec::new() })
}

/// The character between fields: that of ` , ; | ` and tab which the first line has most of.
fn delimiter(input: Input) -> Result<u8, Fault> {
    let mut head = Vec::new();
    input.take(HEAD_BYTES).read_to_end(&mut head)?;
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |byte: &u8| line.iter().filter(|other| *other == byte).count();
    // The comma comes last, so that it wins where none is seen more often.
    Ok(b"|;\t,".iter().copied().max_by_key(|byte| count(byte)).unwrap_or(b','))
}

struct Table {
    reader: Reader<Input>,
    names: Vec<String>,
    columns: Vec<Option<usize>>,
}

impl Table {
    fn scan(mut self, sink: &mut dyn Sink) -> Result<u64, Fault> {
        self.read_header(sink)?;
        let mut record = ByteRecord::new();
        let mut rows = 0;
        while self.next(&mut record)? {
            self.hand_in(&record, sink)?;
            rows += 1;
            if rows % ROWS_PER_WORD == 0 {
                sink.read(self.reader.get_mut().position());
            }
        }
        sink.read(self.reader.get_mut().position());
        Ok(rows)
    }

    fn read_header(&mut self, sink: &mut dyn Sink) -> Result<(), Fault> {
        let header = match self.reader.byte_headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(self.fault(&error)),
        };
        self.reader.get_mut().row_ended();
        for (at, field) in header.iter().enumerate() {
            let name = checked_name(field, at)?.to_owned();
            if self.names.contains(&name) {
                return Err(Fault::Unusable(format!("the header names column '{name}' twice")));
            }
            self.columns.push(sink.column(&name)?);
            self.names.push(name);
        }
        match self.names.iter().all(|name| fast_float2::parse::<f64, _>(name).is_ok()) {
            true if self.names.is_empty() => Err(Fault::Unusable("it is empty: a header is expected".into())),
            true => Err(Fault::malformed("line 1", "a header with the names of columns", "numbers only")),
            false => Ok(()),
        }
    }

    fn next(&mut self, record: &mut ByteRecord) -> Result<bool, Fault> {
        match self.reader.read_byte_record(record) {
            Ok(more) => {
                self.reader.get_mut().row_ended();
                Ok(more)
            }
            Err(error) => Err(self.fault(&error)),
        }
    }

    fn hand_in(&self, record: &ByteRecord, sink: &mut dyn Sink) -> Result<(), Fault> {
        let line = || format!("line {}", record.position().map_or(0, ::csv::Position::line));
        if record.len() != self.names.len() {
            let expected = format!("{} fields, as in the header", self.names.len());
            return Err(Fault::malformed(line(), expected, record.len().to_string()));
        }
        for ((field, column), name) in record.iter().zip(&self.columns).zip(&self.names) {
            let Some(column) = column else { continue };
            let text = std::str::from_utf8(field).map_err(|_| {
                let got = String::from_utf8_lossy(field).chars().take(24).collect::<String>();
                Fault::malformed(format!("{}, column '{name}'", line()), "UTF-8 text", got.escape_debug().to_string())
            })?;
            if !NULLS.contains(&text.trim()) {
                sink.cell(*column, Cell::Spelled(text));
            }
        }
        Ok(())
    }

    fn fault(&self, error: &::csv::Error) -> Fault {
        let place = format!("the row at line {}", self.reader.position().line());
        match self.reader.get_ref().is_exhausted() {
            true => Fault::TooLong { place, most: MOST_ROW_BYTES },
            false => Fault::Unreadable(error.to_string()),
        }
    }
}
