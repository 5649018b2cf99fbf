//! StringNormalizer: stop words taken out, and letters brought to one case.

use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{one, operand, tensor, typed};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::Tensor;
use std::collections::HashSet;
use std::sync::Arc;

pub struct Normalizer {
    case: Option<Case>,
    /// The case in which stop words are compared; none where case counts.
    compared: Option<Case>,
    stopwords: HashSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
}

impl Case {
    /// Letter by letter, as C's `towlower` and `towupper` do and ONNX Runtime with them: a letter whose
    /// other case has several letters stays, but for the dotted capital I, which is an i.
    fn of(self, text: &str) -> String {
        let single = |mut letters: Box<dyn Iterator<Item = char>>, own: char| match (letters.next(), letters.next()) {
            (Some(letter), None) => letter,
            (Some('i'), Some(_)) => 'i',
            _ => own,
        };
        let each = |letter: char| match self {
            Self::Lower => single(Box::new(letter.to_lowercase()), letter),
            Self::Upper => single(Box::new(letter.to_uppercase()), letter),
        };
        if text.is_ascii() {
            return match self {
                Self::Lower => text.to_ascii_lowercase(),
                Self::Upper => text.to_ascii_uppercase(),
            };
        }
        text.chars().map(each).collect()
    }
}

impl Normalizer {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let case = match attributes.string("case_change_action", "NONE").as_str() {
            "NONE" => None,
            "LOWER" => Some(Case::Lower),
            "UPPER" => Some(Case::Upper),
            other => return Err(format!("case_change_action {other} is not known")),
        };
        let locale = attributes.string("locale", "en_US");
        if ["tr", "az", "lt"].iter().any(|own| locale.to_lowercase().starts_with(own)) {
            return Err(format!("locale {locale} has rules of case of its own"));
        }
        let compared = match attributes.int("is_case_sensitive", 0) {
            0 => Some(case.unwrap_or(Case::Lower)),
            _ => None,
        };
        let key = |word: &Arc<str>| compared.map_or_else(|| word.to_string(), |case| case.of(word));
        let stopwords = attributes.strings("stopwords").iter().map(key).collect();
        Ok(Self { case, compared, stopwords })
    }

    fn stays(&self, text: &str) -> bool {
        match (self.stopwords.is_empty(), self.compared) {
            (true, _) => true,
            (_, None) => !self.stopwords.contains(text),
            (_, Some(case)) => !self.stopwords.contains(&case.of(text)),
        }
    }
}

impl Op for Normalizer {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let outer = match &**input.shape() {
            [_] => &[][..],
            [1, _] => &[1][..],
            _ => {
                let words = format!("expected a list of text or one row, got shape {}", input.shape());
                return Err(RunError::Engine(words));
            }
        };
        let changed = |text: &Arc<str>| self.case.map_or_else(|| text.clone(), |case| Arc::from(case.of(text)));
        let texts = typed::<Arc<str>>(input)?.iter();
        let mut left: Vec<Arc<str>> = texts.filter(|text| self.stays(text)).map(changed).collect();
        if left.is_empty() {
            // The specification wants one empty text where none is left.
            left.push(Arc::from(""));
        }
        tensor([outer, &[left.len()]].concat().as_slice(), left).map(one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(op: &Normalizer, texts: &[&str]) -> Vec<String> {
        let texts: Vec<Arc<str>> = texts.iter().map(|text| Arc::from(*text)).collect();
        let input = Tensor::of([1, texts.len()], texts).expect("fits");
        let out = op.run(&[&input]).expect("runs");
        out[0].as_slice::<Arc<str>>().expect("text").iter().map(ToString::to_string).collect()
    }

    fn normalizer(case: Option<Case>, compared: Option<Case>, stopwords: &[&str]) -> Normalizer {
        Normalizer { case, compared, stopwords: stopwords.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn letters_change_one_by_one() {
        assert_eq!(Case::Lower.of("ÀÉ Straße İ ΣΑΣ"), "àé straße i σασ");
        assert_eq!(Case::Upper.of("àé straße"), "ÀÉ STRAßE");
    }

    #[test]
    fn stop_words_go_in_any_case_or_their_own() {
        let any = normalizer(Some(Case::Upper), Some(Case::Upper), &["MONDAY"]);
        assert_eq!(run(&any, &["monday", "Tuesday"]), ["TUESDAY"]);
        let own = normalizer(None, None, &["monday"]);
        assert_eq!(run(&own, &["monday", "Monday"]), ["Monday"]);
        assert_eq!(run(&own, &["monday"]), [""], "one empty text where none is left");
    }

    #[test]
    fn a_table_of_text_is_refused() {
        let input = Tensor::of([2, 1], vec![Arc::<str>::from("a"), Arc::from("b")]).expect("fits");
        assert!(normalizer(None, None, &[]).run(&[&input]).is_err());
    }
}
