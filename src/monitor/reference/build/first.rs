//! The first pass: what each column holds, where its edges lie, which texts may be frequent.

use super::choice::Choice;
use super::frequent::Frequent;
use super::ranks::Ranks;
use super::value::{is_spelled_nan, number, number_text, spelled_bool, text};
use crate::monitor::column::{Kind, Role};
use crate::monitor::reference::error::Fault;
use crate::monitor::reference::profile::roomy;
use crate::monitor::reference::table::{Cell, MOST_COLUMNS, Sink};
use crate::monitor::sketch::CELLS;
use std::collections::HashMap;

/// A column with up to this many different numbers is counted number by number.
const FEW: usize = 64;
/// Bytes of a text that may be among the frequent.
pub const MOST_TEXT_BYTES: usize = 256;

/// What is kept of each column: less for those that come later, so that a wide table is bounded too.
/// All [`MOST_COLUMNS`] together take at most half a gigabyte, however long the file.
fn bounds(column: usize) -> (usize, usize) {
    match column {
        0..64 => (4096, 4096),
        64..512 => (1024, 512),
        _ => (512, 256),
    }
}

/// Takes the cells of the first pass.
pub struct First<'a> {
    choice: &'a Choice,
    pub columns: Vec<Sniffed>,
    places: HashMap<String, usize>,
    /// Names that the file has and nobody wants.
    pub extra: Vec<String>,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a> First<'a> {
    pub fn new(choice: &'a Choice, progress: &'a mut dyn FnMut(u64)) -> Self {
        Self { choice, columns: Vec::new(), places: HashMap::new(), extra: Vec::new(), progress }
    }

    pub fn has(&self, name: &str) -> bool {
        self.places.contains_key(name) || self.extra.iter().any(|extra| extra == name)
    }
}

impl Sink for First<'_> {
    fn column(&mut self, name: &str) -> Result<Option<usize>, Fault> {
        if let Some(at) = self.places.get(name) {
            return Ok(Some(*at));
        }
        if self.extra.iter().any(|extra| extra == name) {
            return Ok(None);
        }
        if self.columns.len() + self.extra.len() >= MOST_COLUMNS {
            return Err(Fault::TooManyColumns { most: MOST_COLUMNS });
        }
        if !self.choice.wants(name) {
            self.extra.push(name.to_owned());
            return Ok(None);
        }
        let at = self.columns.len();
        self.columns.push(Sniffed::new(name, self.choice, at));
        self.places.insert(name.to_owned(), at);
        Ok(Some(at))
    }

    fn cell(&mut self, column: usize, cell: Cell<'_>) {
        if let Some(column) = self.columns.get_mut(column) {
            column.add(cell);
        }
    }

    fn read(&mut self, bytes: u64) {
        (self.progress)(bytes);
    }
}

/// What is seen of one column.
pub struct Sniffed {
    pub name: String,
    pub role: Role,
    /// Known from the model, or certain by now.
    kind: Option<Kind>,
    numbers: u64,
    texts: u64,
    others: u64,
    ranks: Ranks,
    /// All different numbers, in order, while they are few.
    few: Option<Vec<f64>>,
    frequent: Frequent,
}

/// What the second pass is to count.
pub enum Plan {
    Numeric {
        edges: Vec<f64>,
        q001: Option<f64>,
        q999: Option<f64>,
    },
    Categorical {
        texts: Vec<Box<str>>,
    },
    /// The column holds lists or objects only.
    Nothing,
}

impl Sniffed {
    fn new(name: &str, choice: &Choice, at: usize) -> Self {
        let (ranks, texts) = bounds(at);
        Self {
            name: name.to_owned(),
            role: choice.role(name),
            kind: choice.kind(name),
            numbers: 0,
            texts: 0,
            others: 0,
            ranks: Ranks::new(ranks),
            few: Some(Vec::new()),
            frequent: Frequent::new(texts),
        }
    }

    fn add(&mut self, cell: Cell<'_>) {
        match cell {
            Cell::Other => self.others += 1,
            Cell::Spelled(text) if is_spelled_nan(text) => {}
            Cell::Spelled(text) if spelled_bool(text.trim()).is_none() => match number(cell) {
                Some(number) => self.add_number(number, Some(text)),
                None => self.add_text(text),
            },
            Cell::Number(number) => self.add_number(number, None),
            Cell::Text(_) | Cell::Bool(_) | Cell::Spelled(_) => {
                // A column that is known to be numeric counts truths as numbers.
                let truth = (self.kind == Some(Kind::Numeric)).then(|| number(cell)).flatten();
                match (truth, text(cell)) {
                    (Some(number), _) => self.add_number(number, None),
                    (None, Some(text)) => self.add_text(&text),
                    (None, None) => {}
                }
            }
        }
    }

    fn add_number(&mut self, number: f64, spelled: Option<&str>) {
        if number.is_nan() {
            return;
        }
        self.numbers += 1;
        if number.is_finite() && self.kind != Some(Kind::Categorical) {
            // Both zeros are one.
            let number = number + 0.0;
            self.ranks.add(number);
            self.add_few(number);
        }
        match (self.kind, spelled) {
            (Some(Kind::Numeric), _) => {}
            (_, Some(text)) => self.add_frequent(text),
            (_, None) => self.add_frequent(&number_text(number)),
        }
    }

    fn add_text(&mut self, text: &str) {
        self.texts += 1;
        if self.kind != Some(Kind::Numeric) {
            self.add_frequent(text);
        }
    }

    fn add_few(&mut self, number: f64) {
        let Some(few) = &mut self.few else { return };
        match few.binary_search_by(|other| other.total_cmp(&number)) {
            Ok(_) => {}
            Err(_) if few.len() >= FEW => self.few = None,
            Err(at) => few.insert(at, number),
        }
    }

    fn add_frequent(&mut self, text: &str) {
        if text.len() > MOST_TEXT_BYTES {
            return;
        }
        self.frequent.add(text);
        // Thousands of different values that nearly all are numbers: it is a column of numbers, and
        // their texts need not be kept.
        if self.kind.is_none() && self.frequent.is_purged() && self.is_mostly_numbers() {
            self.kind = Some(Kind::Numeric);
            self.frequent = Frequent::new(0);
        }
    }

    /// At least 19 of 20 values are numbers: the rest are taken for mistakes.
    fn is_mostly_numbers(&self) -> bool {
        self.texts <= (self.numbers + self.texts) / 20
    }

    pub fn plan(self) -> Plan {
        let seen = self.numbers + self.texts;
        let kind = self.kind.unwrap_or(if self.is_mostly_numbers() { Kind::Numeric } else { Kind::Categorical });
        match kind {
            _ if seen == 0 && self.others > 0 => Plan::Nothing,
            Kind::Categorical => Plan::Categorical { texts: self.frequent.into_texts() },
            Kind::Numeric => {
                let tails = self.ranks.quantiles([0.001, 0.999]);
                let (q001, q999) = (tails.first().copied(), tails.last().copied());
                Plan::Numeric { edges: self.edges(), q001, q999 }
            }
        }
    }

    fn edges(&self) -> Vec<f64> {
        let edges = match &self.few {
            Some(few) => between(few),
            None => {
                let shares = (1..CELLS).map(|at| at as f64 / CELLS as f64);
                self.ranks.quantiles(shares).into_iter().map(roomy).collect()
            }
        };
        let mut edges: Vec<f64> = edges.into_iter().filter(|edge| edge.is_finite()).collect();
        edges.dedup();
        edges
    }
}

/// Borders half-way between the numbers, one below the first and one above the last: a cell for each
/// number, and one on either side for numbers that were never seen.
fn between(few: &[f64]) -> Vec<f64> {
    let (Some(first), Some(last)) = (few.first(), few.last()) else { return Vec::new() };
    let pairs = || few.iter().zip(few.iter().skip(1));
    let middles = pairs().map(|(below, above)| below / 2.0 + above / 2.0);
    let room = pairs().map(|(below, above)| above - below).fold(f64::INFINITY, f64::min);
    let room = if room.is_finite() { room } else { first.abs().max(1.0) } / 2.0;
    [first - room].into_iter().chain(middles).chain([last + room]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_few_numbers_gets_a_cell_with_room_around_it() {
        assert_eq!(between(&[0.0, 1.0, 3.0]), [-0.5, 0.5, 2.0, 3.5]);
        assert_eq!(between(&[7.0]), [3.5, 10.5]);
        assert!(between(&[]).is_empty());
    }

    #[test]
    fn rounding_to_32_bits_changes_no_cell() {
        let mut sniffed = Sniffed::new("x", &Choice::default(), 0);
        let values: Vec<f64> = (0..100_000).map(|at| f64::from(at % 1000) / 10.0 - 50.0).collect();
        values.iter().for_each(|value| sniffed.add(Cell::Number(*value)));
        let edges = sniffed.edges();
        assert!(edges.len() > 100, "{}", edges.len());
        let cell = |value: f64| edges.partition_point(|edge| *edge < value);
        for value in values {
            assert_eq!(cell(value), cell(f64::from(value as f32)), "{value}");
        }
    }
}
