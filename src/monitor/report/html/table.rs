//! The tables: a line per column, the worst first.

use super::chart;
use super::words::{badge, maybe, number, percent};
use crate::monitor::report::model::{ColumnReport, Rate, Report};
use maud::{Markup, html};

/// Answers and latency, then inputs. Columns are counted on, so that each is linked to its section.
pub fn tables(report: &Report) -> Markup {
    let others = report.prediction.columns.len();
    html! {
        @if others > 0 {
            h2 { "Predictions and latency" }
            (table(&report.prediction.columns, 0))
        }
        @if !report.features.is_empty() {
            h2 { "Inputs" }
            (table(&report.features, others))
        }
    }
}

fn table(columns: &[ColumnReport], from: usize) -> Markup {
    html! {
        div.scroll {
            table.wide {
                thead { tr {
                    th { "column" } th { "type" } th { "status" } th { "reference and window" }
                    th { "PSI, corrected" } th { "p, adjusted" } th { "KS or JS" } th { "missing" }
                } }
                tbody { @for (at, column) in columns.iter().enumerate() { (line(from + at, column)) } }
            }
        }
    }
}

fn line(at: usize, column: &ColumnReport) -> Markup {
    let primary = column.primary.as_ref();
    let stats = column.stats.as_ref();
    let distance = stats
        .map(|stats| stats.ks.map_or_else(|| format!("JS {}", number(stats.js)), |ks| format!("KS {}", number(ks))));
    html! {
        tr {
            td { a href=(format!("#c{at}")) { (column.name) } }
            td { (column.r#type.name()) }
            td { (badge(column.status)) }
            td { @if let Some(histogram) = &column.hist { (chart::small(at, column, histogram)) } }
            td { (maybe(primary.map(|primary| primary.effect_corrected))) }
            td { (maybe(primary.and_then(|primary| primary.p_adj))) }
            td { (distance.unwrap_or_else(|| "\u{2013}".into())) }
            td { (change(column.quality.missing)) }
        }
    }
}

/// A share of the reference, and of the window.
pub fn change(rate: Rate) -> String {
    match rate.reference {
        Some(reference) if percent(reference) != percent(rate.current) => {
            format!("{} \u{2192} {}", percent(reference), percent(rate.current))
        }
        _ => percent(rate.current),
    }
}
