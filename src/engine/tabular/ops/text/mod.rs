//! Operators on text, and from text to numbers.

pub mod normalizer;
pub mod pattern;
pub mod strings;
pub mod tfidf;
pub mod tokenizer;
