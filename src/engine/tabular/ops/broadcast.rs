//! numpy's broadcasting: two operands brought to one shape, axis by axis from the last.

use super::operands::length;
use crate::engine::RunError;
use crate::tensor::{Data, Element, Shape, Tensor, each};
use smallvec::SmallVec;

/// An axis of the result, and how far each operand moves when it counts up: 0 where it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    len: usize,
    left: usize,
    right: usize,
}

/// Two operands on their way to one shape.
#[derive(Debug)]
pub struct Broadcast {
    shape: Shape,
    len: usize,
    /// Outermost first; axes that both operands walk in one go are joined, lengths of one are left out.
    axes: SmallVec<[Axis; 4]>,
}

impl Broadcast {
    /// Axes are matched from the last; one of length one is repeated.
    pub fn new(left: &Shape, right: &Shape) -> Result<Self, RunError> {
        Self::over(common(left, right)?, left, right)
    }

    /// Two operands repeated over a shape to which both are known to broadcast.
    fn over(shape: Shape, left: &[usize], right: &[usize]) -> Result<Self, RunError> {
        let (len, rank) = (length(&shape)?, shape.len());
        let mut axes: SmallVec<[Axis; 4]> = SmallVec::new();
        let (mut left_step, mut right_step) = (1usize, 1usize);
        for at in (0..rank).rev() {
            let (l, r) = (behind(left, rank, at), behind(right, rank, at));
            if shape[at] != 1 {
                let step = |own: usize, step: usize| if own == 1 { 0 } else { step };
                push(&mut axes, Axis { len: shape[at], left: step(l, left_step), right: step(r, right_step) });
            }
            left_step = left_step.saturating_mul(l.max(1));
            right_step = right_step.saturating_mul(r.max(1));
        }
        axes.reverse();
        Ok(Self { shape, len, axes })
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// `f` of every pair, in row-major order.
    pub fn zip<A, B, C>(&self, left: &[A], right: &[B], f: impl Fn(&A, &B) -> C) -> Vec<C> {
        let mut results = Vec::with_capacity(self.len);
        if self.len == 0 {
            return results;
        }
        let (outer, inner) = match self.axes.split_last() {
            Some((inner, outer)) => (outer, *inner),
            None => (&[][..], Axis { len: 1, left: 0, right: 0 }),
        };
        let mut counts: SmallVec<[usize; 4]> = SmallVec::from_elem(0, outer.len());
        let (mut l, mut r) = (0, 0);
        loop {
            run(inner, &left[l..], &right[r..], &f, &mut results);
            if !advance(outer, &mut counts, &mut l, &mut r) {
                return results;
            }
        }
    }
}

/// The innermost axis, one loop for each way to walk it so that each can be vectorised.
fn run<A, B, C>(axis: Axis, left: &[A], right: &[B], f: &impl Fn(&A, &B) -> C, into: &mut Vec<C>) {
    match (axis.left, axis.right) {
        (0, 0) => into.extend((0..axis.len).map(|_| f(&left[0], &right[0]))),
        (0, _) => into.extend(right[..axis.len].iter().map(|r| f(&left[0], r))),
        (_, 0) => into.extend(left[..axis.len].iter().map(|l| f(l, &right[0]))),
        _ => into.extend(left[..axis.len].iter().zip(&right[..axis.len]).map(|(l, r)| f(l, r))),
    }
}

/// Counts the outer axes up by one, like an odometer; answers whether there was a next place.
fn advance(axes: &[Axis], counts: &mut [usize], left: &mut usize, right: &mut usize) -> bool {
    for (axis, count) in axes.iter().zip(counts).rev() {
        *count += 1;
        *left += axis.left;
        *right += axis.right;
        if *count < axis.len {
            return true;
        }
        *left -= axis.left * axis.len;
        *right -= axis.right * axis.len;
        *count = 0;
    }
    false
}

/// Adds the next outer axis, joined with the one inside it where both operands walk on evenly.
fn push(axes: &mut SmallVec<[Axis; 4]>, axis: Axis) {
    match axes.last_mut() {
        Some(inner) if continues(axis.left, inner.left, inner.len) && continues(axis.right, inner.right, inner.len) => {
            inner.len = inner.len.saturating_mul(axis.len);
        }
        _ => axes.push(axis),
    }
}

/// Whether a step of the outer axis is all the steps of the inner one.
fn continues(outer: usize, inner: usize, len: usize) -> bool {
    inner.checked_mul(len) == Some(outer)
}

/// The length of the axis that stands at `at` of `rank`, counted from the last; one in front of the first.
fn behind(shape: &[usize], rank: usize, at: usize) -> usize {
    (at + shape.len()).checked_sub(rank).map_or(1, |own| shape[own])
}

/// The shape that both operands are brought to.
pub fn common(left: &Shape, right: &Shape) -> Result<Shape, RunError> {
    let rank = left.len().max(right.len());
    let mut dims: SmallVec<[usize; 4]> = SmallVec::with_capacity(rank);
    for at in 0..rank {
        dims.push(match (behind(left, rank, at), behind(right, rank, at)) {
            (l, r) if l == r => l,
            (1, r) => r,
            (l, 1) => l,
            _ => return Err(RunError::Engine(format!("shapes {left} and {right} do not broadcast together"))),
        });
    }
    Ok(Shape::new(&dims))
}

/// A tensor repeated until it fills `target`, to which its own shape must broadcast.
pub fn expand(tensor: &Tensor, target: &Shape) -> Result<Data, RunError> {
    fn repeat<T: Element>(values: &[T], plan: &Broadcast) -> Data {
        T::wrap(plan.zip(values, &[()], |value, ()| value.clone()))
    }
    let shape = common(tensor.shape(), target)?;
    if shape != *target {
        return Err(RunError::Engine(format!("shape {} does not broadcast to {target}", tensor.shape())));
    }
    if tensor.shape() == target {
        return Ok(tensor.data().clone());
    }
    let plan = Broadcast::over(shape, tensor.shape(), &[])?;
    Ok(each!(tensor.data(), values => repeat(values, &plan)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(a: &[usize], b: &[usize]) -> Result<(Vec<usize>, Vec<i64>), RunError> {
        let numbers =
            |dims: &[usize], scale: i64| (0..dims.iter().product::<usize>() as i64).map(|x| x * scale).collect();
        let (left, right): (Vec<i64>, Vec<i64>) = (numbers(a, 1), numbers(b, 100));
        let plan = Broadcast::new(&Shape::new(a), &Shape::new(b))?;
        Ok((plan.shape().to_vec(), plan.zip(&left, &right, |x, y| x + y)))
    }

    /// The definition, element by element.
    fn by_hand(a: &[usize], b: &[usize], shape: &[usize]) -> Vec<i64> {
        let at = |dims: &[usize], mut flat: usize| {
            let (mut offset, mut step) = (0, 1);
            for axis in (0..shape.len()).rev() {
                let place = flat % shape[axis];
                flat /= shape[axis];
                let own = behind(dims, shape.len(), axis);
                offset += if own == 1 { 0 } else { place * step };
                step *= own;
            }
            offset as i64
        };
        (0..shape.iter().product()).map(|flat| at(a, flat) + 100 * at(b, flat)).collect()
    }

    #[test]
    fn pairs_are_those_of_the_definition() {
        let shapes: [(&[usize], &[usize]); 9] = [
            (&[2, 3], &[2, 3]),
            (&[2, 3], &[3]),
            (&[2, 3], &[2, 1]),
            (&[2, 1, 4], &[3, 1]),
            (&[], &[2, 2]),
            (&[4, 1], &[1, 4]),
            (&[2, 3, 4, 5], &[3, 1, 5]),
            (&[1, 1], &[1]),
            (&[0, 3], &[1, 3]),
        ];
        for (a, b) in shapes {
            let (shape, got) = add(a, b).expect("they broadcast");
            assert_eq!(got, by_hand(a, b, &shape), "{a:?} and {b:?}");
            let (other, _) = add(b, a).expect("they broadcast");
            assert_eq!(shape, other);
        }
    }

    #[test]
    fn unlike_shapes_and_hostile_ones_are_refused() {
        assert!(add(&[2, 3], &[2]).is_err());
        let long = Broadcast::new(&Shape::from([1 << 20, 1]), &Shape::from([1, 1 << 20]));
        assert!(matches!(long, Err(RunError::Input(_))));
    }

    #[test]
    fn expanding_repeats_what_is_there() {
        let column = Tensor::of([2, 1], vec![1i64, 2]).expect("fits");
        let wide = expand(&column, &Shape::from([2, 3])).expect("broadcasts");
        assert_eq!(i64::slice(&wide), Some(&[1, 1, 1, 2, 2, 2][..]));
        assert!(expand(&column, &Shape::from([3, 3])).is_err());
    }
}
