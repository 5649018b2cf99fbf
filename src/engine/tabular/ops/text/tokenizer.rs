//! Tokenizer of `com.microsoft`, as text vectorizers are exported: text to tokens.
//!
//! One axis is added behind, as long as the longest text has tokens; shorter ones are filled up.

use super::pattern::Pattern;
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{length_within, one, operand, tensor, typed};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::Tensor;
use std::sync::Arc;

/// The most tokens of one run, those that fill up counted: one long text makes every row long.
const MOST_TOKENS: usize = 1 << 24;

pub struct Tokenizer {
    how: How,
    /// Whether a start and an end mark stand around the tokens.
    mark: bool,
    pad: Arc<str>,
    /// Tokens of fewer characters are left out.
    least: usize,
}

enum How {
    Characters,
    /// What matches is a token.
    Tokens(Pattern),
    /// What stands between matches is a token; each expression cuts what the ones before it left.
    Separators(Vec<Pattern>),
}

impl Tokenizer {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let least = usize::try_from(attributes.int("mincharnum", 1)).ok().filter(|least| *least > 0);
        let least = least.ok_or("mincharnum is not above 0")?;
        let how = how(attributes)?;
        if matches!(how, How::Characters) && least > 1 {
            return Err("mincharnum is above 1, and tokens are single characters".into());
        }
        let pad = Arc::from(attributes.string("pad_value", ""));
        Ok(Self { how, mark: attributes.int("mark", 0) != 0, pad, least })
    }

    fn tokens(&self, text: &Arc<str>) -> Vec<Arc<str>> {
        match &self.how {
            How::Characters => {
                let mut buffer = [0; 4];
                text.chars().map(|letter| Arc::from(&*letter.encode_utf8(&mut buffer))).collect()
            }
            How::Tokens(pattern) => self.matches(pattern, text).into_iter().map(Arc::from).collect(),
            How::Separators(separators) => {
                let mut parts = vec![&**text];
                for separator in separators {
                    parts = parts.into_iter().flat_map(|part| self.between(separator, part)).collect();
                }
                parts.into_iter().map(Arc::from).collect()
            }
        }
    }

    fn long_enough(&self, token: &str) -> bool {
        token.len() >= self.least && token.chars().take(self.least).count() == self.least
    }

    /// Matches that are long enough; behind one that is not the search goes on a character later.
    fn matches<'a>(&self, pattern: &Pattern, text: &'a str) -> Vec<&'a str> {
        let (mut tokens, mut from) = (Vec::new(), 0);
        while let Some(range) = pattern.find(text, from) {
            let token = &text[range.clone()];
            if self.long_enough(token) {
                tokens.push(token);
                from = range.end;
            } else {
                let Some(letter) = text[range.start..].chars().next() else { break };
                from = range.start + letter.len_utf8();
            }
        }
        tokens
    }

    fn between<'a>(&self, separator: &Pattern, text: &'a str) -> Vec<&'a str> {
        let (mut tokens, mut from) = (Vec::new(), 0);
        while let Some(range) = separator.find(text, from) {
            tokens.push(&text[from..range.start]);
            from = range.end;
        }
        tokens.push(&text[from..]);
        tokens.retain(|token| self.long_enough(token));
        tokens
    }
}

fn how(attributes: &Attributes) -> Result<How, String> {
    if !attributes.has("separators") {
        return match attributes.string("tokenexp", "").as_str() {
            "" => Err("neither separators nor tokenexp is given".into()),
            "." => Ok(How::Characters),
            expression => Pattern::new(expression).map(How::Tokens),
        };
    }
    let separators = attributes.strings("separators");
    match &separators[..] {
        [] => Err("the list of separators is empty".into()),
        [empty] if empty.is_empty() => Ok(How::Characters),
        _ => separators.iter().map(|separator| cutting(separator)).collect::<Result<_, _>>().map(How::Separators),
    }
}

/// A separator that matched no characters would cut between all of them without end.
fn cutting(separator: &str) -> Result<Pattern, String> {
    let pattern = Pattern::new(separator)?;
    match pattern.find("", 0) {
        Some(_) => Err(format!("the separator '{separator:.80}' matches the empty text")),
        None => Ok(pattern),
    }
}

impl Op for Tokenizer {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let rows: Vec<Vec<Arc<str>>> = typed::<Arc<str>>(input)?.iter().map(|text| self.tokens(text)).collect();
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = if self.mark && longest > 0 { longest + 2 } else { longest };
        let mut shape = input.shape().clone();
        shape.push(width);
        let mut tokens = Vec::with_capacity(length_within(&shape, MOST_TOKENS)?);
        if width > 0 {
            let (start, end): (Arc<str>, Arc<str>) = (Arc::from("\u{2}"), Arc::from("\u{3}"));
            for row in rows {
                let filled = tokens.len() + width;
                tokens.extend(self.mark.then(|| start.clone()));
                tokens.extend(row);
                tokens.extend(self.mark.then(|| end.clone()));
                tokens.resize(filled, self.pad.clone());
            }
        }
        tensor(shape, tokens).map(one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(how: How, mark: bool, least: usize, texts: &[&str]) -> (Vec<usize>, Vec<String>) {
        let texts: Vec<Arc<str>> = texts.iter().map(|text| Arc::from(*text)).collect();
        let input = Tensor::of([texts.len()], texts).expect("fits");
        let out = Tokenizer { how, mark, pad: Arc::from("#"), least }.run(&[&input]).expect("runs");
        let tokens = out[0].as_slice::<Arc<str>>().expect("text");
        (out[0].shape().to_vec(), tokens.iter().map(ToString::to_string).collect())
    }

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_matches_is_a_token() {
        let pattern = || How::Tokens(Pattern::new("[a-z]+").expect("good"));
        let (shape, tokens) = run(pattern(), false, 1, &["ab c", "d"]);
        assert_eq!((shape, tokens), (vec![2, 2], words(&["ab", "c", "d", "#"])));
        let (shape, tokens) = run(pattern(), true, 2, &["ab c"]);
        assert_eq!((shape, tokens), (vec![1, 3], words(&["\u{2}", "ab", "\u{3}"])));
        assert_eq!(run(pattern(), true, 1, &["", "1"]).0, [2, 0]);
    }

    #[test]
    fn separators_cut_one_after_the_other() {
        let separators = ["b", ";+"].map(|one| cutting(one).expect("good")).into();
        let (_, tokens) = run(How::Separators(separators), false, 1, &["axbcx;;y"]);
        assert_eq!(tokens, words(&["ax", "cx", "y"]));
        assert!(cutting("x*").is_err());
    }

    #[test]
    fn characters_are_tokens_whatever_their_length_in_bytes() {
        assert_eq!(run(How::Characters, false, 1, &["aé", "x"]).1, words(&["a", "é", "x", "#"]));
    }

    #[test]
    fn one_long_text_cannot_make_every_row_long() {
        let mut texts: Vec<Arc<str>> = vec![Arc::from(""); MOST_TOKENS / 1000];
        texts.push(Arc::from("x".repeat(1001)));
        let input = Tensor::of([texts.len()], texts).expect("fits");
        let op = Tokenizer { how: How::Characters, mark: false, pad: Arc::from("#"), least: 1 };
        assert!(matches!(op.run(&[&input]), Err(RunError::Input(_))));
    }
}
