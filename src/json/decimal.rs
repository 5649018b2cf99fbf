//! Decimal fractions as most requests have them, read in one pass: digits to a whole number, and one
//! multiplication or division by a power of ten.
//!
//! That gives the nearest value of the wanted type wherever the answer is certain, and `None` wherever it is not
//! (more than 19 digits, powers of ten beyond 22, a value too near the middle between two neighbours, overflow,
//! anything that is no plain number): then the thorough way of [`super::element`] decides, which also has the words
//! for what is wrong. D. Lemire, "Number parsing at a gigabyte per second", 2021, has the idea of eight digits at
//! a time; W. D. Clinger, "How to read floating point numbers accurately", 1990, that of exact powers.

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
const TENS: [u64; 8] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];
/// So many digits always fit into 64 bits.
const MOST_DIGITS: usize = 19;
/// Larger whole numbers are not all exact in a double.
const EXACT: u64 = 1 << 53;

/// A type that fractions are read into.
pub trait Fraction: Copy {
    /// The value nearest to `digits * 10^power`, where that is certain.
    fn nearest(digits: u64, power: i32, negative: bool) -> Option<Self>;
}

impl Fraction for f64 {
    #[inline]
    fn nearest(digits: u64, power: i32, negative: bool) -> Option<Self> {
        // Both operands are exact, so the one rounding is the right one.
        (digits <= EXACT).then(|| scaled(digits, power)).flatten().map(|value| signed(value, negative))
    }
}

impl Fraction for f32 {
    #[inline]
    fn nearest(digits: u64, power: i32, negative: bool) -> Option<Self> {
        // Two roundings, so the double is at most two units of its last place off. Rounded to a single it
        // is right unless the middle between two singles lies as near as that.
        const CUT: u64 = 1 << 29;
        let double = scaled(digits, power)?;
        let middle = (double.to_bits() % CUT).abs_diff(CUT / 2);
        let value = double as f32;
        (middle > 2 && value.is_finite()).then(|| signed(f64::from(value), negative) as Self)
    }
}

#[inline]
fn scaled(digits: u64, power: i32) -> Option<f64> {
    let factor = *POWERS.get(usize::try_from(power.unsigned_abs()).ok()?)?;
    let whole = digits as f64;
    Some(if power < 0 { whole / factor } else { whole * factor })
}

#[inline]
fn signed(value: f64, negative: bool) -> f64 {
    if negative { -value } else { value }
}

/// The number at the start of a text, and its length. `None` where it is not certain, or no number by
/// RFC 8259 that a comma, a bracket, white space or the end follows.
#[inline]
pub fn decimal<T: Fraction>(text: &[u8]) -> Option<(T, usize)> {
    let negative = text.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut digits = 0u64;
    let mut at = run(text, start, &mut digits);
    let whole = at - start;
    // None, or a zero before others.
    if whole == 0 || (whole > 1 && text.get(start) == Some(&b'0')) {
        return None;
    }
    let mut fraction = 0;
    if text.get(at) == Some(&b'.') {
        let end = run(text, at + 1, &mut digits);
        fraction = end - at - 1;
        if fraction == 0 {
            return None;
        }
        at = end;
    }
    if whole + fraction > MOST_DIGITS {
        return None;
    }
    let mut power = -i32::try_from(fraction).ok()?;
    if let Some(b'e' | b'E') = text.get(at) {
        let (exponent, end) = exponent(text, at + 1)?;
        power += exponent;
        at = end;
    }
    match text.get(at) {
        None | Some(b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t') => {
            Some((T::nearest(digits, power, negative)?, at))
        }
        Some(_) => None,
    }
}

/// Adds the digits from `at` on to a number, which wraps where they are too many; answers where they end.
#[inline]
fn run(text: &[u8], mut at: usize, number: &mut u64) -> usize {
    while let Some(eight) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let count = leading_digits(word);
        if count < 8 {
            // As many of them as there are, behind zeros.
            let moved = word.checked_shl(64 - 8 * count).unwrap_or(0);
            *number = number.wrapping_mul(TENS[count as usize % 8]).wrapping_add(eight_digits(moved));
            return at + count as usize;
        }
        *number = number.wrapping_mul(100_000_000).wrapping_add(eight_digits(word));
        at += 8;
    }
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        *number = number.wrapping_mul(10).wrapping_add(digit.into());
        at += 1;
    }
    at
}

/// How many of eight bytes, the first in the lowest place, are from `0` to `9` before another one comes.
#[inline]
fn leading_digits(word: u64) -> u32 {
    let values = word ^ 0x3030_3030_3030_3030;
    // The high bit of every byte above 9. A carry spoils only bytes behind one that is no digit.
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
    others.trailing_zeros() / 8
}

/// The number of eight digits: pairs, then fours, then all, each by one multiplication.
#[inline]
fn eight_digits(word: u64) -> u64 {
    let word = word & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

/// An exponent of at most three digits, and where it ends.
#[inline]
fn exponent(text: &[u8], at: usize) -> Option<(i32, usize)> {
    let sign = text.get(at).copied();
    let start = at + usize::from(matches!(sign, Some(b'+' | b'-')));
    let mut value = 0u64;
    let end = run(text, start, &mut value);
    if end == start || end > start + 3 {
        return None;
    }
    let value = i32::try_from(value).ok()?;
    Some((if sign == Some(b'-') { -value } else { value }, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_right(text: &str) -> Result<(), TestCaseError> {
        let line = format!("{text},");
        if let Some((value, length)) = decimal::<f32>(line.as_bytes()) {
            let wanted: f32 = text.parse().expect("a number");
            prop_assert_eq!((value.to_bits(), length), (wanted.to_bits(), text.len()), "{}", text);
        }
        if let Some((value, length)) = decimal::<f64>(line.as_bytes()) {
            let wanted: f64 = text.parse().expect("a number");
            prop_assert_eq!((value.to_bits(), length), (wanted.to_bits(), text.len()), "{}", text);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_is_read_is_the_nearest(text in "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
            is_right(&text)?;
        }

        #[test]
        fn singles_written_as_doubles_come_back(bits: u32) {
            // As Python writes the list of a numpy array.
            let value = f32::from_bits(bits);
            prop_assume!(value.is_finite());
            is_right(&format!("{}", f64::from(value)))?;
            is_right(&format!("{:e}", f64::from(value)))?;
        }

        #[test]
        fn the_middle_between_two_singles_is_left_to_others(bits in 0x2000_0000u32..0x5000_0000, off in -3i64..=3) {
            let (low, high) = (f64::from(f32::from_bits(bits)), f64::from(f32::from_bits(bits + 1)));
            let middle = f64::from_bits(((low + high) / 2.0).to_bits().checked_add_signed(off).expect("small"));
            is_right(&format!("{middle}"))?;
            is_right(&format!("{middle:.18e}"))?;
        }
    }

    #[test]
    fn nearly_everything_is_read_at_once() {
        for text in ["0", "-0", "1", "0.5", "-12.25", "0.12345678", "0.30000001192092896", "1e3", "1.5E-7", "59.0"] {
            let (value, length) = decimal::<f32>(text.as_bytes()).expect(text);
            assert_eq!((value.to_bits(), length), (text.parse::<f32>().expect(text).to_bits(), text.len()));
        }
        assert_eq!(decimal::<f32>(b"7]"), Some((7.0, 1)));
        assert_eq!(decimal::<f64>(b"7.25 ,"), Some((7.25, 4)));
    }

    #[test]
    fn what_is_no_plain_number_is_left_to_others() {
        for text in [
            "",
            "-",
            "+1",
            ".5",
            "5.",
            "5.e1",
            "01",
            "-01",
            "00",
            "1e",
            "1e+",
            "1e1234",
            "0x10",
            "1_0",
            "1a",
            "NaN",
            "Infinity",
            "1.2.3",
            "--1",
            "1e5.5",
            "1e39",
            "12345678901234567890",
            "0.12345678901234567890",
        ] {
            assert_eq!(decimal::<f32>(text.as_bytes()), None, "{text}");
        }
        assert_eq!(decimal::<f64>(b"9007199254740993"), None, "not exact in a double");
    }
}
