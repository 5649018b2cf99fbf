//! The lengths of a tensor's axes.

use smallvec::SmallVec;
use std::fmt;
use std::ops::Deref;

/// Axis lengths, outermost first. Up to four axes need no allocation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Shape(SmallVec<[usize; 4]>);

impl Shape {
    pub fn new(dims: &[usize]) -> Self {
        Self(SmallVec::from_slice(dims))
    }

    /// How many elements the shape holds, or `None` where the product overflows.
    pub fn elements(&self) -> Option<usize> {
        self.0.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim))
    }

    /// The length of axis 0; a scalar counts as one row.
    pub fn rows(&self) -> usize {
        self.0.first().copied().unwrap_or(1)
    }

    /// The axes behind axis 0.
    pub fn row_dims(&self) -> &[usize] {
        self.0.get(1..).unwrap_or(&[])
    }

    /// Elements in one row.
    pub fn row_elements(&self) -> usize {
        self.row_dims().iter().product()
    }

    /// The same shape with another length of axis 0; a scalar stays a scalar.
    pub fn with_rows(&self, rows: usize) -> Self {
        let mut shape = self.clone();
        if let Some(first) = shape.0.first_mut() {
            *first = rows;
        }
        shape
    }

    pub fn push(&mut self, dim: usize) {
        self.0.push(dim);
    }

    pub fn pop(&mut self) -> Option<usize> {
        self.0.pop()
    }
}

impl Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self::new(dims)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self::new(&dims)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (axis, dim) in self.0.iter().enumerate() {
            let comma = if axis == 0 { "" } else { "," };
            write!(f, "{comma}{dim}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflowing_product_is_seen() {
        assert_eq!(Shape::from([1 << 40, 1 << 40]).elements(), None);
        assert_eq!(Shape::from([2, 3]).elements(), Some(6));
        assert_eq!(Shape::default().elements(), Some(1));
    }

    #[test]
    fn rows_are_axis_zero() {
        let shape = Shape::from([4, 2, 3]);
        assert_eq!((shape.rows(), shape.row_elements()), (4, 6));
        assert_eq!(shape.with_rows(9), Shape::from([9, 2, 3]));
        assert_eq!(shape.to_string(), "[4,2,3]");
    }
}
