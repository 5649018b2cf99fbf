//! Rows as a whole, and detectors on single columns: shown where they are on.

use super::words::{badge, maybe, number};
use crate::monitor::report::model::Report;
use maud::{Markup, html};

pub fn rows(report: &Report) -> Markup {
    html! {
        @if !report.rows.is_empty() {
            h2 { "Rows as a whole" }
            div.scroll {
                table.wide {
                    thead { tr { th { "method" } th { "status" } th { "columns" } th { "rows" } th { "shift" } th { "p" } th { "in words" } } }
                    tbody {
                        @for one in &report.rows {
                            tr {
                                td { @if one.method == "pca" { "principal components" } @else { "mean discrepancy" } }
                                td { (badge(one.status)) }
                                td { (one.columns) }
                                td { (number(one.n_cur as f64)) }
                                td { (maybe(one.effect)) }
                                td { (maybe(one.p)) }
                                td { (one.reason) }
                            }
                        }
                    }
                }
            }
            p.quiet { "Compared with the first rows that were served. No part of the verdict above." }
        }
    }
}

pub fn streams(report: &Report) -> Markup {
    html! {
        @if !report.streams.is_empty() {
            h2 { "Streams" }
            div.scroll {
                table.wide {
                    thead { tr { th { "column" } th { "detector" } th { "values" } th { "changes" } th { "the last" } } }
                    tbody {
                        @for one in &report.streams {
                            tr {
                                td { (one.column) }
                                td { (one.detector.name()) }
                                td { (number(one.seen as f64)) }
                                td { (one.changes) }
                                td { (one.last_change.as_deref().unwrap_or("\u{2013}")) }
                            }
                        }
                    }
                }
            }
        }
    }
}
