//! A window as bytes: what a ring holds of times that are over, and what a file holds.
//!
//! Counts are stored without loss in 32 bits where they fit, which they do unless four thousand
//! million rows fell into one cell. Sketches are stored in their own formats.

use super::super::sketch::{Counters, Distinct, Frequent, Moments, Quantiles, Shape, SketchError};
use super::column::{WindowCategorical, WindowColumn, WindowNumeric};
use super::window::{Detail, Window};
use rkyv::rancor::Error;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};
use thiserror::Error as ThisError;

/// A window that takes little memory.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    bytes: AlignedVec,
}

#[derive(Archive, Serialize, Deserialize)]
struct Stored {
    start_ms: u64,
    end_ms: u64,
    rows: f64,
    squares: f64,
    sampled: u64,
    offered: u64,
    dropped: u64,
    degraded_rows: f64,
    columns: Vec<StoredColumn>,
}

#[derive(Archive, Serialize, Deserialize)]
enum StoredColumn {
    Numeric {
        counters: [f64; 9],
        moments: [f64; 5],
        cells: Counts,
        quantiles: Option<Vec<u8>>,
        unit: u8,
        distinct: Option<Vec<u8>>,
    },
    Categorical {
        /// Missing, of another type, and not in the dictionary.
        counters: [f64; 3],
        codes: Counts,
        unseen: Option<Vec<u8>>,
        distinct: Option<Vec<u8>>,
    },
}

/// Counts that are whole multiples of `2^scale`, or any.
#[derive(Archive, Serialize, Deserialize, Debug, PartialEq)]
enum Counts {
    Narrow { scale: u8, counts: Vec<u32> },
    Wide(Vec<f64>),
}

/// Why bytes are no window of these columns. The words name the field.
#[derive(Debug, ThisError, PartialEq)]
pub enum StoredError {
    #[error("the archive is damaged: {0}")]
    Archive(String),
    #[error("{found} columns, expected {expected}")]
    Columns { found: usize, expected: usize },
    #[error("column {at}: {field} is of another kind or length")]
    Shape { at: usize, field: &'static str },
    #[error("column {at}: {field} is {value}")]
    Value { at: usize, field: &'static str, value: f64 },
    #[error("column {at}: {field}: {source}")]
    Sketch { at: usize, field: &'static str, source: SketchError },
    #[error("{field} is {value}")]
    Window { field: &'static str, value: f64 },
}

impl Packed {
    pub fn new(window: &Window) -> Self {
        let stored = Stored {
            start_ms: window.start_ms,
            end_ms: window.end_ms,
            rows: window.rows,
            squares: window.squares,
            sampled: window.sampled,
            offered: window.offered,
            dropped: window.dropped,
            degraded_rows: window.degraded_rows,
            columns: window.columns.iter().map(StoredColumn::of).collect(),
        };
        let written = rkyv::to_bytes::<Error>(&stored).expect("lists and numbers, written to memory");
        Self::copied(&written)
    }

    /// The window of bytes that may be anything, every part of it tried.
    pub fn read(bytes: &[u8], shapes: &[Shape]) -> Result<Self, StoredError> {
        let packed = Self::copied(bytes);
        packed.window(shapes, Detail::Full)?;
        Ok(packed)
    }

    /// What was written grew by doubling, and allocators leave a block that shrinks as large as it was.
    fn copied(bytes: &[u8]) -> Self {
        let mut exact = AlignedVec::with_capacity(bytes.len());
        exact.extend_from_slice(bytes);
        Self { bytes: exact }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity()
    }

    /// The window again, for columns of these shapes.
    pub fn window(&self, shapes: &[Shape], detail: Detail) -> Result<Window, StoredError> {
        let stored = rkyv::access::<ArchivedStored, Error>(&self.bytes)
            .map_err(|error| StoredError::Archive(error.to_string()))?;
        if stored.columns.len() != shapes.len() {
            return Err(StoredError::Columns { found: stored.columns.len(), expected: shapes.len() });
        }
        let columns = stored.columns.iter().zip(shapes).enumerate();
        let columns = columns.map(|(at, (column, shape))| column.read(at, shape, detail)).collect::<Result<_, _>>()?;
        let whole = |field, value: f64| match value.is_finite() && value >= 0.0 {
            true => Ok(value),
            false => Err(StoredError::Window { field, value }),
        };
        Ok(Window {
            start_ms: stored.start_ms.to_native(),
            end_ms: stored.end_ms.to_native(),
            rows: whole("rows", stored.rows.to_native())?,
            squares: whole("squares", stored.squares.to_native())?,
            sampled: stored.sampled.to_native(),
            offered: stored.offered.to_native(),
            dropped: stored.dropped.to_native(),
            degraded_rows: whole("degraded_rows", stored.degraded_rows.to_native())?,
            columns,
        })
    }
}

impl StoredColumn {
    fn of(column: &WindowColumn) -> Self {
        match column {
            WindowColumn::Numeric(numeric) => Self::Numeric {
                counters: numeric.counters.to_array(),
                moments: numeric.moments.to_array(),
                cells: Counts::of(&numeric.cells),
                quantiles: numeric.quantiles.as_ref().map(Quantiles::to_short_bytes),
                unit: numeric.unit,
                distinct: numeric.distinct.as_ref().map(Distinct::to_bytes),
            },
            WindowColumn::Categorical(categorical) => Self::Categorical {
                counters: [categorical.null, categorical.type_error, categorical.other],
                codes: Counts::of(&categorical.codes),
                unseen: categorical.unseen.as_ref().map(Frequent::to_bytes),
                distinct: categorical.distinct.as_ref().map(Distinct::to_bytes),
            },
        }
    }
}

impl ArchivedStoredColumn {
    fn read(&self, at: usize, shape: &Shape, detail: Detail) -> Result<WindowColumn, StoredError> {
        match (self, shape) {
            (Self::Numeric { counters, moments, cells, quantiles, unit, distinct }, Shape::Numeric(edges)) => {
                let full = detail == Detail::Full || edges.is_none();
                let sketch = |field| move |source| StoredError::Sketch { at, field, source };
                let moments = Moments::from_array(moments.map(|number| number.to_native()));
                Ok(WindowColumn::Numeric(WindowNumeric {
                    edges: edges.clone(),
                    counters: Counters::from_array(amounts(at, "counters", counters.map(|count| count.to_native()))?),
                    moments: moments.ok_or(StoredError::Value { at, field: "moments", value: f64::NAN })?,
                    cells: cells.read(at, "cells", edges.as_ref().map_or(0, |edges| edges.cells()))?,
                    quantiles: optional(quantiles.as_deref(), full, Quantiles::from_short_bytes)
                        .map_err(sketch("quantiles"))?,
                    unit: *unit,
                    distinct: optional(distinct.as_deref(), full, Distinct::from_bytes).map_err(sketch("distinct"))?,
                }))
            }
            (Self::Categorical { counters, codes, unseen, distinct }, Shape::Categorical(dictionary)) => {
                let full = detail == Detail::Full;
                let sketch = |field| move |source| StoredError::Sketch { at, field, source };
                let [null, type_error, other] = amounts(at, "counters", counters.map(|count| count.to_native()))?;
                Ok(WindowColumn::Categorical(WindowCategorical {
                    dictionary: dictionary.clone(),
                    null,
                    type_error,
                    codes: codes.read(at, "codes", dictionary.len())?,
                    other,
                    unseen: optional(unseen.as_deref(), true, Frequent::from_bytes).map_err(sketch("unseen"))?,
                    distinct: optional(distinct.as_deref(), full, Distinct::from_bytes).map_err(sketch("distinct"))?,
                }))
            }
            _ => Err(StoredError::Shape { at, field: "column" }),
        }
    }
}

fn optional<T>(
    bytes: Option<&[u8]>,
    wanted: bool,
    read: impl Fn(&[u8]) -> Result<T, SketchError>,
) -> Result<Option<T>, SketchError> {
    bytes.filter(|_| wanted).map(read).transpose()
}

/// Numbers that count something.
fn amounts<const N: usize>(at: usize, field: &'static str, counts: [f64; N]) -> Result<[f64; N], StoredError> {
    match counts.iter().find(|count| !(count.is_finite() && **count >= 0.0)) {
        Some(value) => Err(StoredError::Value { at, field, value: *value }),
        None => Ok(counts),
    }
}

impl Counts {
    fn of(counts: &[f64]) -> Self {
        Self::narrow(counts).unwrap_or_else(|| Self::Wide(counts.to_vec()))
    }

    fn narrow(counts: &[f64]) -> Option<Self> {
        /// Up to here every whole number is a double of its own.
        const WHOLE: f64 = 9_007_199_254_740_992.0;
        if counts.iter().any(|count| !(0.0..WHOLE).contains(count) || count.fract() != 0.0) {
            return None;
        }
        let scale = counts.iter().map(|count| *count as u64).fold(0, |all, count| all | count).trailing_zeros() % 64;
        let narrow = counts.iter().map(|count| u32::try_from(*count as u64 >> scale).ok());
        Some(Self::Narrow { scale: scale as u8, counts: narrow.collect::<Option<_>>()? })
    }
}

impl ArchivedCounts {
    fn read(&self, at: usize, field: &'static str, expected: usize) -> Result<Vec<f64>, StoredError> {
        let counts: Vec<f64> = match self {
            Self::Narrow { scale, counts } => {
                let each = 2f64.powi(i32::from(*scale));
                counts.iter().map(|count| f64::from(count.to_native()) * each).collect()
            }
            Self::Wide(counts) => counts.iter().map(|count| count.to_native()).collect(),
        };
        if counts.len() != expected {
            return Err(StoredError::Shape { at, field });
        }
        match counts.iter().find(|count| !(count.is_finite() && **count >= 0.0)) {
            Some(value) => Err(StoredError::Value { at, field, value: *value }),
            None => Ok(counts),
        }
    }
}

#[cfg(test)]
mod tests;
