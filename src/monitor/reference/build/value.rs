//! A cell as a number or as a text.

use crate::monitor::reference::table::Cell;
use std::borrow::Cow;

/// The cell as a number; `None` where it is none. True is 1, false 0.
pub fn number(cell: Cell<'_>) -> Option<f64> {
    match cell {
        Cell::Number(number) => Some(number),
        Cell::Bool(truth) => Some(f64::from(u8::from(truth))),
        Cell::Spelled(text) => spelled_number(text),
        Cell::Text(_) | Cell::Other => None,
    }
}

fn spelled_number(text: &str) -> Option<f64> {
    let text = text.trim();
    match fast_float2::parse(text) {
        Ok(number) => Some(number),
        Err(_) => spelled_bool(text).map(|truth| f64::from(u8::from(truth))),
    }
}

/// `true` and `false` as Python, R, SQL and JSON spell them.
pub fn spelled_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Whether a field stands for "not a number", which in a column of texts is a missing value.
pub fn is_spelled_nan(text: &str) -> bool {
    let text = text.trim();
    text.strip_prefix('-').unwrap_or(text).eq_ignore_ascii_case("nan")
}

/// The cell as a text; `None` where it is none.
pub fn text(cell: Cell<'_>) -> Option<Cow<'_, str>> {
    match cell {
        Cell::Text(text) | Cell::Spelled(text) => Some(Cow::Borrowed(text)),
        Cell::Bool(truth) => Some(Cow::Borrowed(if truth { "true" } else { "false" })),
        Cell::Number(number) => Some(Cow::Owned(number_text(number))),
        Cell::Other => None,
    }
}

/// A number as a person writes it: whole ones without a fraction.
pub fn number_text(number: f64) -> String {
    format!("{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_numbers_where_they_read_as_such() {
        let cases = [("1", Some(1.0)), (" -2.5e3 ", Some(-2500.0)), ("True", Some(1.0)), ("FALSE", Some(0.0))];
        for (field, expected) in cases {
            assert_eq!(number(Cell::Spelled(field)), expected, "{field}");
        }
        for field in ["", "1 2", "1,5", "yes", "0x10", "2024-01-01"] {
            assert_eq!(number(Cell::Spelled(field)), None, "{field}");
        }
        assert_eq!(number(Cell::Spelled("-inf")), Some(f64::NEG_INFINITY));
        assert!(number(Cell::Spelled("nan")).is_some_and(f64::is_nan));
        assert_eq!(number(Cell::Text("1")), None, "a quoted number is a text");
    }

    #[test]
    fn numbers_become_texts_as_people_write_them() {
        let cases = [(1.0, "1"), (-0.5, "-0.5"), (1e21, "1000000000000000000000")];
        for (given, expected) in cases {
            assert_eq!(text(Cell::Number(given)).as_deref(), Some(expected));
        }
        assert_eq!(text(Cell::Bool(true)).as_deref(), Some("true"));
        assert_eq!(text(Cell::Other), None);
    }
}
