//! Regular expressions as RE2 reads them, which is what exporters write for.
//!
//! Two things differ from Rust's: the classes `\w`, `\d`, `\s` and the word boundary know ASCII only,
//! and a tokenizer takes the longest of the leftmost matches, not the first alternative that matches.
//! Both crates match in linear time; a match here is found in two walks, one for its start and one
//! for its end.

use regex_automata::meta::{Config, Regex};
use regex_automata::{Anchored, Input, MatchKind};
use std::ops::Range;

/// Memory that one compiled expression may take.
const MOST_BYTES: usize = 16 << 20;

/// A compiled expression.
pub struct Pattern {
    leftmost: Regex,
    longest: Regex,
}

impl Pattern {
    /// Compiles; the error says what is wrong with the expression.
    pub fn new(expression: &str) -> Result<Self, String> {
        let translated = translate(expression)?;
        Ok(Self {
            leftmost: compile(&translated, MatchKind::LeftmostFirst, expression)?,
            longest: compile(&translated, MatchKind::All, expression)?,
        })
    }

    /// The leftmost match from `from` on, as long as it can be.
    pub fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let start = self.leftmost.find(Input::new(text).span(from..text.len()))?.start();
        let anchored = Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
        self.longest.find(anchored).map(|found| found.range())
    }

    /// Whether the expression matches all of the text.
    pub fn is_full(&self, text: &str) -> bool {
        let anchored = Input::new(text).anchored(Anchored::Yes);
        self.longest.find(anchored).is_some_and(|found| found.end() == text.len())
    }
}

fn compile(translated: &str, kind: MatchKind, expression: &str) -> Result<Regex, String> {
    let config = Config::new().match_kind(kind).nfa_size_limit(Some(MOST_BYTES)).onepass_size_limit(Some(MOST_BYTES));
    Regex::builder().configure(config).build(translated).map_err(|error| {
        let reason = error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string);
        format!("the expression '{expression:.80}' cannot be used: {}", reason.replace('\n', " "))
    })
}

/// RE2's syntax to that of Rust, where they differ.
fn translate(expression: &str) -> Result<String, String> {
    let mut translated = String::with_capacity(expression.len() * 2);
    let mut letters = expression.chars().peekable();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(escaped) => translated.push_str(&escape(escaped, in_class)?),
                None => return Err("the expression ends in a backslash".into()),
            },
            '[' if !in_class => {
                in_class = true;
                translated.push('[');
                // A caret negates; a bracket right behind the opening stands for itself.
                if letters.next_if_eq(&'^').is_some() {
                    translated.push('^');
                }
                if letters.next_if_eq(&']').is_some() {
                    translated.push_str("\\]");
                }
            }
            '[' if letters.peek() == Some(&':') => {
                translated.push('[');
                copy_named_class(&mut letters, &mut translated);
            }
            ']' if in_class => {
                in_class = false;
                translated.push(']');
            }
            // Rust's classes have nesting and set operations, RE2's have not.
            '[' | '&' | '~' if in_class => translated.extend(['\\', letter]),
            '-' if in_class && letters.peek() == Some(&'-') => translated.push_str("\\-"),
            other => translated.push(other),
        }
    }
    Ok(translated)
}

/// The rest of `[:name:]`.
fn copy_named_class(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, into: &mut String) {
    for letter in letters.by_ref() {
        into.push(letter);
        if letter == ']' {
            return;
        }
    }
}

/// What stands for an escape: classes of ASCII letters, or the escape itself.
fn escape(letter: char, in_class: bool) -> Result<String, String> {
    let class = match letter {
        'w' => "[:word:]",
        'W' => "[:^word:]",
        'd' => "[:digit:]",
        'D' => "[:^digit:]",
        's' => "\\t\\n\\f\\r ",
        'S' if in_class => return Ok("[^\\t\\n\\f\\r ]".into()),
        'S' => "^\\t\\n\\f\\r ",
        'b' if !in_class => return Ok("(?-u:\\b)".into()),
        'B' | 'C' => return Err(format!("the escape \\{letter} is not supported")),
        other => return Ok(format!("\\{other}")),
    };
    Ok(if in_class { class.to_owned() } else { format!("[{class}]") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(expression: &str, text: &str) -> Vec<String> {
        let pattern = Pattern::new(expression).expect("a good expression");
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some(range) = pattern.find(text, from) {
            from = range.end.max(from + 1);
            found.push(text[range].to_owned());
        }
        found
    }

    #[test]
    fn the_longest_of_the_leftmost_is_taken() {
        assert_eq!(all("a|ab|abc", "abcd xab"), ["abc", "ab"]);
        assert_eq!(all("a+?", "aaa b a"), ["aaa", "a"]);
        assert_eq!(all("(foo|foobar)baz|foobar", "foobar foobazfoobar"), ["foobar", "foobaz", "foobar"]);
        assert_eq!(all("\\bab?", "xab ab"), ["ab"]);
    }

    #[test]
    fn classes_know_ascii_only() {
        assert_eq!(all("\\w+", "naïve über_2"), ["na", "ve", "ber_2"]);
        assert_eq!(all("[\\w-]+", "a-b é"), ["a-b"]);
        assert_eq!(all("[^\\s]+", "a\u{a0}b c"), ["a\u{a0}b", "c"]);
        assert_eq!(all("\\d+", "12٣"), ["12"]);
        assert_eq!(all("[[:alpha:]]+", "ab1"), ["ab"]);
        assert_eq!(all("[a&&b]+", "a&b"), ["a&b"]);
        assert_eq!(all("[]x]+", "]x["), ["]x"]);
    }

    #[test]
    fn a_full_match_takes_all() {
        let pattern = Pattern::new("a|ab").expect("a good expression");
        assert!(pattern.is_full("ab") && pattern.is_full("a"));
        assert!(!pattern.is_full("abc") && !pattern.is_full(" ab"));
    }

    #[test]
    fn wrong_and_hostile_expressions_are_refused() {
        for wrong in ["(", "a{99999}{99999}", "\\B", "a\\", "(?=x)", "[a"] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
    }
}
