//! Parquet: column after column of each row group, a page at a time.

use super::{Cell, Sink, checked_name};
use crate::monitor::reference::error::Fault;
use ::parquet::basic::{ConvertedType, LogicalType, Type};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::DataType;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::RowGroupMetaData;
use ::parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use ::parquet::schema::types::ColumnDescriptor;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Values read at a time.
const BATCH: usize = 4096;

/// Reads the file. A panic of the decoder on a damaged one ends here, as an error.
pub fn scan(path: &Path, sink: &mut dyn Sink) -> Result<u64, Fault> {
    let file = File::open(path)?;
    catch_unwind(AssertUnwindSafe(|| scan_unguarded(file, sink)))
        .unwrap_or_else(|_| Err(Fault::Unusable("not a sound Parquet file: its pages do not go together".into())))
}

fn scan_unguarded(file: File, sink: &mut dyn Sink) -> Result<u64, Fault> {
    let reader = SerializedFileReader::new(file).map_err(|error| damaged("the file's footer", &error))?;
    let mut rows = 0;
    for at in 0..reader.num_row_groups() {
        let place = format!("row group {}", at + 1);
        let group = reader.get_row_group(at).map_err(|error| damaged(&place, &error))?;
        rows += rows_of(group.metadata(), &place)?;
        for column in 0..group.num_columns() {
            scan_column(group.as_ref(), column, &place, sink)?;
        }
        sink.read(end_of(group.metadata()));
    }
    Ok(rows)
}

fn damaged(place: &str, error: &ParquetError) -> Fault {
    Fault::malformed(place, "Parquet", error.to_string())
}

fn rows_of(group: &RowGroupMetaData, place: &str) -> Result<u64, Fault> {
    u64::try_from(group.num_rows())
        .map_err(|_| Fault::malformed(place, "a number of rows", group.num_rows().to_string()))
}

/// Where in the file the row group ends.
fn end_of(group: &RowGroupMetaData) -> u64 {
    let ends = group.columns().iter().map(|column| column.data_page_offset().saturating_add(column.compressed_size()));
    ends.max().and_then(|end| u64::try_from(end).ok()).unwrap_or(0)
}

fn scan_column(group: &dyn RowGroupReader, at: usize, place: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
    let descriptor = group.metadata().column(at).column_descr_ptr();
    let meaning = Meaning::of(&descriptor);
    let name = match meaning {
        // A list has leaves of its own names; what a user knows is the whole.
        Meaning::Other => descriptor.path().parts().first().cloned().unwrap_or_default(),
        _ => descriptor.path().string(),
    };
    let Some(column) = sink.column(checked_name(name.as_bytes(), at)?)? else { return Ok(()) };
    if meaning == Meaning::Other {
        sink.cell(column, Cell::Other);
        return Ok(());
    }
    let place = format!("{place}, column '{name}'");
    let reader = group.get_column_reader(at).map_err(|error| damaged(&place, &error))?;
    let records = hand_in(reader, meaning, descriptor.max_def_level() > 0, &mut |cell| sink.cell(column, cell))
        .map_err(|error| error.at(&place))?;
    match records == rows_of(group.metadata(), &place)? {
        true => Ok(()),
        false => Err(Fault::malformed(place, format!("{} rows", group.metadata().num_rows()), records.to_string())),
    }
}

/// What the values of a column stand for, beyond their physical type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Plain,
    Unsigned,
    /// Whole numbers, to be divided by ten to this power.
    Decimal(i32),
    Half,
    /// Lists, and types that are no numbers or texts.
    Other,
}

impl Meaning {
    fn of(descriptor: &ColumnDescriptor) -> Self {
        let logical = descriptor.logical_type_ref();
        let converted = descriptor.converted_type();
        match descriptor.physical_type() {
            _ if descriptor.max_rep_level() > 0 => Self::Other,
            Type::INT96 => Self::Other,
            _ if converted == ConvertedType::DECIMAL || matches!(logical, Some(LogicalType::Decimal(_))) => {
                Self::Decimal(descriptor.type_scale())
            }
            Type::INT32 | Type::INT64 if is_unsigned(logical, converted) => Self::Unsigned,
            Type::FIXED_LEN_BYTE_ARRAY if matches!(logical, Some(LogicalType::Float16)) => Self::Half,
            Type::FIXED_LEN_BYTE_ARRAY => Self::Other,
            _ => Self::Plain,
        }
    }

    fn whole(self, value: i64) -> Cell<'static> {
        match self {
            Self::Decimal(scale) => Cell::Number(value as f64 / 10f64.powi(scale)),
            _ => Cell::Number(value as f64),
        }
    }

    fn bytes(self, bytes: &[u8]) -> Result<Cell<'_>, ColumnError> {
        match self {
            Self::Decimal(scale) => Ok(Cell::Number(big_endian(bytes)? as f64 / 10f64.powi(scale))),
            Self::Half => match bytes {
                &[low, high] => Ok(Cell::Number(half::f16::from_le_bytes([low, high]).to_f64())),
                _ => Err(ColumnError::Value("half of two bytes", bytes.len().to_string())),
            },
            _ => std::str::from_utf8(bytes).map(Cell::Text).map_err(|_| {
                let start = String::from_utf8_lossy(bytes.get(..24).unwrap_or(bytes)).escape_debug().to_string();
                ColumnError::Value("UTF-8 text", start)
            }),
        }
    }
}

fn is_unsigned(logical: Option<&LogicalType>, converted: ConvertedType) -> bool {
    matches!(logical, Some(LogicalType::Integer(integer)) if !integer.is_signed)
        || matches!(converted, ConvertedType::UINT_32 | ConvertedType::UINT_64)
}

/// A decimal's digits: a whole number, highest byte first, in two's complement.
fn big_endian(bytes: &[u8]) -> Result<i128, ColumnError> {
    let fill = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut whole = [fill; 16];
    match whole.len().checked_sub(bytes.len()).and_then(|from| whole.get_mut(from..)) {
        Some(places) => places.copy_from_slice(bytes),
        None => return Err(ColumnError::Value("a decimal of at most 16 bytes", bytes.len().to_string())),
    }
    Ok(i128::from_be_bytes(whole))
}

/// What is wrong in a column, before it is known which one it is.
enum ColumnError {
    Parquet(ParquetError),
    Value(&'static str, String),
}

impl ColumnError {
    fn at(self, place: &str) -> Fault {
        match self {
            Self::Parquet(error) => damaged(place, &error),
            Self::Value(expected, got) => Fault::malformed(place, expected, got),
        }
    }
}

/// Hands every value in; answers how many rows the column has.
fn hand_in(
    reader: ColumnReader,
    meaning: Meaning,
    optional: bool,
    sink: &mut dyn FnMut(Cell<'_>),
) -> Result<u64, ColumnError> {
    let unsigned = meaning == Meaning::Unsigned;
    match reader {
        ColumnReader::BoolColumnReader(reader) => each(reader, optional, sink, |value| Ok(Cell::Bool(*value))),
        ColumnReader::Int32ColumnReader(reader) => each(reader, optional, sink, |value| {
            Ok(meaning.whole(if unsigned { i64::from(value.cast_unsigned()) } else { i64::from(*value) }))
        }),
        ColumnReader::Int64ColumnReader(reader) => each(reader, optional, sink, |value| {
            Ok(if unsigned { Cell::Number(value.cast_unsigned() as f64) } else { meaning.whole(*value) })
        }),
        ColumnReader::Int96ColumnReader(reader) => each(reader, optional, sink, |_| Ok(Cell::Other)),
        ColumnReader::FloatColumnReader(reader) => {
            each(reader, optional, sink, |value| Ok(Cell::Number(f64::from(*value))))
        }
        ColumnReader::DoubleColumnReader(reader) => each(reader, optional, sink, |value| Ok(Cell::Number(*value))),
        ColumnReader::ByteArrayColumnReader(reader) => {
            each(reader, optional, sink, |value| meaning.bytes(value.data()))
        }
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            each(reader, optional, sink, |value| meaning.bytes(value.data()))
        }
    }
}

fn each<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    optional: bool,
    sink: &mut dyn FnMut(Cell<'_>),
    cell: impl Fn(&T::T) -> Result<Cell<'_>, ColumnError>,
) -> Result<u64, ColumnError> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let mut rows = 0;
    loop {
        levels.clear();
        values.clear();
        let levels = optional.then_some(&mut levels);
        let (records, ..) = reader.read_records(BATCH, levels, None, &mut values).map_err(ColumnError::Parquet)?;
        for value in &values {
            sink(cell(value)?);
        }
        rows += records as u64;
        if records == 0 {
            return Ok(rows);
        }
    }
}
