//! Writing elements as JSON into a byte buffer. Floats take the fewest digits that read back the same.

use crate::tensor::{Data, each};
use half::{bf16, f16};
use std::sync::Arc;

/// How NaN and the infinities are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonFinite {
    /// `null`, as RFC 8259 allows nothing else.
    Null,
    /// `NaN`, `Infinity`, `-Infinity`, as Triton and Python write them.
    Token,
}

/// A value that has a JSON form.
pub trait Number {
    fn write(&self, out: &mut Vec<u8>, non_finite: NonFinite);
}

macro_rules! integers {
    ($($ty:ty),*) => {$(
        impl Number for $ty {
            fn write(&self, out: &mut Vec<u8>, _: NonFinite) {
                out.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64);

macro_rules! floats {
    ($($ty:ty),*) => {$(
        impl Number for $ty {
            fn write(&self, out: &mut Vec<u8>, non_finite: NonFinite) {
                if self.is_finite() {
                    out.extend_from_slice(zmij::Buffer::new().format_finite(*self).as_bytes());
                    return;
                }
                out.extend_from_slice(match (non_finite, self.is_nan(), *self > 0.0) {
                    (NonFinite::Null, ..) => b"null",
                    (NonFinite::Token, true, _) => b"NaN",
                    (NonFinite::Token, false, true) => b"Infinity",
                    (NonFinite::Token, false, false) => b"-Infinity",
                });
            }
        }
    )*};
}
floats!(f32, f64);

impl Number for f16 {
    fn write(&self, out: &mut Vec<u8>, non_finite: NonFinite) {
        self.to_f32().write(out, non_finite);
    }
}

impl Number for bf16 {
    fn write(&self, out: &mut Vec<u8>, non_finite: NonFinite) {
        self.to_f32().write(out, non_finite);
    }
}

impl Number for bool {
    fn write(&self, out: &mut Vec<u8>, _: NonFinite) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl Number for Arc<str> {
    fn write(&self, out: &mut Vec<u8>, _: NonFinite) {
        write_str(out, self);
    }
}

/// Writes a JSON string.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // Most strings need nothing, which all bytes together tell sooner than one after the other.
    let needs_escape = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if !text.bytes().fold(false, |any, byte| any | needs_escape(byte)) {
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !needs_escape(byte) {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain_from..]);
    out.push(b'"');
}

/// Writes elements `from..to`, comma-separated, without brackets.
pub fn write_data(out: &mut Vec<u8>, data: &Data, from: usize, to: usize, non_finite: NonFinite) {
    each!(data, values => {
        for (at, value) in values[from..to].iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            value.write(out, non_finite);
        }
    });
}

/// Writes one element.
pub fn write_element(out: &mut Vec<u8>, data: &Data, at: usize, non_finite: NonFinite) {
    each!(data, values => values[at].write(out, non_finite));
}

/// Writes elements from `from` on as lists nested to `dims`.
pub fn write_nested(out: &mut Vec<u8>, data: &Data, dims: &[usize], from: usize, non_finite: NonFinite) {
    out.push(b'[');
    match dims {
        [] => write_element(out, data, from, non_finite),
        [last] => write_data(out, data, from, from + last, non_finite),
        [first, rest @ ..] => {
            let step: usize = rest.iter().product();
            for at in 0..*first {
                if at > 0 {
                    out.push(b',');
                }
                write_nested(out, data, rest, from + at * step, non_finite);
            }
        }
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn non_finite_values_follow_the_choice() {
        let data = Data::F32(vec![1.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into());
        let mut out = Vec::new();
        write_data(&mut out, &data, 0, 4, NonFinite::Null);
        assert_eq!(out, b"1.5,null,null,null");
        out.clear();
        write_data(&mut out, &data, 1, 4, NonFinite::Token);
        assert_eq!(out, b"NaN,Infinity,-Infinity");
    }

    proptest! {
        #[test]
        fn every_float_reads_back_the_same(bits: u32) {
            let value = f32::from_bits(bits);
            prop_assume!(value.is_finite());
            let mut out = Vec::new();
            value.write(&mut out, NonFinite::Null);
            let read: f32 = std::str::from_utf8(&out).expect("ascii").parse().expect("a float");
            prop_assert_eq!(read.to_bits(), bits);
        }

        #[test]
        fn serde_json_reads_what_is_written(text in "\\PC{0,20}|[\\x00-\\x7f]{0,20}") {
            let mut out = Vec::new();
            write_str(&mut out, &text);
            let read: String = serde_json::from_slice(&out).expect("JSON");
            prop_assert_eq!(read, text);
        }
    }
}
