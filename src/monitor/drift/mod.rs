//! Has a column changed? Statistics on counts, the tests behind them, and the judge who decides.
//!
//! ```text
//! two sides of counts -> compare (distances, tests, one p value) -> judge (rule, persistence, words)
//! ```
//!
//! All of it is pure: counts and moments in, numbers out, no clock and no shared state. What keeps the
//! counts is elsewhere. The formulas are those of the field, named where they stand; how often the rule
//! is wrong, and what it finds, is measured by `benches/drift` beside other tools.

mod bins;
pub mod calibrate;
mod compare;
mod distance;
mod homogeneity;
mod judge;
pub mod mmd;
mod multiple;
pub mod pca;
pub mod quality;
mod rank;
mod rule;
pub mod special;
pub mod stream;
mod words;

pub use bins::Counts;
pub use compare::{BINS, CategoricalSide, Compared, Moved, NumericSide, categorical, numeric};
pub use judge::{Finding, Judge, Outcome, Shortage, Verdict};
pub use multiple::{benjamini_hochberg, benjamini_yekutieli};
pub use rule::{Rule, Status};
pub use words::changes;
