//! Distributions as pictures: the reference as a hatched area, the window as a line over it.
//!
//! Of a numeric column bins may differ in width, so that heights are densities: equal areas are equal
//! shares. The drawing is made once, small in the table, and used again in the column's section.

use super::words::{number, percent};
use crate::monitor::report::model::{ColumnReport, Histogram};
use maud::{Markup, html};
use std::fmt::Write;

/// The drawing's size, in its own units.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 100.0;
/// A bin is drawn at least this wide.
const LEAST_WIDTH: f64 = 3.0;

/// What all drawings fill the reference's area with.
pub fn patterns() -> Markup {
    html! {
        svg width="0" height="0" aria-hidden="true" style="position:absolute" {
            defs {
                pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    line x1="0" y1="0" x2="0" y2="6" stroke="var(--ref)" stroke-width="2" {}
                }
            }
        }
    }
}

/// The drawing, small, to be used again by its id.
pub fn small(at: usize, column: &ColumnReport, histogram: &Histogram) -> Markup {
    let name = &column.name;
    let id = format!("d{at}");
    let label = format!("{name}: hatched the reference, as a line the window");
    html! {
        svg viewBox="0 0 320 100" width="128" height="32" preserveAspectRatio="none" role="img" aria-label=(label) {
            g id=(id) {
                @if histogram.values.is_empty() { (areas(histogram, Places::of(column, histogram))) } @else { (columns(histogram)) }
            }
        }
    }
}

/// The drawing, large, with a scale below it.
pub fn large(at: usize, column: &ColumnReport, histogram: &Histogram) -> Markup {
    let href = format!("#d{at}");
    html! {
        svg viewBox="0 0 320 118" width="480" role="img" aria-label=(column.name) {
            use href=(href) {}
            line.ax x1="0" y1="100" x2="320" y2="100" {}
            (scale(Places::of(column, histogram)))
        }
    }
}

fn scale(places: Option<Places>) -> Markup {
    let Some(places) = places else { return html! {} };
    let middle = places.low + (places.high - places.low) / 2.0;
    html! {
        text x="0" y="113" { (number(places.low)) }
        text.m x="160" y="113" { (number(middle)) }
        text.e x="320" y="113" { (number(places.high)) }
    }
}

/// Where bins lie on the drawing.
struct Places {
    low: f64,
    high: f64,
}

/// An outer bin is drawn at most this many times as wide as a bin in the middle: tails are long.
const MOST_TAIL: f64 = 4.0;

impl Places {
    /// The outer bins end where the values do, or nearer. `None` without edges.
    fn of(column: &ColumnReport, histogram: &Histogram) -> Option<Self> {
        let (first, last) = (*histogram.edges.first()?, *histogram.edges.last()?);
        let mut widths: Vec<f64> =
            histogram.edges.iter().zip(histogram.edges.iter().skip(1)).map(|(a, b)| b - a).collect();
        widths.sort_by(f64::total_cmp);
        let usual = widths.get(widths.len() / 2).copied().unwrap_or_else(|| first.abs().max(1.0));
        let sides = [column.summary.reference.as_ref(), Some(&column.summary.current)];
        let ends = || sides.into_iter().flatten();
        let least = ends().filter_map(|facts| facts.min).fold(first, f64::min);
        let greatest = ends().filter_map(|facts| facts.max).fold(last, f64::max);
        let tail = |length: f64| length.clamp(usual / 2.0, MOST_TAIL * usual);
        let (low, high) = (first - tail(first - least), last + tail(greatest - last));
        (low.is_finite() && high.is_finite() && high > low).then_some(Self { low, high })
    }

    fn x(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low) * WIDTH).clamp(0.0, WIDTH)
    }

    /// The right ends of the bins.
    fn ends(&self, histogram: &Histogram) -> Vec<f64> {
        let mut end = 0.0;
        let edges = histogram.edges.iter().map(|edge| self.x(*edge)).chain([WIDTH]);
        edges
            .map(|x| {
                end = x.max(end + LEAST_WIDTH).min(WIDTH);
                end
            })
            .collect()
    }
}

fn areas(histogram: &Histogram, places: Option<Places>) -> Markup {
    let ends = match places {
        Some(places) => places.ends(histogram),
        None => vec![WIDTH],
    };
    let (reference, current) = (densities(&histogram.r#ref, &ends), densities(&histogram.cur, &ends));
    let top = top(&reference, &current);
    html! {
        @if !reference.is_empty() { path.r d=(steps(&ends, &reference, top, true)) {} }
        path.c d=(steps(&ends, &current, top, false)) {}
    }
}

/// Share per width of each bin.
fn densities(counts: &[f64], ends: &[f64]) -> Vec<f64> {
    let total: f64 = counts.iter().sum();
    let mut start = 0.0;
    let density = |(count, end): (&f64, &f64)| {
        let width = (end - start).max(LEAST_WIDTH);
        start = *end;
        if total > 0.0 { count / total / width } else { 0.0 }
    };
    counts.iter().zip(ends).map(density).collect()
}

/// The density at the upper end: the highest there is, unless one value towers over all others.
fn top(reference: &[f64], current: &[f64]) -> f64 {
    let mut all: Vec<f64> = reference.iter().chain(current).copied().filter(|density| *density > 0.0).collect();
    all.sort_by(f64::total_cmp);
    let highest = all.last().copied().unwrap_or(1.0);
    let usual = all.get(all.len() * 3 / 4).copied().unwrap_or(highest);
    highest.min(5.0 * usual)
}

/// A line in steps, closed at the bottom where it is an area.
fn steps(ends: &[f64], densities: &[f64], top: f64, closed: bool) -> String {
    let y = |density: f64| HEIGHT - (density / top * 0.94 * HEIGHT).min(HEIGHT);
    let mut path = String::from("M0 100");
    for (end, density) in ends.iter().zip(densities) {
        // Writing to a string cannot fail.
        let _ = write!(path, "V{}H{}", short(y(*density)), short(*end));
    }
    path.push_str("V100");
    if closed {
        path.push('z');
    }
    path
}

/// Whole units are fine enough: the drawing is 320 of them wide.
fn short(x: f64) -> String {
    format!("{x:.0}")
}

/// Columns side by side: the reference's hatched, the window's full.
fn columns(histogram: &Histogram) -> Markup {
    let shares = [shares(&histogram.r#ref), shares(&histogram.cur)];
    let top = shares.iter().flatten().copied().fold(1e-9, f64::max);
    let step = WIDTH / histogram.cur.len().max(1) as f64;
    let bar = |share: f64, class: &str, at: usize, half: f64| {
        let height = share / top * 0.94 * HEIGHT;
        let (x, y) = (at as f64 * step + half * step * 0.45 + 0.05 * step, HEIGHT - height);
        html! { rect class=(class) x=(short(x)) y=(short(y)) width=(short(step * 0.42)) height=(short(height)) {} }
    };
    html! {
        @for (at, share) in shares[0].iter().enumerate() { (bar(*share, "r", at, 0.0)) }
        @for (at, share) in shares[1].iter().enumerate() { (bar(*share, "cb", at, 1.0)) }
    }
}

fn shares(counts: &[f64]) -> Vec<f64> {
    let total: f64 = counts.iter().sum();
    counts.iter().map(|count| if total > 0.0 { count / total } else { 0.0 }).collect()
}

/// The values of a categorical column with their shares on either side.
pub fn values(histogram: &Histogram) -> Markup {
    let (reference, current) = (shares(&histogram.r#ref), shares(&histogram.cur));
    html! {
        table.n {
            tr { th { "value" } th { "reference" } th { "window" } }
            @for (at, value) in histogram.values.iter().enumerate() {
                tr {
                    td { (crate::text::shorten(value, 40)) }
                    td { (reference.get(at).map_or("\u{2013}".to_owned(), |share| percent(*share))) }
                    td { (current.get(at).map_or("\u{2013}".to_owned(), |share| percent(*share))) }
                }
            }
        }
    }
}
