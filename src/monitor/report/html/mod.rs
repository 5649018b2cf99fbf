//! The report as one page: verdict, table, then a section per column.

mod chart;
mod column;
mod rows;
mod style;
mod table;
mod words;

use super::model::Report;
use crate::monitor::drift::Status;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use words::{badge, number, percent};

/// The page, complete in itself.
pub fn html(report: &Report) -> String {
    let title = format!("{} {}: {}", report.model.name, report.model.version, report.summary.status.name());
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(style::STYLE)) }
            }
            body {
                (chart::patterns())
                header { (head(report)) }
                main {
                    (verdict(report))
                    (warnings(report))
                    (violations(report))
                    (table::tables(report))
                    (rows::rows(report))
                    (rows::streams(report))
                    h2 { "Columns in detail" }
                    p.quiet { "Pictures: hatched is the reference, the line (or full column) is this window; equal areas are equal shares." }
                    @for (at, one) in report.columns().enumerate() { (column::details(at, one)) }
                }
                footer { (foot(report)) }
            }
        }
    };
    page.into_string()
}

fn head(report: &Report) -> Markup {
    let (model, window) = (&report.model, &report.window);
    html! {
        h1 { "Drift of " (model.name) " version " (model.version) @if let Some(variant) = &model.variant { ", variant " (variant) } }
        dl.facts {
            dt { "window" } dd { (window.name) ", " (window.start) " to " (window.end) }
            dt { "rows" } dd {
                (number(window.n)) ", from " (window.sampled) " counted"
                @if window.n_eff < 0.999 * window.n { " (worth " (number(window.n_eff)) " equally weighted)" }
                @if window.dropped > 0 { "; " (window.dropped) " lost" }
            }
            dt { "reference" } dd {
                @match &report.reference {
                    Some(reference) => {
                        (reference.name) ", " (number(reference.n)) " rows"
                        @if let Some(id) = &reference.id { ", id " code { (id.get(..12).unwrap_or(id)) } }
                    }
                    None => "none: nothing could be compared",
                }
            }
        }
    }
}

fn verdict(report: &Report) -> Markup {
    let summary = &report.summary;
    let mut reasons = summary.reasons.iter();
    html! {
        section.verdict.(summary.status.name()) aria-label="verdict" {
            p.big { (badge(summary.status)) " " @if let Some(first) = reasons.next() { (first) } }
            @if reasons.len() > 0 { ul { @for reason in reasons { li { (reason) } } } }
            p.quiet {
                @if summary.judged.by == "closed" {
                    "Judged over windows that have closed, the last one from " (summary.judged.start) " to " (summary.judged.end) "."
                } @else {
                    "No window of this length has closed yet: this one speaks for itself."
                }
            }
        }
    }
}

fn warnings(report: &Report) -> Markup {
    html! {
        @if report.window.degraded {
            p.warn { "\u{25b2} Too much of the sample was lost to judge what is left." }
        }
        @if !report.warnings.is_empty() {
            h2 { "Notes" }
            ul { @for warning in &report.warnings { li { (warning) } } }
        }
    }
}

fn violations(report: &Report) -> Markup {
    let found = &report.quality.violations;
    html! {
        h2 { "Data quality" }
        @if found.is_empty() {
            p { "\u{2713} No share of missing, wrong or unseen values has risen above its floor." }
        } @else {
            ul { @for one in found { li { b { (one.column) } ": " (one.violation.words) } } }
        }
    }
}

fn foot(report: &Report) -> Markup {
    let summary = &report.summary;
    let all = report.columns().count();
    html! {
        p {
            "A column drifts where its change is more than chance (p adjusted by " (summary.method) " at most " (summary.q)
            ") and large enough (PSI, less what chance gives, above a floor). Of " (all) " columns " (summary.monitored)
            " could be judged; " (percent(summary.share)) " of these drifted. Statuses: "
            @for status in [Status::Ok, Status::Notice, Status::Warning, Status::Critical, Status::Insufficient] { (badge(status)) " " }
        }
        p {
            "PSI: population stability index. JS: Jensen-Shannon distance, natural logarithm. KS: Kolmogorov and Smirnov's
            distance. TV: total variation. Wasserstein and the shift of the mean are in standard deviations of the reference."
        }
        p { "Made by Tidegate at " (report.generated) ". No rows are in this page, only counts." }
    }
}
