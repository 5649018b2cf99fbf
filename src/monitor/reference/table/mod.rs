//! Tables of data read from front to back: CSV, JSON lines and Parquet, in bounded memory.
//!
//! A reader hands every cell that holds a value to a [`Sink`], with the number of its column. Cells
//! come in any order of columns; absent ones do not come at all, so a column's nulls are the rows
//! less the cells that came.

mod csv;
mod input;
mod lines;
mod parquet;

use super::error::Fault;
use std::path::Path;

/// Columns that a file may have. Wider inputs are watched by summaries of their rows.
pub const MOST_COLUMNS: usize = 2048;
/// Bytes of a row of text, and of a name.
pub const MOST_ROW_BYTES: usize = 16 << 20;
pub const MOST_NAME_BYTES: usize = 256;

/// A value as the file has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    Number(f64),
    Bool(bool),
    /// A text of a format that tells numbers from texts.
    Text(&'a str),
    /// A field of a format that knows nothing but texts.
    Spelled(&'a str),
    /// A list, an object, anything that is no single value.
    Other,
}

/// Takes what a reader reads.
pub trait Sink {
    /// The number that cells of this column will carry; `None` where nobody wants them.
    fn column(&mut self, name: &str) -> Result<Option<usize>, Fault>;
    fn cell(&mut self, column: usize, cell: Cell<'_>);
    /// Tells how many of the file's bytes have been read.
    fn read(&mut self, bytes: u64);
}

/// Takes the names of columns and none of their values.
#[derive(Debug, Default)]
pub struct Names(pub Vec<String>);

impl Sink for Names {
    fn column(&mut self, name: &str) -> Result<Option<usize>, Fault> {
        // A Parquet file tells them once for each group of rows.
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
        Ok(None)
    }

    fn cell(&mut self, _: usize, _: Cell<'_>) {}

    fn read(&mut self, _: u64) {}
}

/// How a file is written, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv { tabs: bool, packed: bool },
    Lines { packed: bool },
    Parquet,
}

impl Format {
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let (name, packed) = name.strip_suffix(".gz").map_or((name.as_str(), false), |name| (name, true));
        match name.rsplit_once('.')?.1 {
            "csv" => Some(Self::Csv { tabs: false, packed }),
            "tsv" => Some(Self::Csv { tabs: true, packed }),
            "jsonl" | "ndjson" => Some(Self::Lines { packed }),
            "parquet" if !packed => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// The names by which a file is known to be data, for errors.
pub const FORMATS: &str = ".csv, .tsv, .jsonl or .ndjson, each also with .gz, or .parquet";

/// Reads a whole file into `sink`; answers its rows.
pub fn scan(path: &Path, sink: &mut dyn Sink) -> Result<u64, Fault> {
    match Format::of(path) {
        Some(Format::Csv { tabs, packed }) => csv::scan(path, tabs, packed, sink),
        Some(Format::Lines { packed }) => lines::scan(path, packed, sink),
        Some(Format::Parquet) => parquet::scan(path, sink),
        None => Err(Fault::Unusable(format!("expected a name that ends in {FORMATS}"))),
    }
}

/// The names of a file's columns in its order, without its values: the header of a CSV, the members of the
/// first of JSON lines.
pub fn names(path: &Path) -> Result<Vec<String>, Fault> {
    let mut names = Names::default();
    match Format::of(path) {
        Some(Format::Csv { tabs, packed }) => csv::header(path, tabs, packed, &mut names)?,
        Some(Format::Lines { packed }) => lines::first(path, packed, &mut names)?,
        // It keeps names and values apart.
        Some(Format::Parquet) => drop(parquet::scan(path, &mut names)?),
        None => {}
    }
    Ok(names.0)
}

/// A name fit for a column, or why it is none. `at` counts from 0.
fn checked_name(bytes: &[u8], at: usize) -> Result<&str, Fault> {
    let place = || format!("name of column {}", at + 1);
    let name = std::str::from_utf8(bytes).map_err(|_| {
        Fault::malformed(place(), "UTF-8 text", String::from_utf8_lossy(bytes).escape_debug().to_string())
    })?;
    match name.len() {
        0 => Err(Fault::malformed(place(), "a name", "nothing")),
        len if len > MOST_NAME_BYTES => Err(Fault::TooLong { place: place(), most: MOST_NAME_BYTES }),
        _ => Ok(name),
    }
}
