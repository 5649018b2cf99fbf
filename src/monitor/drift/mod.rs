//! Has a column changed? Statistics on counts, the tests behind them, and the judge who decides.
//!
//! ```text
//! two sides of counts -> compare (distances, tests, one p value) -> judge (rule, persistence, words)
//! ```
//!
//! All of it is pure: counts and moments in, numbers out, no clock and no shared state. What keeps the
//! counts is elsewhere. The formulas are those of the field, named where they stand; how often the rule
//! is wrong, and what it finds, is measured by `benches/drift` beside other tools.

pub mod special;
