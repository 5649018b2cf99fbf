//! LightGBM's text files, as `Booster.save_model` writes them.
//!
//! Written against LightGBM 4.7. Lines are `key=value`: a head, one block for each tree, and behind
//! `end of trees` what training wants to know again, which prediction does not.

mod head;
mod objective;
mod parts;
mod tree;
mod words;

pub use parts::read;

/// Numbers with single spaces between them, each read by `parse`.
fn list<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    let number = |word: &str| parse(word).ok_or_else(|| format!("'{}' is no number", crate::text::shorten(word, 40)));
    text.split_ascii_whitespace().map(number).collect()
}

/// A `f64`; `inf` and `nan` are among them, as LightGBM writes them.
fn float(word: &str) -> Option<f64> {
    fast_float2::parse(word).ok()
}
