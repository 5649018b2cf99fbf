//! Numbers and statuses as a person reads them.

use crate::monitor::drift::Status;
use maud::{Markup, html};

/// A status by its word and its shape: colour is never all there is.
pub fn badge(status: Status) -> Markup {
    let shape = match status {
        Status::Insufficient => "\u{25cc}",
        Status::Ok => "\u{2713}",
        Status::Notice => "\u{25cf}",
        Status::Warning => "\u{25b2}",
        Status::Critical => "\u{25c6}",
    };
    html! { span.badge.(status.name()) { (shape) " " (status.name()) } }
}

/// Four digits, without noise.
pub fn number(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() {
        return "\u{2013}".into();
    }
    if x == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e9).contains(&size) {
        return format!("{x:.3e}");
    }
    if x.fract() == 0.0 || size >= 1e4 {
        return grouped(x);
    }
    let places = (3 - size.log10().floor() as i32).clamp(0, 7) as usize;
    let text = format!("{x:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A whole number with a thin space between thousands.
fn grouped(x: f64) -> String {
    let digits = format!("{:.0}", x.abs());
    let mut text = String::from(if x < 0.0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digits.len() > 4 {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

pub fn maybe(x: Option<f64>) -> String {
    x.map_or("\u{2013}".into(), number)
}

pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    match percent {
        0.0 => "0 %".into(),
        p if p < 0.1 => format!("{p:.2} %"),
        p => format!("{p:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact_enough() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-12.0, "-12"),
            (0.12345, "0.1235"),
            (3.0001, "3"),
            (123.456, "123.5"),
            (1_234_567.0, "1\u{2009}234\u{2009}567"),
            (1e-9, "1.000e-9"),
            (f64::NAN, "\u{2013}"),
        ];
        for (x, expected) in cases {
            assert_eq!(number(x), expected);
        }
        assert_eq!((percent(0.0), percent(0.0004), percent(0.5)), ("0 %".into(), "0.04 %".into(), "50.0 %".into()));
    }
}
