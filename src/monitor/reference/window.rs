//! A reference made from what a model is asked now: a live window promoted.

use super::build::Built;
use super::profile::{CategoricalProfile, ColumnProfile, NumericProfile, Profile, ProfileSummary, Source, SourceKind};
use crate::monitor::column::Column;
use crate::monitor::history::{Window, WindowCategorical, WindowColumn, WindowNumeric};
use crate::monitor::sketch::{CELLS, Edges, MOST_VALUES, Quantiles};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

impl Profile {
    /// The profile of a window's rows; `columns` are the window's, in its order.
    ///
    /// Counts are taken over as they are, on the edges that the window was counted on. A column that
    /// has no edges gets them from its quantiles, and counts that are as exact as these. One that was
    /// counted in two ways within the window is left out and noted. `name` says which window it is.
    pub fn from_window(window: &Window, columns: &[Column], name: String, created: String) -> Built {
        let rows = whole(window.rows);
        let mut notes = Vec::new();
        let mut profiles = Vec::new();
        for (column, summary) in columns.iter().zip(&window.columns) {
            let summary = match summary {
                WindowColumn::Numeric(numeric) => numbers(numeric, rows).map(ProfileSummary::Numeric),
                WindowColumn::Categorical(texts) => self::texts(texts, rows).map(ProfileSummary::Categorical),
            };
            match summary {
                Some(summary) => profiles.push(ColumnProfile { name: column.name.clone(), role: column.role, summary }),
                None => {
                    let name = &column.name;
                    notes.push(format!("column '{name}' is left out: not all of its rows were counted alike"));
                }
            }
        }
        let source = Source { kind: SourceKind::Window, name, sha256: None };
        let effective = window.n_eff().clamp(0.0, rows as f64);
        Built { profile: Self::new(rows, effective, source, created, profiles), notes }
    }
}

/// A weighted count as a number of rows. Weights are powers of two, so that nothing is lost.
fn whole(count: f64) -> u64 {
    count.round().max(0.0) as u64
}

/// `None` where the rows do not add up.
fn numbers(column: &WindowNumeric, rows: u64) -> Option<NumericProfile> {
    let counters = &column.counters;
    let finite = whole(counters.finite);
    let came = [counters.nan, counters.pos_inf, counters.neg_inf, counters.type_error].map(whole);
    let null = rows.checked_sub(came.iter().try_fold(finite, |sum, count| sum.checked_add(*count))?)?;
    let [nan, pos_inf, neg_inf, type_error] = came;
    let (edges, counts) = match &column.edges {
        Some(edges) => (edges.as_slice().to_vec(), column.cells.iter().map(|count| whole(*count)).collect()),
        None => cells(column.quantiles.as_ref(), finite),
    };
    let known = |x: f64| Some(x).filter(|x| x.is_finite() && finite > 0);
    let quantile = |share| column.quantiles.as_ref().and_then(|quantiles| quantiles.quantile(share));
    let moments = &column.moments;
    let profile = NumericProfile {
        finite,
        null,
        nan,
        pos_inf,
        neg_inf,
        type_error,
        zero: whole(counters.zero),
        mean: known(moments.mean),
        m2: known(moments.m2),
        min: known(moments.min),
        max: known(moments.max),
        q001: quantile(0.001),
        q999: quantile(0.999),
        distinct: column.distinct.as_ref().map_or(0.0, |distinct| distinct.estimate()),
        edges,
        counts,
        quantiles: column.quantiles.as_ref().map(|quantiles| STANDARD.encode(quantiles.to_bytes())),
    };
    (profile.counts.iter().sum::<u64>() == finite).then_some(profile)
}

/// Edges from quantiles, and about how many of the values each cell holds.
fn cells(quantiles: Option<&Quantiles>, finite: u64) -> (Vec<f64>, Vec<u64>) {
    let edges = quantiles.and_then(|quantiles| Edges::from_quantiles(quantiles, CELLS));
    let edges = edges.map(|edges| edges.as_slice().to_vec()).unwrap_or_default();
    let cdf = quantiles.and_then(|quantiles| quantiles.cdf(&edges)).unwrap_or_default();
    // Rounded as sums, so that the rounded parts add up.
    let mut below = 0;
    let mut counts: Vec<u64> = Vec::with_capacity(edges.len() + 1);
    for share in cdf.into_iter().take(edges.len()) {
        let upto = whole(share * finite as f64).clamp(below, finite);
        counts.push(upto - below);
        below = upto;
    }
    counts.resize(edges.len(), 0);
    counts.push(finite - below);
    (edges, counts)
}

fn texts(column: &WindowCategorical, rows: u64) -> Option<CategoricalProfile> {
    let (type_error, null) = (whole(column.type_error), whole(column.null));
    let known = column.dictionary.values().iter().zip(&column.codes);
    let mut counts: Vec<(String, u64)> = known.map(|(value, count)| (value.to_string(), whole(*count))).collect();
    // What the old reference did not know becomes known.
    let mut other = whole(column.other);
    let room = MOST_VALUES.saturating_sub(counts.len());
    for item in column.unseen.iter().flat_map(|unseen| unseen.top(room)) {
        let count = item.lower.min(other);
        if count > 0 && !is_cut(&item.text) {
            other -= count;
            counts.push((item.text, count));
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let present = counts.iter().try_fold(other, |sum, (_, count)| sum.checked_add(*count))?;
    let distinct = column.distinct.as_ref().map_or(0.0, |distinct| distinct.estimate());
    let (values, counts) = counts.into_iter().unzip();
    let profile = CategoricalProfile {
        present,
        null,
        type_error,
        distinct,
        values,
        counts,
        other,
        shortest: None,
        longest: None,
    };
    (present.checked_add(null)?.checked_add(type_error)? == rows).then_some(profile)
}

/// Whether a text was too long to be kept: its beginning and a hash stand for it.
fn is_cut(text: &str) -> bool {
    text.rsplit_once("...#")
        .is_some_and(|(_, hash)| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
