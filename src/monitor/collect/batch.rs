//! Rows on their way from records into a pane, turned from rows into columns.

use crate::monitor::history::Pane;
use crate::monitor::sketch::Summary;
use crate::monitor::tap::record::{Head, drawn, texts};

/// Rows that are counted at a time.
const ROWS: usize = 256;
/// Nanoseconds in the unit of the latency column.
pub const SECOND: f64 = 1e9;

/// Some rows of numbers, column by column.
#[derive(Debug)]
pub struct Batch {
    /// Words per row in a record: the first says how it was drawn, the others are columns.
    stride: usize,
    rows: usize,
    /// `ROWS` places for each column of the pane; the last column is the latency.
    values: Vec<f64>,
    /// Which rows feed the costly sketches.
    rich: Vec<usize>,
    picked: Vec<f64>,
}

impl Batch {
    /// For records of `stride` words a row.
    pub fn new(stride: usize) -> Self {
        Self { stride, rows: 0, values: Vec::new(), rich: Vec::new(), picked: Vec::new() }
    }

    /// Adds the rows of a record that belong to the pane's sample.
    pub fn add(&mut self, head: Head, body: &[u64], pane: &mut Pane) {
        let stride = self.stride;
        let Some((rows, area)) = body.split_at_checked(usize::from(head.rows) * stride) else { return };
        for words in rows.chunks_exact(stride) {
            if is_of(words, pane) {
                self.row(words, head.latency_ns, pane);
            }
        }
        for (place, text) in texts(area) {
            let (row, column) = (place / stride, place % stride);
            let words = rows.get(row * stride..).filter(|words| is_of(words, pane));
            let summary = column.checked_sub(1).and_then(|column| pane.columns.get_mut(column));
            if let (Some(_), Some(Summary::Categorical(categorical))) = (words, summary) {
                categorical.update_text(&String::from_utf8_lossy(text));
            }
        }
    }

    fn row(&mut self, words: &[u64], latency_ns: u64, pane: &mut Pane) {
        // Made when it is first needed: most of many models wait for their first request.
        self.values.resize(self.stride * ROWS, 0.0);
        let [how, columns @ ..] = words else { return };
        let latency = latency_ns as f64 / SECOND;
        let numbers = columns.iter().map(|word| f64::from_bits(*word)).chain([latency]);
        for (place, value) in self.values.iter_mut().skip(self.rows).step_by(ROWS).zip(numbers) {
            *place = value;
        }
        if drawn(*how).1 >= pane.level + pane.rich_level {
            self.rich.push(self.rows);
        }
        self.rows += 1;
        pane.rows += 1;
        if self.rows == ROWS {
            self.flush(pane);
        }
    }

    /// Counts what has been added.
    pub fn flush(&mut self, pane: &mut Pane) {
        for (summary, values) in pane.columns.iter_mut().zip(self.values.chunks_exact(ROWS)) {
            if let Summary::Numeric(numeric) = summary {
                numeric.update_column(&values[..self.rows]);
                self.picked.clear();
                self.picked.extend(self.rich.iter().map(|row| values[*row]));
                numeric.enrich(&self.picked);
            }
        }
        self.rows = 0;
        self.rich.clear();
    }
}

/// Whether a row is in the pane's sample: drawn at its level or a lower one, and deep enough.
pub fn is_of(words: &[u64], pane: &Pane) -> bool {
    let (level, zeros) = words.first().map_or((u8::MAX, 0), |word| drawn(*word));
    level <= pane.level && zeros >= pane.level
}
