//! How the rows of tensors become the words of columns.
//!
//! A number's word holds the bits of an `f64`; a text's word is the hash of its bytes. Whole numbers
//! beyond 2^53 lose their last digits here, which no statistic of ours would notice.

use super::record::Texts;
use crate::monitor::{Column, Kind, Role};
use crate::tensor::{Data, Tensor};
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

/// Inputs wider than this are watched by summaries of their rows.
pub const WIDEST: usize = 1024;
/// Outputs wider than this are watched by the class of the highest score and its confidence.
pub const MOST_SCORES: usize = 32;

/// What the row summaries of a wide tensor are, in their order.
const SUMMARIES: [&str; 6] = ["mean", "deviation", "min", "max", "zeros", "nans"];

/// What is taken from one tensor of a request or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Each element of a row is a number, or a text.
    Elements { width: usize },
    /// The first element of a row names a class, whatever its type.
    Label,
    /// Mean, deviation, extremes and the shares of zeros and NaN, over a row.
    Summary,
    /// The highest score of a row.
    Confidence,
    /// The place of the highest score of a row, as a class.
    Class,
}

/// A tensor and what is taken from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which of the inputs or outputs.
    pub tensor: usize,
    pub reading: Reading,
    pub columns: Vec<Column>,
}

impl Part {
    /// Every element of a row as a column. `texts` says which kind they are.
    pub fn elements(tensor: usize, role: Role, texts: bool, names: &[String]) -> Self {
        let kind = if texts { Kind::Categorical } else { Kind::Numeric };
        let columns: Vec<Column> = names.iter().map(|name| Column::new(name, role, kind)).collect();
        Self { tensor, reading: Reading::Elements { width: columns.len() }, columns }
    }

    pub fn summary(tensor: usize, role: Role, name: &str) -> Self {
        let column = |part: &str| Column::new(format!("{name}.{part}"), role, Kind::Numeric);
        Self { tensor, reading: Reading::Summary, columns: SUMMARIES.iter().map(|part| column(part)).collect() }
    }

    /// One column about the classes of an output.
    pub fn class(tensor: usize, reading: Reading, name: &str) -> Self {
        let kind = if reading == Reading::Confidence { Kind::Numeric } else { Kind::Categorical };
        Self { tensor, reading, columns: vec![Column::new(name, Role::Output, kind)] }
    }

    fn width(&self) -> usize {
        self.columns.len()
    }

    /// Fills this part's words of one row.
    fn read(&self, tensor: &Tensor, row: usize, words: &mut [u64], texts: &mut Texts<'_>) {
        let width = tensor.shape().row_elements();
        let range = row * width..(row + 1) * width;
        if range.end > tensor.data().len() {
            return;
        }
        match self.reading {
            Reading::Elements { .. } => match tensor.data() {
                Data::Str(values) => {
                    for (at, (word, text)) in words.iter_mut().zip(&values[range]).enumerate() {
                        *word = texts.add(at, text);
                    }
                }
                data => numbers(data, range, words),
            },
            Reading::Label => {
                if let Some(word) = words.first_mut() {
                    *word = label(tensor.data(), range.start, texts);
                }
            }
            Reading::Summary => summary(tensor.data(), range, words),
            Reading::Confidence | Reading::Class => {
                let Some(word) = words.first_mut() else { return };
                let (class, highest) = highest(tensor.data(), range);
                *word = match self.reading {
                    Reading::Confidence => highest.to_bits(),
                    _ => texts.add(0, itoa::Buffer::new().format(class)),
                };
            }
        }
    }
}

/// All parts of a model, and the columns they give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    inputs: Vec<Part>,
    outputs: Vec<Part>,
    input_width: usize,
    output_width: usize,
}

impl Layout {
    pub fn new(inputs: Vec<Part>, outputs: Vec<Part>) -> Self {
        let width = |parts: &[Part]| parts.iter().map(Part::width).sum();
        let (input_width, output_width) = (width(&inputs), width(&outputs));
        Self { inputs, outputs, input_width, output_width }
    }

    /// In the order of a row's words: inputs, then outputs.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.inputs.iter().chain(&self.outputs).flat_map(|part| &part.columns)
    }

    pub fn input_width(&self) -> usize {
        self.input_width
    }

    pub fn width(&self) -> usize {
        self.input_width + self.output_width
    }

    /// Fills the words of one row's inputs; `first` is the place of the row's first word among all.
    pub fn read_inputs(&self, tensors: &[Tensor], row: usize, words: &mut [u64], first: usize, texts: &mut Vec<u64>) {
        read(&self.inputs, tensors, row, words, first, texts);
    }

    /// The same for its outputs.
    pub fn read_outputs(&self, tensors: &[Tensor], row: usize, words: &mut [u64], first: usize, texts: &mut Vec<u64>) {
        read(&self.outputs, tensors, row, words, first, texts);
    }
}

fn read(parts: &[Part], tensors: &[Tensor], row: usize, words: &mut [u64], first: usize, area: &mut Vec<u64>) {
    let mut at = 0;
    for part in parts {
        let end = at + part.width();
        if let (Some(tensor), Some(words)) = (tensors.get(part.tensor), words.get_mut(at..end)) {
            part.read(tensor, row, words, &mut Texts { area, first: first + at });
        }
        at = end;
    }
}

fn numbers(data: &Data, range: Range<usize>, words: &mut [u64]) {
    macro_rules! each {
        ($values:expr, $number:expr) => {
            for (word, value) in words.iter_mut().zip(&$values[range]) {
                *word = f64::to_bits($number(*value));
            }
        };
    }
    match data {
        Data::F32(values) => each!(values, f64::from),
        Data::F64(values) => each!(values, |x: f64| x),
        Data::I64(values) => each!(values, |x: i64| x as f64),
        Data::I32(values) => each!(values, f64::from),
        Data::I16(values) => each!(values, f64::from),
        Data::I8(values) => each!(values, f64::from),
        Data::U64(values) => each!(values, |x: u64| x as f64),
        Data::U32(values) => each!(values, f64::from),
        Data::U16(values) => each!(values, f64::from),
        Data::U8(values) => each!(values, f64::from),
        Data::Bool(values) => each!(values, |x: bool| f64::from(u8::from(x))),
        Data::F16(values) => each!(values, |x: half::f16| x.to_f64()),
        Data::BF16(values) => each!(values, |x: half::bf16| x.to_f64()),
        Data::Str(_) => words.fill(f64::NAN.to_bits()),
    }
}

fn label(data: &Data, at: usize, texts: &mut Texts<'_>) -> u64 {
    match data {
        Data::Str(values) => values.get(at).map_or(0, |text| texts.add(0, text)),
        Data::Bool(values) => texts.add(0, if values.get(at) == Some(&true) { "true" } else { "false" }),
        data => {
            let mut word = [0];
            numbers(data, at..at + 1, &mut word);
            texts.add(0, zmij::Buffer::new().format(f64::from_bits(word[0])).trim_end_matches(".0"))
        }
    }
}

fn summary(data: &Data, range: Range<usize>, words: &mut [u64]) {
    const PIECE: usize = 64;
    let (mut n, mut mean, mut m2, mut low, mut high) = (0.0, 0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY);
    let (mut zeros, mut nans) = (0.0, 0.0);
    let all = range.len().max(1) as f64;
    let mut piece = [0u64; PIECE];
    for start in range.clone().step_by(PIECE) {
        let end = (start + PIECE).min(range.end);
        numbers(data, start..end, &mut piece);
        for value in piece[..end - start].iter().map(|word| f64::from_bits(*word)) {
            if value.is_nan() {
                nans += 1.0;
                continue;
            }
            zeros += f64::from(u8::from(value == 0.0));
            // Welford's recurrence, stable for pictures of one bright colour.
            n += 1.0;
            let delta = value - mean;
            mean += delta / n;
            m2 += delta * (value - mean);
            low = low.min(value);
            high = high.max(value);
        }
    }
    let of_none = |value: f64| if n > 0.0 { value } else { f64::NAN };
    let deviation = (m2 / f64::max(n, 1.0)).sqrt();
    let summaries = [of_none(mean), of_none(deviation), of_none(low), of_none(high), zeros / all, nans / all];
    for (word, value) in words.iter_mut().zip(summaries) {
        *word = value.to_bits();
    }
}

/// The place and the value of a row's highest score, the first of equals; NaN where there is none.
fn highest(data: &Data, range: Range<usize>) -> (usize, f64) {
    let (mut best, mut word) = ((0, f64::NAN), [0]);
    for (at, place) in range.enumerate() {
        numbers(data, place..place + 1, &mut word);
        let value = f64::from_bits(word[0]);
        if value > best.1 || best.1.is_nan() && !value.is_nan() {
            best = (at, value);
        }
    }
    best
}

/// The hash by which a text is known.
pub fn text_hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn words(part: Part, tensor: Tensor, row: usize) -> (Vec<u64>, Vec<u64>) {
        let layout = Layout::new(vec![part], vec![]);
        let (mut words, mut texts) = (vec![0; layout.width()], Vec::new());
        layout.read_inputs(&[tensor], row, &mut words, 0, &mut texts);
        (words, texts)
    }

    fn floats(words: &[u64]) -> Vec<f64> {
        words.iter().map(|word| f64::from_bits(*word)).collect()
    }

    #[test]
    fn elements_are_read_as_numbers() {
        let names = ["a".to_owned(), "b".to_owned()];
        let part = Part::elements(0, Role::Input, false, &names);
        let tensor = Tensor::of([2, 2], vec![1i64, 2, -3, 1 << 40]).expect("fits");
        assert_eq!(floats(&words(part, tensor, 1).0), [-3.0, (1u64 << 40) as f64]);
    }

    #[test]
    fn wide_rows_are_summed_up() {
        let tensor = Tensor::of([1, 2, 2], vec![0.0f32, 4.0, f32::NAN, 2.0]).expect("fits");
        let (words, _) = words(Part::summary(0, Role::Input, "x"), tensor, 0);
        let wanted = [2.0, (8.0f64 / 3.0).sqrt(), 0.0, 4.0, 0.25, 0.25];
        for (is, should) in floats(&words).iter().zip(wanted) {
            assert!((is - should).abs() < 1e-12, "{words:?}");
        }
    }

    #[test]
    fn classes_are_words_whatever_their_type() {
        let read = |tensor, reading| words(Part::class(0, reading, "class"), tensor, 0).0[0];
        let by_number = Tensor::of([1], vec![7i64]).expect("fits");
        let by_text = Tensor::of([1], vec![Arc::<str>::from("7")]).expect("fits");
        let by_score = Tensor::of([1, 9], vec![0.0f32, 0.0, 0.1, 0.0, 0.0, 0.0, 0.2, 0.9, 0.9]).expect("fits");
        for (tensor, reading) in
            [(by_number, Reading::Label), (by_text, Reading::Label), (by_score.clone(), Reading::Class)]
        {
            assert_eq!(read(tensor, reading), text_hash("7"));
        }
        assert_eq!(f64::from_bits(read(by_score, Reading::Confidence)), f64::from(0.9f32));
    }
}
