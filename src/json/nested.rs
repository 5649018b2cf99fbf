//! Nested lists into one flat buffer and the shape they spell.

use super::{ElementError, Elements, JsonError, Kind, Reader};
use crate::tensor::Shape;

/// A list that is no tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NestedError {
    #[error("element {index}: {source}")]
    Element { index: usize, source: ElementError },
    #[error("lists of unlike length on axis {axis}: expected {expected}, got {got}")]
    Ragged { axis: usize, expected: usize, got: usize },
    #[error("element {index}: a value stands where a list was expected")]
    Shallow { index: usize },
    #[error("malformed JSON {0}")]
    Json(#[from] JsonError),
}

/// Reads a scalar or nested lists of scalars, all lists of one axis equally long.
pub fn nested(reader: &mut Reader<'_>, elements: &mut Elements) -> Result<Shape, NestedError> {
    let mut nest = Nest { dims: Vec::new(), rank: None, start: elements.len() };
    nest.value(reader, elements, 0)?;
    Ok(nest.dims.iter().map(|dim| dim.unwrap_or(0)).collect::<Vec<_>>().as_slice().into())
}

struct Nest {
    /// Length per axis, once its first list has ended.
    dims: Vec<Option<usize>>,
    /// Depth of the values, once one was seen.
    rank: Option<usize>,
    start: usize,
}

impl Nest {
    fn value(&mut self, reader: &mut Reader<'_>, elements: &mut Elements, depth: usize) -> Result<(), NestedError> {
        match reader.peek()? {
            Kind::Array => self.list(reader, elements, depth),
            _ => self.scalar(reader, elements, depth),
        }
    }

    /// Whether a value may stand at a depth: where the others stand, or the first one if no list went deeper.
    #[inline]
    fn takes_values(&self, depth: usize) -> bool {
        self.rank.is_none_or(|rank| rank == depth) && self.dims.len() == depth
    }

    #[inline]
    fn scalar(&mut self, reader: &mut Reader<'_>, elements: &mut Elements, depth: usize) -> Result<(), NestedError> {
        let index = elements.len() - self.start;
        if !self.takes_values(depth) {
            return Err(NestedError::Shallow { index });
        }
        self.rank = Some(depth);
        elements.read(reader).map_err(|source| NestedError::Element { index, source })
    }

    fn list(&mut self, reader: &mut Reader<'_>, elements: &mut Elements, depth: usize) -> Result<(), NestedError> {
        if self.dims.len() == depth {
            self.dims.push(None);
        }
        if self.rank.is_some_and(|rank| rank <= depth) {
            let index = elements.len() - self.start;
            let source = ElementError::Type { expected: "a value".into(), got: "a list".into() };
            return Err(NestedError::Element { index, source });
        }
        let mut got = 0;
        reader.array(|reader| {
            if self.takes_values(depth + 1) {
                let read = elements.read_run(reader);
                if read > 0 {
                    self.rank = Some(depth + 1);
                    got += read;
                    return Ok(());
                }
            }
            got += 1;
            self.value(reader, elements, depth + 1)
        })?;
        match *self.dims[depth].get_or_insert(got) {
            expected if expected == got => Ok(()),
            expected => Err(NestedError::Ragged { axis: depth, expected, got }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    fn read(text: &str) -> Result<(Shape, usize), NestedError> {
        let mut elements = Elements::new(DType::F32, 0);
        let shape = nested(&mut Reader::new(text.as_bytes(), 8), &mut elements)?;
        Ok((shape, elements.len()))
    }

    #[test]
    fn lists_spell_their_shape() {
        assert_eq!(read("1"), Ok((Shape::default(), 1)));
        assert_eq!(read("[1,2,3]"), Ok((Shape::from([3]), 3)));
        assert_eq!(read("[[1,2],[3,4],[5,6]]"), Ok((Shape::from([3, 2]), 6)));
        assert_eq!(read("[]"), Ok((Shape::from([0]), 0)));
        assert_eq!(read("[[[1]],[[2]]]"), Ok((Shape::from([2, 1, 1]), 2)));
    }

    #[test]
    fn uneven_lists_are_refused() {
        assert_eq!(read("[[1,2],[3]]"), Err(NestedError::Ragged { axis: 1, expected: 2, got: 1 }));
        assert_eq!(read("[[1],2]"), Err(NestedError::Shallow { index: 1 }));
        assert!(matches!(read("[1,[2]]"), Err(NestedError::Element { index: 1, .. })));
        assert!(matches!(read("[[],[1]]"), Err(NestedError::Ragged { .. })));
        for text in ["[[],1]", "[[[[]]],null]", "[[[],1],2]"] {
            assert_eq!(read(text), Err(NestedError::Shallow { index: 0 }), "{text}");
        }
    }

    #[test]
    fn a_bad_element_is_named_by_its_place() {
        let error = read("[[1,2],[3,\"x\"]]").expect_err("text");
        assert_eq!(error.to_string(), "element 3: expected a number for FP32, got the string \"x\"");
    }
}
