//! Rows as they come, and as the kernels want them.

use super::compact::Compact;
use super::kernel::Block;
use super::normal::Rounding;
use super::score::BLOCK;
use super::wide::Wide;
use std::borrow::Cow;
use std::cell::RefCell;

/// Rows, one after the other. Columns behind the forest's last feature are passed over.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl Rows<'_> {
    /// Elements of all rows together.
    pub fn elements(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Calls `then` for every row of this width as doubles, with its number.
    pub fn each_double(&self, width: usize, mut then: impl FnMut(usize, &[f64])) {
        match self {
            Self::F64(values) => values.chunks_exact(width).enumerate().for_each(|(at, row)| then(at, row)),
            Self::F32(values) => {
                let mut wide = Vec::with_capacity(width);
                for (at, row) in values.chunks_exact(width).enumerate() {
                    wide.clear();
                    wide.extend(row.iter().map(|x| f64::from(*x)));
                    then(at, &wide);
                }
            }
        }
    }
}

/// The form of a forest that some rows are walked in, beside the rows as that form wants them.
pub enum Form<'a> {
    Compact(&'a Compact, Singles<'a>),
    Wide(&'a Wide, Cow<'a, [f64]>),
}

/// Rows that are, or may be brought to, `f32`.
#[derive(Clone, Copy)]
pub enum Singles<'a> {
    Own(&'a [f32]),
    Rounded(&'a [f64], Rounding),
    /// Rows that were said to be `f32`: nothing is lost by saying it again.
    Cut(&'a [f64]),
}

thread_local! {
    /// Rows in the form that kernels want: kept, so that a request allocates nothing for it.
    static PADDED: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Singles<'_> {
    fn elements(&self) -> usize {
        match self {
            Self::Own(values) => values.len(),
            Self::Rounded(values, _) | Self::Cut(values) => values.len(),
        }
    }

    /// Calls `then` for blocks of at most [`BLOCK`] rows, with the number of the block's first row and
    /// how many it has. Of each row the kernels get the first `features` columns.
    pub fn each_block(&self, count: usize, features: usize, mut then: impl FnMut(Block<'_>, usize, usize)) {
        let width = self.elements() / count;
        PADDED.with_borrow_mut(|padded| {
            for first in (0..count).step_by(BLOCK) {
                let rows = BLOCK.min(count - first);
                let range = first * width..(first + rows) * width;
                let block = match self {
                    Self::Own(values) => pad(padded, &values[range], (width, features), |x| x),
                    Self::Rounded(values, rounding) => {
                        pad(padded, &values[range], (width, features), |x| rounding.round(x))
                    }
                    Self::Cut(values) => pad(padded, &values[range], (width, features), |x| x as f32),
                };
                then(block, first, rows);
            }
        });
    }
}

/// Copies rows and puts NaN behind each.
fn pad<'a, T: Copy>(
    padded: &'a mut Vec<f32>,
    values: &[T],
    (width, features): (usize, usize),
    single: impl Fn(T) -> f32,
) -> Block<'a> {
    padded.clear();
    let mut missing = false;
    for row in values.chunks_exact(width) {
        let from = padded.len();
        padded.extend(row[..features].iter().map(|x| single(*x)));
        missing |= padded[from..].iter().fold(false, |missing, x| missing | x.is_nan());
        padded.push(f32::NAN);
    }
    Block { values: padded, missing }
}
