//! Constant operands of a chain.

use crate::engine::onnx::{Graph, Node};
use crate::tensor::Tensor;
use std::collections::HashMap;

/// The constants that a graph's nodes name.
pub struct Constants<'a> {
    stored: &'a HashMap<String, Tensor>,
    /// Of `Constant` nodes.
    made: HashMap<String, Tensor>,
}

impl<'a> Constants<'a> {
    pub fn new(graph: &'a Graph) -> Self {
        Self { stored: &graph.constants, made: HashMap::new() }
    }

    /// Takes a `Constant` node in.
    pub fn make(&mut self, node: &Node) -> Result<(), String> {
        let attributes = &node.attributes;
        let tensor = match attributes.tensor("value")? {
            Some(tensor) => tensor,
            None if attributes.has("value_float") => {
                Tensor::of([0usize; 0], vec![attributes.float("value_float", 0.0)])
                    .map_err(|error| error.to_string())?
            }
            None if attributes.has("value_ints") => {
                let values = attributes.ints("value_ints").to_vec();
                Tensor::of([values.len()], values).map_err(|error| error.to_string())?
            }
            None => return Err("expected a tensor as its value".into()),
        };
        let name = node.outputs.first().ok_or("it has no output")?;
        self.made.insert(name.clone(), tensor);
        Ok(())
    }

    pub fn find(&self, name: &str) -> Option<&Tensor> {
        self.stored.get(name).or_else(|| self.made.get(name))
    }

    /// A matrix `[inputs, outputs]`, turned over if it is stored the other way.
    pub fn matrix(&self, name: &str, turned: bool) -> Result<(usize, usize, Vec<f32>), String> {
        let tensor = self.find(name).ok_or_else(|| format!("'{name}' is no constant"))?;
        let values = tensor.as_slice::<f32>().ok_or_else(|| format!("'{name}' holds {}", tensor.dtype()))?;
        let shape = tensor.shape();
        let (rows, columns) = match shape[..] {
            [rows, columns] if rows > 0 && columns > 0 => (rows, columns),
            _ => return Err(format!("'{name}' has shape {shape}, expected a matrix")),
        };
        match turned {
            false => Ok((rows, columns, values.to_vec())),
            true => {
                let at = |place: usize| values[place % rows * columns + place / rows];
                Ok((columns, rows, (0..values.len()).map(at).collect()))
            }
        }
    }

    /// One number for each of `width` columns.
    pub fn row(&self, name: &str, width: usize) -> Result<Vec<f32>, String> {
        let tensor = self.find(name).ok_or_else(|| format!("'{name}' is no constant"))?;
        let values = tensor.as_slice::<f32>().ok_or_else(|| format!("'{name}' holds {}", tensor.dtype()))?;
        let shape = tensor.shape();
        let (leading, last) = shape.split_last().map_or((&[][..], 1), |(last, leading)| (leading, *last));
        let flat = leading.len() <= 1 && leading.iter().all(|dim| *dim == 1);
        match (flat, values) {
            (true, [value]) => Ok(vec![*value; width]),
            (true, values) if last == width => Ok(values.to_vec()),
            _ => Err(format!("'{name}' has shape {shape}, expected a number for each of {width} columns")),
        }
    }

    /// One number.
    pub fn number(&self, name: &str) -> Result<f32, String> {
        self.row(name, 1).map(|values| values[0])
    }
}
