//! A column in detail: why, both distributions, statistics, quantiles, what either side holds.

use super::chart;
use super::table::change;
use super::words::{badge, maybe, number, percent};
use crate::monitor::column::Kind;
use crate::monitor::drift::Status;
use crate::monitor::report::model::{ColumnReport, Facts, Stats};
use maud::{Markup, html};

pub fn details(at: usize, column: &ColumnReport) -> Markup {
    html! {
        details id=(format!("c{at}")) open[column.status.is_alarm()] {
            summary { b { (column.name) } " " (badge(column.status)) " " span.quiet { (column.role.name()) ", " (column.r#type.name()) } }
            // Where all is well the table says all that there is to say.
            @if column.status != Status::Ok { ul { @for reason in &column.reasons { li { (reason) } } } }
            div.two {
                div {
                    @if let Some(histogram) = &column.hist {
                        (chart::large(at, column, histogram))
                        @if !histogram.values.is_empty() { (chart::values(histogram)) }
                    } @else {
                        p.quiet { "Too few rows yet to draw anything." }
                    }
                }
                div {
                    (sides(column))
                    @if let Some(stats) = &column.stats { (statistics(stats)) }
                    (against(column))
                }
            }
        }
    }
}

type Fact = (&'static str, fn(&Facts) -> String);

/// What either side holds, with the rates that differ.
fn sides(column: &ColumnReport) -> Markup {
    let facts: [Fact; 5] = [
        ("rows", |facts| number(facts.n)),
        ("missing", |facts| percent(if facts.n > 0.0 { facts.missing / facts.n } else { 0.0 })),
        ("unique", |facts| maybe(facts.unique.map(f64::round))),
        ("mean", |facts| maybe(facts.mean)),
        ("deviation", |facts| maybe(facts.std)),
    ];
    // Texts have no mean.
    let facts = &facts[..if column.r#type == Kind::Numeric { 5 } else { 3 }];
    let reference = column.summary.reference.as_ref();
    let rates = rates(column);
    html! {
        table.n {
            tr { th {} @for (name, _) in facts { th { (name) } } }
            @if let Some(reference) = reference { tr { td { "reference" } @for (_, of) in facts { td { (of(reference)) } } } }
            tr { td { "window" } @for (_, of) in facts { td { (of(&column.summary.current)) } } }
        }
        (quantiles(column))
        @if !rates.is_empty() { p.small { (rates.join("; ")) } }
    }
}

/// Quantiles side by side, from the least to the greatest value.
fn quantiles(column: &ColumnReport) -> Markup {
    let shown = &column.quantiles;
    let reference = column.summary.reference.as_ref();
    let current = &column.summary.current;
    html! {
        @if !shown.is_empty() {
            table.n.small {
                tr { th {} th { "least" } @for one in shown { th { (number(100.0 * one.share)) " %" } } th { "greatest" } }
                @if let Some(reference) = reference {
                    tr { td { "reference" } td { (maybe(reference.min)) } @for one in shown { td { (maybe(one.reference)) } } td { (maybe(reference.max)) } }
                }
                tr { td { "window" } td { (maybe(current.min)) } @for one in shown { td { (maybe(one.current)) } } td { (maybe(current.max)) } }
            }
        }
    }
}

/// Rates that are not nothing on both sides; missing values stand in the table.
fn rates(column: &ColumnReport) -> Vec<String> {
    let rates = &column.quality;
    let all = [
        ("infinite", rates.infinite),
        ("wrong type", rates.type_error),
        ("zero", rates.zero),
        ("out of the reference's range", rates.out_of_range),
        ("unseen values", rates.unseen),
    ];
    let told = all.into_iter().filter(|(_, rate)| rate.current > 0.0 || rate.reference.is_some_and(|rate| rate > 0.0));
    told.map(|(name, rate)| format!("{name} {}", change(rate))).collect()
}

fn statistics(stats: &Stats) -> Markup {
    let known: Vec<String> = [
        ("PSI", Some(stats.psi)),
        ("JS", Some(stats.js)),
        ("Hellinger", Some(stats.hellinger)),
        ("TV", Some(stats.tvd)),
        ("KS", stats.ks),
        ("its p", stats.p_ks),
        ("Wasserstein", stats.w1),
        ("shift of the mean", stats.mean_shift),
        ("chi-square", Some(stats.chi2)),
        ("its p", Some(stats.p_chi2)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(format!("{name} {}", number(value?))))
    .collect();
    html! { p.small { (known.join(" \u{b7} ")) " (" (stats.df) " degrees of freedom)" } }
}

fn against(column: &ColumnReport) -> Markup {
    let others = [
        ("the last closed window against the one before", &column.against.previous),
        ("the last hour against the same one a week ago", &column.against.last_week),
    ];
    html! {
        @for (name, effect) in others {
            @if let Some(effect) = effect {
                p.small { (name) ": PSI " (number(effect.psi)) ", corrected " (number(effect.effect_corrected)) ", p " (number(effect.p)) }
            }
        }
    }
}
