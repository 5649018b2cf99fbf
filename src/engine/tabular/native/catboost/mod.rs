//! CatBoost's JSON files (`save_model(format="json")`): symmetric trees over numeric columns.
//!
//! Written against CatBoost 1.2. What the file leaves open is refused: categories, texts and
//! embeddings, whose statistics it holds in a form that is not documented, and trees that are not
//! symmetric.

mod file;
mod parts;

pub use file::read;
pub use parts::parts;
