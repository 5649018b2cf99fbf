//! Reports: what a window says of a model, beside its reference, as JSON and as one page of HTML.
//!
//! ```text
//! counts, comparisons, verdicts -> Report::build -> Report -> to_json, html
//! ```
//!
//! A report holds aggregates alone, no rows. The page needs nothing but itself: no script, no font, no
//! picture from elsewhere.

mod build;
mod evidently;
mod fold;
mod html;
mod known;
mod model;
#[cfg(test)]
mod tests;

pub use build::Material;
pub use html::html;
pub use known::Known;
pub use model::{
    Against, ColumnReport, ColumnViolation, Common, Effect, Facts, Histogram, Judged, ModelFacts, Prediction, Primary,
    Quality, Quantile, Rate, Rates, ReferenceFacts, Report, SCHEMA, Sides, Stats, Summary, WindowFacts,
};
