//! ArrayFeatureExtractor and FeatureVectorizer: columns chosen, and columns put side by side.

use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{
    doubles, integers, length, matrix, one, operand, place, runs, tensor, volume, wrap,
};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::engine::tabular::row::{Columns, Operand};
use crate::tensor::Tensor;

/// The elements of the last axis that the second operand names; a vector is one row.
pub struct Extractor;

impl Op for Extractor {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (input, wanted) = (operand(operands, 0)?, operand(operands, 1)?);
        let Some((width, outer)) = input.shape().split_last() else {
            return Err(RunError::Engine("expected at least one axis, got a scalar".into()));
        };
        let wanted = integers(wanted)?;
        if wanted.is_empty() {
            return Err(RunError::Engine("it names no columns".into()));
        }
        let checked = |at: &i64| if *at < 0 { Err(outside(*at, *width)) } else { place(*at, *width) };
        let columns = wanted.iter().map(checked).collect::<Result<Vec<_>, _>>()?;
        // A vector comes out as one row, which ONNX Runtime keeps for older files.
        let outer = if outer.is_empty() { &[1][..] } else { outer };
        let dims = [outer, &[columns.len()]].concat();
        let mut starts = Vec::with_capacity(length(&dims)?);
        for row in 0..volume(outer) {
            starts.extend(columns.iter().map(|column| row * width + column));
        }
        wrap(dims.as_slice(), runs(input.data(), &starts, 1))
    }

    fn columns(&self, operands: &[Operand<'_>]) -> Option<Columns> {
        let (Some(Operand::Columns(table)), Some(Operand::Constant(wanted))) = (operands.first(), operands.get(1))
        else {
            return None;
        };
        let wanted = integers(wanted).ok()?;
        let places = wanted.iter().map(|at| usize::try_from(*at).ok()).collect::<Option<Vec<_>>>()?;
        (table.dims.len() == 1).then(|| table.chosen(places.into_iter()))?
    }
}

fn outside(at: i64, width: usize) -> RunError {
    RunError::Engine(format!("column {at} is not one of {width}"))
}

/// Rows of several inputs side by side as `f32`, each cut or filled with zeros to its stored width.
pub struct Vectorizer {
    /// Empty where every input keeps its own width.
    widths: Vec<usize>,
}

impl Vectorizer {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let width = |n: &i64| usize::try_from(*n).map_err(|_| format!("an input dimension is {n}"));
        Ok(Self { widths: attributes.ints("inputdimensions").iter().map(width).collect::<Result<_, _>>()? })
    }

    fn width(&self, input: usize, own: usize) -> usize {
        self.widths.get(input).copied().unwrap_or(own)
    }
}

impl Op for Vectorizer {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (rows, _) = matrix(operand(operands, 0)?);
        if !self.widths.is_empty() && self.widths.len() != operands.len() {
            return Err(RunError::Engine(format!("{} inputs, expected {}", operands.len(), self.widths.len())));
        }
        if let Some(other) = operands.iter().find(|operand| matrix(operand).0 != rows) {
            return Err(RunError::Engine(format!(
                "shape {} has not {rows} rows, as the first input has",
                other.shape()
            )));
        }
        let own = |operand: &&Tensor| matrix(operand).1;
        let widths = operands.iter().enumerate().map(|(at, operand)| self.width(at, own(operand)));
        let total = widths.fold(0usize, usize::saturating_add);
        // Also where there are no rows: the widths are added up below.
        length(&[total])?;
        let mut joined = vec![0.0f32; length(&[rows, total])?];
        let mut from = 0;
        for (at, operand) in operands.iter().enumerate() {
            let (columns, values) = (own(operand), doubles(operand)?);
            let width = self.width(at, columns);
            if columns > 0 && total > 0 {
                for (row, into) in values.chunks_exact(columns).zip(joined.chunks_exact_mut(total)) {
                    into[from..from + width].iter_mut().zip(row).for_each(|(into, x)| *into = *x as f32);
                }
            }
            from += width;
        }
        tensor([rows, total], joined).map(one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_chosen_in_order() {
        let input = Tensor::of([2, 3], vec![1i64, 2, 3, 4, 5, 6]).expect("fits");
        let columns = |wanted: Vec<i64>| Tensor::of([1, wanted.len()], wanted).expect("fits");
        let chosen = Extractor.run(&[&input, &columns(vec![2, 0])]).expect("runs");
        assert_eq!((chosen[0].shape().to_vec(), chosen[0].as_slice::<i64>()), (vec![2, 2], Some(&[3i64, 1, 6, 4][..])));
        for wrong in [vec![3], vec![-1], vec![]] {
            assert!(Extractor.run(&[&input, &columns(wrong)]).is_err());
        }
        let vector = Tensor::of([3], vec![1.0f32, 2.0, 3.0]).expect("fits");
        assert_eq!(Extractor.run(&[&vector, &columns(vec![1])]).expect("runs")[0].shape().to_vec(), [1, 1]);
    }

    #[test]
    fn inputs_are_cut_and_filled_to_their_widths() {
        let a = Tensor::of([2, 2], vec![1.0f64, 2.0, 3.0, 4.0]).expect("fits");
        let b = Tensor::of([2, 1], vec![5i64, 6]).expect("fits");
        let joined = |widths: Vec<usize>| {
            Vectorizer { widths }.run(&[&a, &b]).map(|out| out[0].as_slice::<f32>().expect("floats").to_vec())
        };
        assert_eq!(joined(vec![1, 2]), Ok(vec![1.0, 5.0, 0.0, 3.0, 6.0, 0.0]));
        assert_eq!(joined(vec![]), Ok(vec![1.0, 2.0, 5.0, 3.0, 4.0, 6.0]));
        assert!(joined(vec![1]).is_err() && joined(vec![usize::MAX, 1]).is_err());
        let none = Tensor::of([0, 1], Vec::<f32>::new()).expect("fits");
        assert!(Vectorizer { widths: vec![usize::MAX; 2] }.run(&[&none, &none]).is_err());
    }
}
