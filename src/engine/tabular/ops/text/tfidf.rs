//! TfIdfVectorizer: how often each stored n-gram stands in a row, weighted.
//!
//! N-grams are kept in a tree of tokens, so a row is walked once per start and distance and no n-gram
//! is put together to be looked up.

use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{length, one, operand, tensor, unsupported, volume};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::{Data, Tensor};
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The most columns that stored indices may ask for.
const MOST_COLUMNS: usize = 1 << 24;

pub struct Vectorizer {
    mode: Mode,
    /// Lengths of n-grams that count.
    least: usize,
    most: usize,
    /// The largest distance between two tokens of an n-gram.
    distance: usize,
    tokens: Tokens,
    tree: Tree,
    columns: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// How often.
    Count,
    /// The weight, if at all.
    Presence,
    /// How often, times the weight.
    Weighted,
}

/// Numbers for the tokens that stand in any n-gram.
enum Tokens {
    Ints(HashMap<i64, u32>),
    Texts(HashMap<Arc<str>, u32>),
}

/// Branches by node and token, and what stands where an n-gram ends. Node 0 is the root.
struct Tree {
    branches: HashMap<(u32, u32), u32>,
    ends: Vec<Option<End>>,
}

/// What an n-gram adds to: its column, and its weight, which is one where the file has none.
#[derive(Clone, Copy, Debug, PartialEq)]
struct End {
    column: u32,
    weight: f32,
}

impl Vectorizer {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let mode = match attributes.string("mode", "").as_str() {
            "TF" => Mode::Count,
            "IDF" => Mode::Presence,
            "TFIDF" => Mode::Weighted,
            other => return Err(format!("mode '{other}' is not known, expected TF, IDF or TFIDF")),
        };
        let size = |name: &str, least: usize| {
            let given = usize::try_from(attributes.int(name, 0)).ok().filter(|given| *given >= least);
            given.ok_or_else(|| format!("{name} is not at least {least}"))
        };
        let (least, most) = (size("min_gram_length", 1)?, size("max_gram_length", 1)?);
        let distance = size("max_skip_count", 0)?.saturating_add(1);
        let ends = ends(attributes.ints("ngram_indexes"), attributes.floats("weights"))?;
        let width = ends.iter().map(|end| end.column as usize + 1).max().unwrap_or(0);
        let texts = attributes.strings("pool_strings");
        let counts = attributes.ints("ngram_counts");
        let (tokens, numbered) = match texts.is_empty() {
            true => {
                let (known, numbered) = number(attributes.ints("pool_int64s").iter().copied());
                (Tokens::Ints(known), numbered)
            }
            false => {
                let (known, numbered) = number(texts);
                (Tokens::Texts(known), numbered)
            }
        };
        if least > most || most > counts.len() {
            return Err(format!("n-grams of {least} to {most} tokens, and ngram_counts has {} entries", counts.len()));
        }
        let tree = Tree::new(&numbered, counts, least..=most, &ends)?;
        Ok(Self { mode, least, most, distance, tokens, tree, columns: width })
    }

    /// Adds up a row's n-grams, each at its column.
    fn count(&self, row: &[Option<u32>], sums: &mut [f32]) {
        for distance in 1..=self.distance {
            // Single tokens have no distance: they count once.
            let least = if distance == 1 { self.least } else { self.least.max(2) };
            if least > self.most || (least - 1).saturating_mul(distance) >= row.len() {
                return;
            }
            for start in 0..row.len() - (least - 1) * distance {
                let mut node = 0;
                for (size, token) in (1..=self.most).zip(row[start..].iter().step_by(distance)) {
                    let Some(next) = token.and_then(|token| self.tree.branches.get(&(node, token))) else { break };
                    node = *next;
                    if let Some(end) = self.tree.ends[node as usize].filter(|_| size >= least) {
                        let sum = &mut sums[end.column as usize];
                        match self.mode {
                            Mode::Count => *sum += 1.0,
                            Mode::Presence => *sum = end.weight,
                            Mode::Weighted => *sum += end.weight,
                        }
                    }
                }
            }
        }
    }

    fn numbered(&self, data: &Data) -> Result<Vec<Option<u32>>, RunError> {
        Ok(match (&self.tokens, data) {
            (Tokens::Texts(known), Data::Str(texts)) => texts.iter().map(|text| known.get(text).copied()).collect(),
            (Tokens::Ints(known), Data::I64(ids)) => ids.iter().map(|id| known.get(id).copied()).collect(),
            (Tokens::Ints(known), Data::I32(ids)) => ids.iter().map(|id| known.get(&i64::from(*id)).copied()).collect(),
            (_, other) => return Err(unsupported(other.dtype())),
        })
    }
}

/// The column and the weight of each n-gram, in the order of the pool.
fn ends(columns: &[i64], weights: &[f32]) -> Result<Vec<End>, String> {
    if columns.is_empty() {
        return Err("ngram_indexes is empty".into());
    }
    if !weights.is_empty() && weights.len() != columns.len() {
        return Err(format!("{} weights for {} n-grams", weights.len(), columns.len()));
    }
    let column = |at: i64| {
        let at = u32::try_from(at).ok().filter(|at| (*at as usize) < MOST_COLUMNS);
        at.ok_or_else(|| format!("ngram_indexes are not between 0 and {MOST_COLUMNS}"))
    };
    let weights = weights.iter().copied().chain(std::iter::repeat(1.0));
    columns.iter().zip(weights).map(|(at, weight)| Ok(End { column: column(*at)?, weight })).collect()
}

/// Numbers for tokens in the order of their first use, and the list in these numbers.
fn number<T: Eq + Hash>(pool: impl IntoIterator<Item = T>) -> (HashMap<T, u32>, Vec<u32>) {
    let mut known = HashMap::new();
    let mut numbered = Vec::new();
    for token in pool {
        let next = known.len() as u32;
        numbered.push(*known.entry(token).or_insert(next));
    }
    (known, numbered)
}

impl Tree {
    /// `counts` says where in the pool the n-grams of each size begin; those of other sizes than `sizes`
    /// have an end too, but are never found.
    fn new(pool: &[u32], counts: &[i64], sizes: RangeInclusive<usize>, ends: &[End]) -> Result<Self, String> {
        let mut tree = Self { branches: HashMap::new(), ends: vec![None] };
        let mut ends = ends.iter();
        for (size, from) in (1..).zip(counts) {
            let to = counts.get(size).map_or(pool.len() as i64, |to| *to);
            let range = usize::try_from(*from).ok().zip(usize::try_from(to).ok());
            let part = range.and_then(|(from, to)| pool.get(from..to)).filter(|part| part.len().is_multiple_of(size));
            let part = part.ok_or_else(|| format!("ngram_counts {counts:?} do not cut the pool of {}", pool.len()))?;
            for gram in part.chunks_exact(size) {
                let end = *ends.next().ok_or("ngram_indexes has fewer entries than there are n-grams")?;
                if sizes.contains(&size) {
                    tree.insert(gram, end)?;
                }
            }
        }
        Ok(tree)
    }

    fn insert(&mut self, gram: &[u32], end: End) -> Result<(), String> {
        let mut node = 0;
        for token in gram {
            let next = self.ends.len() as u32;
            node = *self.branches.entry((node, *token)).or_insert(next);
            if node == next {
                self.ends.push(None);
            }
        }
        match self.ends[node as usize].replace(end) {
            None => Ok(()),
            Some(_) => Err("the pool has one n-gram twice".into()),
        }
    }
}

impl Op for Vectorizer {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let (outer, width) = match &**input.shape() {
            [] => (&[][..], 1),
            [width] => (&[][..], *width),
            [rows, width] => (std::slice::from_ref(rows), *width),
            _ => return Err(RunError::Engine(format!("expected a list or a table of tokens, got {}", input.shape()))),
        };
        let dims = [outer, &[self.columns]].concat();
        let mut answer = Vec::with_capacity(length(&dims)?);
        let tokens = self.numbered(input.data())?;
        for row in 0..volume(outer) {
            let start = answer.len();
            answer.resize(start + self.columns, 0.0);
            self.count(&tokens[row * width..][..width], &mut answer[start..]);
        }
        tensor(dims.as_slice(), answer).map(one)
    }

    fn memory_bytes(&self) -> usize {
        self.tree.branches.len() * 24 + self.tree.ends.len() * size_of::<Option<End>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pool of ONNX's own example: 2, 3, 5, 4 alone, then (5, 6), (7, 8), (6, 7).
    fn vectorizer(mode: Mode, least: usize, most: usize, distance: usize, weights: &[f32]) -> Vectorizer {
        let (known, numbered) = number([2i64, 3, 5, 4, 5, 6, 7, 8, 6, 7]);
        let ends = ends(&[0, 1, 2, 3, 4, 5, 6], weights).expect("as many");
        let tree = Tree::new(&numbered, &[0, 4], least..=most, &ends).expect("whole");
        Vectorizer { mode, least, most, distance, tokens: Tokens::Ints(known), tree, columns: 7 }
    }

    fn run(op: &Vectorizer, tokens: &[i64]) -> Vec<f32> {
        let input = Tensor::of([tokens.len()], tokens.to_vec()).expect("fits");
        op.run(&[&input]).expect("runs")[0].as_slice::<f32>().expect("floats").to_vec()
    }

    const TOKENS: [i64; 12] = [1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8];

    #[test]
    fn n_grams_are_counted_at_any_distance() {
        assert_eq!(run(&vectorizer(Mode::Count, 2, 2, 1, &[]), &TOKENS), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!(run(&vectorizer(Mode::Count, 2, 2, 6, &[]), &TOKENS), [0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 1.0]);
        assert_eq!(run(&vectorizer(Mode::Count, 1, 2, 6, &[]), &TOKENS), [0.0, 3.0, 1.0, 0.0, 1.0, 3.0, 1.0]);
        assert_eq!(run(&vectorizer(Mode::Count, 1, 2, usize::MAX, &[]), &[5]), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn weights_are_those_of_the_n_grams() {
        let weights: Vec<f32> = (0..7).map(|x| x as f32).collect();
        let of = |mode| run(&vectorizer(mode, 1, 1, 1, &weights), &[3, 3, 4]);
        assert_eq!(of(Mode::Count), [0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(of(Mode::Presence), [0.0, 1.0, 0.0, 3.0, 0.0, 0.0, 0.0]);
        assert_eq!(of(Mode::Weighted), [0.0, 2.0, 0.0, 3.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn an_empty_row_has_no_n_grams() {
        let input = Tensor::of([2, 0], Vec::<i64>::new()).expect("fits");
        let out = vectorizer(Mode::Count, 1, 2, 1, &[]).run(&[&input]).expect("runs");
        assert_eq!((out[0].shape().to_vec(), out[0].as_slice::<f32>()), (vec![2, 7], Some(&[0.0f32; 14][..])));
    }

    #[test]
    fn pools_that_do_not_add_up_are_refused() {
        let tree = |counts: &[i64], columns: &[i64]| {
            Tree::new(&[0, 1, 2, 1, 2], counts, 1..=2, &ends(columns, &[]).expect("small")).is_ok()
        };
        assert!(tree(&[0, 3], &[0, 1, 2, 3]));
        assert!(!tree(&[0, 2], &[0, 1, 2, 3]), "three tokens are no pairs");
        assert!(!tree(&[0, 9], &[0, 1, 2, 3]) && !tree(&[-1, 3], &[0, 1, 2, 3]) && !tree(&[3, 0], &[0, 1, 2, 3]));
        assert!(!tree(&[0, 3], &[0, 1, 2]), "a column is missing");
        assert!(Tree::new(&[1, 1], &[0], 1..=1, &ends(&[0, 1], &[]).expect("small")).is_err(), "one twice");
        assert!(ends(&[-1], &[]).is_err() && ends(&[i64::MAX], &[]).is_err() && ends(&[0], &[1.0, 2.0]).is_err());
    }
}
