//! JSON made for tensors: a pull reader that never builds a document, and writers to a byte buffer.
//!
//! Why our own: numbers must go straight into a typed buffer, 64-bit integers must stay exact, and
//! the bare tokens `NaN`, `Infinity` and `-Infinity` (which Python's and Triton's writers emit)
//! must be read. Everything else is RFC 8259 to the letter. Depth is bounded.

mod decimal;
mod element;
mod nested;
mod reader;
mod write;

pub use element::{ElementError, Elements, integer};
pub use nested::{NestedError, nested};
pub use reader::{JsonError, Kind, Reader};
pub use write::{NonFinite, Number, write_data, write_element, write_nested, write_str};
