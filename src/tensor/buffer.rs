//! Numbers in memory: a vector of their own, or a piece of the bytes that they came in.
//!
//! A request's raw tensor is taken as it lies in the body wherever it lies aligned for its type, so that it is not
//! copied. The body then lives for as long as the tensor does.

use bytemuck::{Pod, cast_slice, try_cast_slice};
use bytes::Bytes;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// Numbers of one type in a row.
#[derive(Clone)]
pub struct Buffer<T: Pod>(Place<T>);

#[derive(Clone)]
enum Place<T> {
    Own(Vec<T>),
    /// Aligned for the type, and whole numbers of it: see [`Buffer::view`].
    Shared(Bytes),
}

impl<T: Pod> Buffer<T> {
    /// The numbers that bytes are, without a copy. `None` where they do not lie aligned, or are no
    /// whole numbers. Little-endian, as the machine.
    pub fn view(bytes: Bytes) -> Option<Self> {
        try_cast_slice::<u8, T>(&bytes).is_ok().then_some(Self(Place::Shared(bytes)))
    }

    /// Whether the numbers lie in bytes that others may hold too.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Place::Shared(_))
    }

    /// The vector, which a shared buffer is copied into first.
    pub fn to_mut(&mut self) -> &mut Vec<T> {
        if let Place::Shared(bytes) = &self.0 {
            self.0 = Place::Own(cast_slice(bytes).to_vec());
        }
        match &mut self.0 {
            Place::Own(values) => values,
            Place::Shared(_) => unreachable!("it was copied above"),
        }
    }

    pub fn into_vec(self) -> Vec<T> {
        match self.0 {
            Place::Own(values) => values,
            Place::Shared(bytes) => cast_slice(&bytes).to_vec(),
        }
    }

    #[inline]
    pub fn push(&mut self, value: T) {
        self.to_mut().push(value);
    }
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Place::Own(values) => values,
            // Checked when it was made.
            Place::Shared(bytes) => cast_slice(bytes),
        }
    }
}

impl<T: Pod> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.to_mut()
    }
}

impl<T: Pod> From<Vec<T>> for Buffer<T> {
    #[inline]
    fn from(values: Vec<T>) -> Self {
        Self(Place::Own(values))
    }
}

impl<T: Pod> FromIterator<T> for Buffer<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Vec::from_iter(values).into()
    }
}

impl<T: Pod> IntoIterator for Buffer<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

impl<'a, T: Pod> IntoIterator for &'a Buffer<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

impl<T: Pod + PartialEq, O: AsRef<[T]> + ?Sized> PartialEq<O> for Buffer<T> {
    fn eq(&self, other: &O) -> bool {
        self.deref() == other.as_ref()
    }
}

impl<T: Pod> AsRef<[T]> for Buffer<T> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned_bytes_are_taken_as_they_lie() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let bytes = Bytes::copy_from_slice(&[&[0; 16], cast_slice::<f64, u8>(&values)].concat());
        let aligned = bytes.as_ptr().align_offset(8);
        for skip in 0..16 {
            let piece = bytes.slice(skip..skip + 80);
            let place = piece.as_ptr();
            let view = Buffer::<f64>::view(piece);
            assert_eq!(view.is_some(), skip % 8 == aligned, "{skip}");
            if let Some(view) = view {
                assert!(view.is_shared() && view.as_ptr().cast() == place);
            }
        }
        assert!(Buffer::<f64>::view(bytes.slice(aligned..aligned + 12)).is_none(), "one and a half");
    }

    #[test]
    fn what_is_changed_is_a_copy() {
        let bytes = Bytes::from_static(&[1, 2, 3]);
        let mut buffer = Buffer::<u8>::view(bytes.clone()).expect("bytes are always aligned");
        assert!(buffer.clone().is_shared());
        buffer.push(4);
        buffer[0] = 9;
        assert!(!buffer.is_shared());
        assert_eq!(buffer, [9, 2, 3, 4]);
        assert_eq!(buffer.into_vec(), [9, 2, 3, 4]);
        assert_eq!(&bytes[..], [1, 2, 3]);
    }
}
