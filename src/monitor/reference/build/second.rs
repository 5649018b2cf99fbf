//! The second pass: everything is counted exactly, on the edges and texts that the first has found.

use super::first::{Plan, Sniffed};
use super::value::{is_spelled_nan, number, text};
use crate::monitor::column::Role;
use crate::monitor::reference::error::Fault;
use crate::monitor::reference::profile::{CategoricalProfile, ColumnProfile, NumericProfile, ProfileSummary};
use crate::monitor::reference::table::{Cell, Sink};
use crate::monitor::sketch::{Distinct, Edges, MOST_VALUES, Quantiles};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;

/// Takes the cells of the second pass.
pub struct Second<'a> {
    columns: Vec<Counted>,
    places: HashMap<String, usize>,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a> Second<'a> {
    pub fn new(columns: Vec<Sniffed>, progress: &'a mut dyn FnMut(u64)) -> Result<Self, Fault> {
        let places = columns.iter().enumerate().map(|(at, column)| (column.name.clone(), at)).collect();
        let columns = columns.into_iter().map(Counted::new).collect::<Result<_, _>>()?;
        Ok(Self { columns, places, progress })
    }

    /// The columns' profiles, and the names of those that hold no single values.
    pub fn finish(self, rows: u64) -> (Vec<ColumnProfile>, Vec<String>) {
        let (mut profiles, mut without) = (Vec::new(), Vec::new());
        for column in self.columns {
            match column.finish(rows) {
                Ok(profile) => profiles.push(profile),
                Err(name) => without.push(name),
            }
        }
        (profiles, without)
    }
}

impl Sink for Second<'_> {
    fn column(&mut self, name: &str) -> Result<Option<usize>, Fault> {
        Ok(self.places.get(name).copied())
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

struct Counted {
    name: String,
    role: Role,
    counts: Counts,
}

enum Counts {
    Numeric(Box<Numbers>),
    Categorical(Box<Texts>),
    Nothing,
}

impl Counted {
    fn new(sniffed: Sniffed) -> Result<Self, Fault> {
        let (name, role) = (sniffed.name.clone(), sniffed.role);
        let counts = match sniffed.plan() {
            Plan::Nothing => Counts::Nothing,
            Plan::Categorical { texts } => Counts::Categorical(Box::new(Texts::new(texts))),
            Plan::Numeric { edges, q001, q999 } => {
                let edges = Edges::new(edges).map_err(|error| Fault::Unusable(format!("column '{name}': {error}")))?;
                Counts::Numeric(Box::new(Numbers::new(edges, q001, q999)))
            }
        };
        Ok(Self { name, role, counts })
    }

    fn add(&mut self, cell: Cell<'_>) {
        match &mut self.counts {
            Counts::Numeric(numbers) => numbers.add(cell),
            Counts::Categorical(texts) => texts.add(cell),
            Counts::Nothing => {}
        }
    }

    /// The profile, or the name if there is none.
    fn finish(self, rows: u64) -> Result<ColumnProfile, String> {
        let summary = match self.counts {
            Counts::Numeric(numbers) => ProfileSummary::Numeric(numbers.finish(rows)),
            Counts::Categorical(texts) => ProfileSummary::Categorical(texts.finish(rows)),
            Counts::Nothing => return Err(self.name),
        };
        Ok(ColumnProfile { name: self.name, role: self.role, summary })
    }
}

struct Numbers {
    edges: Edges,
    quantiles: Quantiles,
    distinct: Distinct,
    mean: f64,
    m2: f64,
    min: f64,
    max: f64,
    profile: NumericProfile,
}

impl Numbers {
    fn new(edges: Edges, q001: Option<f64>, q999: Option<f64>) -> Self {
        let counts = vec![0; edges.cells()];
        let profile =
            NumericProfile { edges: edges.as_slice().to_vec(), counts, q001, q999, ..NumericProfile::default() };
        Self {
            edges,
            quantiles: Quantiles::new(),
            distinct: Distinct::of_numbers(),
            mean: 0.0,
            m2: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            profile,
        }
    }

    fn add(&mut self, cell: Cell<'_>) {
        match number(cell) {
            None => self.profile.type_error += 1,
            Some(x) if x.is_nan() => self.profile.nan += 1,
            Some(f64::INFINITY) => self.profile.pos_inf += 1,
            Some(f64::NEG_INFINITY) => self.profile.neg_inf += 1,
            // Both zeros are one.
            Some(x) => self.add_finite(x + 0.0),
        }
    }

    fn add_finite(&mut self, x: f64) {
        self.profile.finite += 1;
        self.profile.zero += u64::from(x == 0.0);
        // Welford's recurrence.
        let distance = x - self.mean;
        self.mean += distance / self.profile.finite as f64;
        self.m2 += distance * (x - self.mean);
        self.min = self.min.min(x);
        self.max = self.max.max(x);
        if let Some(count) = self.profile.counts.get_mut(self.edges.cell(x)) {
            *count += 1;
        }
        self.quantiles.update(x);
        self.distinct.add_number(x);
    }

    fn finish(self, rows: u64) -> NumericProfile {
        let mut profile = self.profile;
        let came = profile.finite + profile.nan + profile.pos_inf + profile.neg_inf + profile.type_error;
        profile.null = rows.saturating_sub(came);
        profile.distinct = self.distinct.estimate();
        if profile.finite > 0 {
            // Sums of numbers near the greatest there are may overflow: better absent than infinite.
            let finite = |x: f64| Some(x).filter(|x| x.is_finite());
            (profile.mean, profile.m2) = (finite(self.mean), finite(self.m2));
            (profile.min, profile.max) = (finite(self.min), finite(self.max));
            profile.quantiles = Some(STANDARD.encode(self.quantiles.to_bytes()));
        }
        profile
    }
}

struct Texts {
    counts: HashMap<Box<str>, u64>,
    distinct: Distinct,
    profile: CategoricalProfile,
}

impl Texts {
    fn new(texts: Vec<Box<str>>) -> Self {
        let counts = texts.into_iter().map(|text| (text, 0)).collect();
        Self { counts, distinct: Distinct::of_texts(), profile: CategoricalProfile::default() }
    }

    fn add(&mut self, cell: Cell<'_>) {
        if matches!(cell, Cell::Spelled(text) if is_spelled_nan(text)) {
            return;
        }
        let Some(text) = text(cell) else {
            self.profile.type_error += 1;
            return;
        };
        self.profile.present += 1;
        self.distinct.add_text(&text);
        let letters = Some(text.chars().count() as u64);
        self.profile.shortest = self.profile.shortest.map_or(letters, |least| letters.min(Some(least)));
        self.profile.longest = self.profile.longest.max(letters);
        match self.counts.get_mut(text.as_ref()) {
            Some(count) => *count += 1,
            None => self.profile.other += 1,
        }
    }

    fn finish(self, rows: u64) -> CategoricalProfile {
        let mut profile = self.profile;
        profile.null = rows.saturating_sub(profile.present + profile.type_error);
        profile.distinct = self.distinct.estimate();
        let mut counts: Vec<(Box<str>, u64)> = self.counts.into_iter().filter(|(_, count)| *count > 0).collect();
        // The most frequent first; those equally so in order of text, so that every run has the same.
        counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        profile.other += counts.iter().skip(MOST_VALUES).map(|(_, count)| count).sum::<u64>();
        counts.truncate(MOST_VALUES);
        (profile.values, profile.counts) = counts.into_iter().map(|(text, count)| (text.into_string(), count)).unzip();
        profile
    }
}
