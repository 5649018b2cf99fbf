//! Shape, Size, Constant, ConstantOfShape, Range and EyeLike: tensors that are told, not computed.

use super::spread::shape_of;
use crate::engine::RunError;
use crate::engine::onnx::{Attributes, dtype};
use crate::engine::tabular::ops::broadcast::expand;
use crate::engine::tabular::ops::math::cast::Cast;
use crate::engine::tabular::ops::math::number::{Number, numbers};
use crate::engine::tabular::ops::operands::{length, one, operand, tensor, typed, wrap};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::{DType, Tensor};

/// The lengths of the axes, or of some of them.
pub struct ShapeOf {
    start: i64,
    end: i64,
}

impl ShapeOf {
    pub fn new(attributes: &Attributes) -> Self {
        Self { start: attributes.int("start", 0), end: attributes.int("end", i64::MAX) }
    }
}

impl Op for ShapeOf {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let shape = operand(operands, 0)?.shape();
        let rank = shape.len() as i64;
        let place = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
        let (start, end) = (place(self.start), place(self.end));
        let dims: Vec<i64> = shape.get(start..end).unwrap_or(&[]).iter().map(|len| *len as i64).collect();
        tensor([dims.len()], dims).map(one)
    }
}

/// The number of elements.
pub struct Size;

impl Op for Size {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        tensor(&[][..], vec![operand(operands, 0)?.data().len() as i64]).map(one)
    }
}

/// What the file stores.
pub struct Constant(Tensor);

impl Constant {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        if let Some(tensor) = attributes.tensor("value")? {
            return Ok(Self(tensor));
        }
        let list = |name: &str| attributes.has(name);
        let made = if list("value_float") {
            Tensor::of(&[][..], vec![attributes.float("value_float", 0.0)])
        } else if list("value_floats") {
            let values = attributes.floats("value_floats").to_vec();
            Tensor::of([values.len()], values)
        } else if list("value_int") {
            Tensor::of(&[][..], vec![attributes.int("value_int", 0)])
        } else if list("value_ints") {
            let values = attributes.ints("value_ints").to_vec();
            Tensor::of([values.len()], values)
        } else if list("value_string") {
            Tensor::of(&[][..], vec![std::sync::Arc::<str>::from(attributes.string("value_string", ""))])
        } else if list("value_strings") {
            let values = attributes.strings("value_strings");
            Tensor::of([values.len()], values)
        } else {
            return Err("it holds no value of a kind that is known here".into());
        };
        made.map(Self).map_err(|error| error.to_string())
    }
}

impl Op for Constant {
    fn run(&self, _: &[&Tensor]) -> Result<Outputs, RunError> {
        Ok(one(self.0.clone()))
    }
}

/// One value, as often as the shape in the operand says.
pub struct ConstantOfShape(Tensor);

impl ConstantOfShape {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let zero = || Tensor::of([1], vec![0.0f32]).map_err(|error| error.to_string());
        let value = attributes.tensor("value")?.map_or_else(zero, Ok)?;
        match value.data().len() {
            1 => Ok(Self(value)),
            other => Err(format!("its value has {other} elements, expected one")),
        }
    }
}

impl Op for ConstantOfShape {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let shape = shape_of(operand(operands, 0)?)?;
        let value = Tensor::new(&[][..], self.0.data().clone()).map_err(|error| RunError::Engine(error.to_string()))?;
        wrap(shape.clone(), expand(&value, &shape)?)
    }
}

/// From a start in steps up to a limit, which is left out.
pub struct Range;

impl Op for Range {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        fn steps<T: Number>(start: &[T], limit: &[T], delta: &[T]) -> Result<Vec<T>, RunError> {
            let (&[start], &[limit], &[delta]) = (start, limit, delta) else {
                return Err(RunError::Engine("start, limit and delta must be one number each".into()));
            };
            let count = ((limit.to_f64() - start.to_f64()) / delta.to_f64()).ceil();
            if count.is_nan() || length(&[count.max(0.0) as usize]).is_err() {
                return Err(RunError::Input(format!("a range from {start:?} to {limit:?} by {delta:?} is too long")));
            }
            let step = |at: usize| start.add(T::from_f64(at as f64).mul(delta));
            Ok((0..count.max(0.0) as usize).map(step).collect())
        }
        let (start, limit, delta) = (operand(operands, 0)?, operand(operands, 1)?, operand(operands, 2)?);
        numbers!(start.data(), values => {
            let values = steps(values, typed(limit)?, typed(delta)?)?;
            tensor([values.len()], values).map(one)
        })
    }
}

/// Ones on a diagonal of a matrix of the operand's shape.
pub struct EyeLike {
    to: Option<DType>,
    diagonal: i64,
}

impl EyeLike {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let code = i32::try_from(attributes.int("dtype", 1)).map_err(|_| "'dtype' is out of range")?;
        let to = attributes.has("dtype").then(|| dtype(code)).transpose()?;
        Ok(Self { to, diagonal: attributes.int("k", 0) })
    }
}

impl Op for EyeLike {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let [rows, columns] = **input.shape() else {
            return Err(RunError::Engine(format!("expected a matrix, got shape {}", input.shape())));
        };
        let mut values = vec![0.0f32; input.data().len()];
        // An empty matrix may claim any number of rows.
        for row in 0..rows.min(values.len()) {
            let column = i64::try_from(row).unwrap_or(i64::MAX).saturating_add(self.diagonal);
            if let Some(column) = usize::try_from(column).ok().filter(|column| *column < columns) {
                values[row * columns + column] = 1.0;
            }
        }
        let eye = tensor(input.shape().clone(), values)?;
        Cast::to(self.to.unwrap_or(input.dtype())).run(&[&eye])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<T: Number>(values: &[T]) -> Tensor {
        Tensor::of([values.len()], values.to_vec()).expect("fits")
    }

    #[test]
    fn shapes_are_told_in_part() {
        let input = Tensor::of([2, 3, 1], vec![0.0f32; 6]).expect("fits");
        let shape =
            |start, end| ShapeOf { start, end }.run(&[&input]).expect("runs")[0].as_slice::<i64>().map(<[i64]>::to_vec);
        assert_eq!(shape(0, i64::MAX), Some(vec![2, 3, 1]));
        assert_eq!(shape(-2, -1), Some(vec![3]));
        assert_eq!(shape(2, 1), Some(vec![]));
        assert_eq!(shape(i64::MIN, 1), Some(vec![2]));
    }

    #[test]
    fn hostile_lengths_are_refused() {
        let filled = ConstantOfShape(of(&[7i64]));
        assert_eq!(filled.run(&[&of(&[2i64])]).expect("runs")[0].as_slice::<i64>(), Some(&[7i64, 7][..]));
        for shape in [&[i64::MAX][..], &[-1], &[1 << 20, 1 << 20]] {
            assert!(matches!(filled.run(&[&of(shape)]), Err(RunError::Input(_))), "{shape:?}");
        }
        for range in [[0i64, i64::MAX, 1], [0, 1, 0]] {
            let [start, limit, delta] = range.map(|x| of(&[x]));
            assert!(matches!(Range.run(&[&start, &limit, &delta]), Err(RunError::Input(_))), "{range:?}");
        }
    }

    #[test]
    fn ranges_and_diagonals() {
        let range = Range.run(&[&of(&[10i64]), &of(&[4i64]), &of(&[-2i64])]).expect("runs");
        assert_eq!(range[0].as_slice::<i64>(), Some(&[10i64, 8, 6][..]));
        let input = Tensor::of([2, 3], vec![0i64; 6]).expect("fits");
        let eye = EyeLike { to: None, diagonal: 1 }.run(&[&input]).expect("runs");
        assert_eq!(eye[0].as_slice::<i64>(), Some(&[0i64, 1, 0, 0, 0, 1][..]));
    }
}
