//! MatMul and Gemm.
//!
//! Every element of a product is one sum in one order, whatever the number of rows: a row's answer
//! is the same to the last bit alone and in a batch. The kernel holds a block of rows and columns
//! in registers and walks down the columns of the right side, so the loop over columns vectorises.

use super::number::{Number, numbers};
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::broadcast::{Broadcast, common, expand};
use crate::engine::tabular::ops::operands::{length, one, operand, tensor, typed, volume};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::{Shape, Tensor};

/// Rows of the left side that share one walk over the right side.
const ROWS: usize = 4;
/// Columns of the right side summed side by side.
const COLUMNS: usize = 16;

/// `left [m,k] . right [k,n]`, row-major, appended to `into`.
fn multiply<T: Number>(left: &[T], right: &[T], (m, k, n): (usize, usize, usize), into: &mut Vec<T>) {
    let start = into.len();
    into.resize(start + m * n, T::ZERO);
    let out = &mut into[start..];
    if k == 0 || n == 0 {
        return;
    }
    for (rows, sums) in left.chunks(ROWS * k).zip(out.chunks_mut(ROWS * n)) {
        for column in (0..n).step_by(COLUMNS) {
            match (rows.len() / k, n - column) {
                (ROWS, wide) if wide >= COLUMNS => block::<T, ROWS>(rows, right, (k, n), column, sums),
                (few, wide) if wide >= COLUMNS => {
                    for row in 0..few {
                        block::<T, 1>(&rows[row * k..][..k], right, (k, n), column, &mut sums[row * n..][..n]);
                    }
                }
                (_, rest) => edge(rows, right, (k, n), n - rest, sums),
            }
        }
    }
}

/// `R` rows by [`COLUMNS`] columns.
#[inline]
fn block<T: Number, const R: usize>(rows: &[T], right: &[T], (k, n): (usize, usize), column: usize, sums: &mut [T]) {
    let mut held = [[T::ZERO; COLUMNS]; R];
    for (at, line) in right.chunks_exact(n).enumerate() {
        let line = &line[column..column + COLUMNS];
        for (row, held) in held.iter_mut().enumerate() {
            let x = rows[row * k + at];
            for (sum, y) in held.iter_mut().zip(line) {
                *sum = sum.add(x.mul(*y));
            }
        }
    }
    for (row, held) in held.iter().enumerate() {
        sums[row * n + column..][..COLUMNS].copy_from_slice(held);
    }
}

/// The last columns, fewer than a block has, summed in the same order.
fn edge<T: Number>(rows: &[T], right: &[T], (k, n): (usize, usize), from: usize, sums: &mut [T]) {
    for (row, sums) in rows.chunks_exact(k).zip(sums.chunks_exact_mut(n)) {
        let mut held = [T::ZERO; COLUMNS];
        let held = &mut held[..n - from];
        for (x, line) in row.iter().zip(right.chunks_exact(n)) {
            for (sum, y) in held.iter_mut().zip(&line[from..]) {
                *sum = sum.add(x.mul(*y));
            }
        }
        sums[from..].copy_from_slice(held);
    }
}

/// A matrix turned over its diagonal. An empty one may claim any number of columns.
fn transposed<T: Number>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    if values.is_empty() {
        return Vec::new();
    }
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}

/// The product of the last two axes, broadcast over those in front; a vector is a row or a column.
pub struct MatMul;

impl Op for MatMul {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (left, right) = (operand(operands, 0)?, operand(operands, 1)?);
        numbers!(left.data(), values => product(values, left.shape(), typed(right)?, right.shape()).map(one))
    }
}

fn product<T: Number>(left: &[T], left_shape: &Shape, right: &[T], right_shape: &Shape) -> Result<Tensor, RunError> {
    let bad = || RunError::Engine(format!("cannot multiply {left_shape} by {right_shape}"));
    let (outer_left, (m, k)) = split(left_shape, true).ok_or_else(bad)?;
    let (outer_right, (inner, n)) = split(right_shape, false).ok_or_else(bad)?;
    if k != inner {
        return Err(bad());
    }
    let outer = common(&outer_left, &outer_right)?;
    let mut dims = outer.to_vec();
    if left_shape.len() > 1 {
        dims.push(m);
    }
    if right_shape.len() > 1 {
        dims.push(n);
    }
    let mut sums = Vec::with_capacity(length(&dims)?);
    if outer_right.iter().all(|dim| *dim == 1) && outer == outer_left {
        // One right side for all: the axes in front are more rows.
        multiply(left, right, (volume(&outer).saturating_mul(m), k, n), &mut sums);
    } else {
        for (l, r) in pairs(&outer_left, &outer_right)? {
            let (a, b) = (volume(&[m, k]), volume(&[k, n]));
            multiply(&left[l * a..][..a], &right[r * b..][..b], (m, k, n), &mut sums);
        }
    }
    tensor(dims.as_slice(), sums)
}

/// The axes in front, and rows and columns.
fn split(shape: &Shape, left: bool) -> Option<(Shape, (usize, usize))> {
    match (&**shape, left) {
        ([], _) => None,
        ([len], true) => Some((Shape::default(), (1, *len))),
        ([len], false) => Some((Shape::default(), (*len, 1))),
        ([outer @ .., rows, columns], _) => Some((Shape::new(outer), (*rows, *columns))),
    }
}

/// Which matrices of either side meet.
fn pairs(left: &Shape, right: &Shape) -> Result<Vec<(usize, usize)>, RunError> {
    let numbered = |shape: &Shape| (0..volume(shape)).collect::<Vec<_>>();
    let plan = Broadcast::new(left, right)?;
    Ok(plan.zip(&numbered(left), &numbered(right), |l, r| (*l, *r)))
}

/// `alpha * A . B + beta * C`, either matrix turned over first where the file says so.
pub struct Gemm {
    alpha: f64,
    beta: f64,
    turn_left: bool,
    turn_right: bool,
}

impl Gemm {
    pub fn new(attributes: &Attributes) -> Self {
        Self {
            alpha: f64::from(attributes.float("alpha", 1.0)),
            beta: f64::from(attributes.float("beta", 1.0)),
            turn_left: attributes.int("transA", 0) != 0,
            turn_right: attributes.int("transB", 0) != 0,
        }
    }

    fn compute<T: Number>(&self, left: &Tensor, right: &Tensor, added: Option<&Tensor>) -> Result<Tensor, RunError> {
        let (m, k, x) = side::<T>(left, self.turn_left)?;
        let (inner, n, y) = side::<T>(right, self.turn_right)?;
        if k != inner {
            return Err(RunError::Engine(format!("cannot multiply {} by {}", left.shape(), right.shape())));
        }
        let shape = Shape::from([m, n]);
        let mut sums = Vec::with_capacity(length(&shape)?);
        multiply(&x, &y, (m, k, n), &mut sums);
        if self.alpha != 1.0 {
            let alpha = T::from_f64(self.alpha);
            sums.iter_mut().for_each(|sum| *sum = sum.mul(alpha));
        }
        if let Some(added) = added {
            let added = expand(added, &shape)?;
            let added = T::slice(&added).ok_or_else(|| RunError::Engine("C is of another type".into()))?;
            let beta = T::from_f64(self.beta);
            let one = self.beta == 1.0;
            sums.iter_mut().zip(added).for_each(|(sum, c)| *sum = sum.add(if one { *c } else { beta.mul(*c) }));
        }
        tensor(shape, sums)
    }
}

/// Rows, columns and elements of a matrix as it enters the product.
fn side<T: Number>(matrix: &Tensor, turn: bool) -> Result<(usize, usize, std::borrow::Cow<'_, [T]>), RunError> {
    let values = typed::<T>(matrix)?;
    match (&**matrix.shape(), turn) {
        ([rows, columns], false) => Ok((*rows, *columns, values.into())),
        ([rows, columns], true) => Ok((*columns, *rows, transposed(values, *rows, *columns).into())),
        _ => Err(RunError::Engine(format!("expected a matrix, got shape {}", matrix.shape()))),
    }
}

impl Op for Gemm {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        fn of<T: Number>(gemm: &Gemm, _: &[T], operands: &[&Tensor]) -> Result<Tensor, RunError> {
            gemm.compute::<T>(operand(operands, 0)?, operand(operands, 1)?, operands.get(2).copied())
        }
        numbers!(operand(operands, 0)?.data(), values => of(self, values, operands).map(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(len: usize, step: f32) -> Vec<f32> {
        (0..len).map(|at| (at as f32 * step).sin()).collect()
    }

    #[test]
    fn a_row_is_the_same_to_the_bit_in_any_batch() {
        for (m, k, n) in [(9, 33, 50), (4, 1, 16), (5, 7, 3), (1, 64, 17)] {
            let (left, right) = (wave(m * k, 0.37), wave(k * n, 0.11));
            let mut whole = Vec::new();
            multiply(&left, &right, (m, k, n), &mut whole);
            for row in 0..m {
                let mut alone = Vec::new();
                multiply(&left[row * k..][..k], &right, (1, k, n), &mut alone);
                assert_eq!(whole[row * n..][..n], alone, "row {row} of {m}x{k}x{n}");
                let first: f32 = (0..k).fold(0.0, |sum, at| sum + left[row * k + at] * right[at * n]);
                assert_eq!(alone[0], first, "the sum runs from the first product to the last");
            }
        }
    }

    #[test]
    fn vectors_and_stacks_multiply_as_in_numpy() {
        let of = |dims: &[usize]| Tensor::of(dims, wave(dims.iter().product(), 1.0)).expect("fits");
        let shape = |a: &[usize], b: &[usize]| MatMul.run(&[&of(a), &of(b)]).map(|out| out[0].shape().to_vec());
        assert_eq!(shape(&[3], &[3]), Ok(vec![]));
        assert_eq!(shape(&[3], &[3, 2]), Ok(vec![2]));
        assert_eq!(shape(&[4, 3], &[3]), Ok(vec![4]));
        assert_eq!(shape(&[5, 4, 3], &[3, 2]), Ok(vec![5, 4, 2]));
        assert_eq!(shape(&[4, 3], &[5, 3, 2]), Ok(vec![5, 4, 2]));
        assert_eq!(shape(&[2, 1, 4, 3], &[5, 3, 2]), Ok(vec![2, 5, 4, 2]));
        assert!(shape(&[2, 3], &[2, 3]).is_err() && shape(&[], &[2]).is_err());
    }

    #[test]
    fn gemm_turns_scales_and_adds() {
        let left = Tensor::of([2, 2], vec![1.0f64, 2.0, 3.0, 4.0]).expect("fits");
        let added = Tensor::of([2], vec![10.0f64, 20.0]).expect("fits");
        let gemm = Gemm { alpha: 2.0, beta: 0.5, turn_left: true, turn_right: false };
        let out = gemm.run(&[&left, &left, &added]).expect("runs");
        assert_eq!(out[0].as_slice::<f64>(), Some(&[25.0, 38.0, 33.0, 50.0][..]));
        assert!(gemm.run(&[&left, &added]).is_err());
    }
}
