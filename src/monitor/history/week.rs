//! The hours of eight days, folded to 20 bins a column: enough to compare an hour with the same hour
//! a week before, for a hundred bytes a column.

use super::super::sketch::{Counters, Moments, Shape};
use super::column::WindowColumn;
use super::window::{Detail, Window};
use super::{DAY, HOUR};
use rkyv::rancor::Error;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bins of a folded column, and codes of a folded dictionary.
pub const BINS: usize = 20;
/// Hours kept: those of eight days that are not among the hours of the last one.
const MOST: usize = (7 * DAY / HOUR) as usize;

/// The folded hours, by start.
#[derive(Clone, Debug, Default)]
pub(super) struct Week {
    hours: BTreeMap<u64, Folded>,
}

/// An hour whose columns are folded. Counts are rounded to single precision, one part in 2^24.
#[derive(Archive, Serialize, Deserialize, Clone, Debug)]
pub(super) struct Folded {
    pub head: Head,
    /// Mean, M2, smallest and largest of every numeric column.
    pub moments: Box<[f64]>,
    /// Of every column its missing values, by kind, then its bins.
    pub counts: Box<[f32]>,
}

/// What a window tells beside its columns.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub(super) struct Head {
    pub start_ms: u64,
    pub rows: f64,
    pub squares: f64,
    pub sampled: u64,
    pub offered: u64,
    pub dropped: u64,
    pub degraded_rows: f64,
}

/// The shape whose cells are the bins of another.
pub(super) fn folded_shape(shape: &Shape) -> Shape {
    match shape {
        Shape::Numeric(edges) => Shape::Numeric(edges.as_ref().map(|edges| Arc::new(edges.folded(BINS)))),
        Shape::Categorical(dictionary) => Shape::Categorical(Arc::new(dictionary.first(BINS))),
    }
}

impl Week {
    /// Adds an hour that is already folded to `shapes`, to what is there of the same time.
    pub fn add(&mut self, hour: &Window, shapes: &[Shape]) {
        let mut sum =
            self.get(hour.start_ms, shapes).unwrap_or_else(|| Window::empty(hour.start_ms, hour.end_ms, shapes));
        sum.merge(hour, Detail::Counts);
        self.insert(Folded::new(&sum));
    }

    /// Puts an hour in its place, unless one is there that has seen more.
    pub fn insert(&mut self, hour: Folded) {
        let start = hour.head.start_ms;
        if self.hours.get(&start).is_some_and(|there| there.head.sampled >= hour.head.sampled) {
            return;
        }
        self.hours.insert(start, hour);
        if self.hours.len() > MOST {
            let farthest = self.hours.keys().copied().max_by_key(|key| key.abs_diff(start));
            farthest.and_then(|key| self.hours.remove(&key));
        }
    }

    pub fn get(&self, start_ms: u64, shapes: &[Shape]) -> Option<Window> {
        self.hours.get(&start_ms)?.window(shapes)
    }

    pub fn hours(&self) -> impl Iterator<Item = &Folded> {
        self.hours.values()
    }

    /// What was counted on other shapes says nothing any more.
    pub fn clear(&mut self) {
        self.hours.clear();
    }

    pub fn memory(&self) -> usize {
        self.hours.values().map(Folded::memory).sum()
    }
}

impl Folded {
    fn new(window: &Window) -> Self {
        let (mut moments, mut counts) = (Vec::new(), Vec::new());
        for column in &window.columns {
            match column {
                WindowColumn::Numeric(numeric) => {
                    let [_, of_values @ ..] = numeric.moments.to_array();
                    moments.extend(of_values);
                    counts.extend(numeric.counters.to_array().map(|count| count as f32));
                    counts.extend(numeric.cells.iter().map(|count| *count as f32));
                }
                WindowColumn::Categorical(categorical) => {
                    let missing = [categorical.null, categorical.type_error, categorical.other];
                    counts.extend(missing.iter().chain(&categorical.codes).map(|count| *count as f32));
                }
            }
        }
        let Window { start_ms, rows, squares, sampled, offered, dropped, degraded_rows, .. } = *window;
        let head = Head { start_ms, rows, squares, sampled, offered, dropped, degraded_rows };
        Self { head, moments: moments.into(), counts: counts.into() }
    }

    /// As a file holds it.
    pub fn bytes(&self) -> AlignedVec {
        rkyv::to_bytes::<Error>(self).expect("lists and numbers, written to memory")
    }

    /// The hour of bytes that may be anything; the error says what is wrong with them.
    pub fn read(bytes: &[u8], shapes: &[Shape]) -> Result<Self, String> {
        let mut aligned = AlignedVec::<16>::with_capacity(bytes.len());
        aligned.extend_from_slice(bytes);
        let hour = rkyv::from_bytes::<Self, Error>(&aligned).map_err(|error| error.to_string())?;
        let whole = hour.head.start_ms.is_multiple_of(HOUR) && hour.window(shapes).is_some();
        if whole { Ok(hour) } else { Err("no hour of these columns".into()) }
    }

    /// `None` if this is no hour of columns with these folded shapes.
    pub fn window(&self, shapes: &[Shape]) -> Option<Window> {
        let mut window = Window::empty(self.head.start_ms, self.head.start_ms.checked_add(HOUR)?, shapes);
        let Head { rows, squares, sampled, offered, dropped, degraded_rows, .. } = self.head;
        let amounts = [rows, squares, degraded_rows];
        let mut counts = self.counts.iter().map(|count| f64::from(*count));
        let mut moments = self.moments.iter().copied();
        for column in &mut window.columns {
            match column {
                WindowColumn::Numeric(numeric) => {
                    numeric.counters = Counters::from_array(take(&mut counts)?);
                    let [mean, m2, min, max] = take(&mut moments)?;
                    numeric.moments = Moments::from_array([numeric.counters.finite, mean, m2, min, max])?;
                    fill(&mut numeric.cells, &mut counts)?;
                }
                WindowColumn::Categorical(categorical) => {
                    [categorical.null, categorical.type_error, categorical.other] = take(&mut counts)?;
                    fill(&mut categorical.codes, &mut counts)?;
                }
            }
        }
        let over = counts.next().is_some() || moments.next().is_some();
        let sound = self.counts.iter().all(|count| count.is_finite() && *count >= 0.0)
            && amounts.iter().all(|amount| amount.is_finite() && *amount >= 0.0);
        (sound && !over).then_some(Window { rows, squares, sampled, offered, dropped, degraded_rows, ..window })
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + size_of_val(&self.moments[..]) + size_of_val(&self.counts[..])
    }
}

fn take<const N: usize>(numbers: &mut impl Iterator<Item = f64>) -> Option<[f64; N]> {
    let mut taken = [0.0; N];
    fill(&mut taken, numbers)?;
    Some(taken)
}

fn fill(places: &mut [f64], numbers: &mut impl Iterator<Item = f64>) -> Option<()> {
    places.iter_mut().try_for_each(|place| numbers.next().map(|number| *place = number))
}
