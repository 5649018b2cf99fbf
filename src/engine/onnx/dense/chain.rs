//! Operators one after the other, gathered into layers.

use super::operands::Constants;
use super::tail::{Tail, Taken};
use crate::engine::lowered::{Activation, Layer, Stage};
use crate::engine::onnx::{Domain, Graph, Node};

/// What has been read of the chain.
pub struct Chain<'a> {
    constants: Constants<'a>,
    /// The name of the chain's end so far, and its columns.
    pub at: String,
    width: usize,
    pub layers: Vec<Layer>,
    /// What is done to each column before the first layer.
    pub scaling: Vec<Vec<Stage>>,
    pub tail: Tail,
}

/// A binary operator's constant side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl<'a> Chain<'a> {
    pub fn new(graph: &'a Graph, input: String, width: usize) -> Self {
        let scaling = vec![Vec::new(); width];
        Self { constants: Constants::new(graph), at: input, width, layers: Vec::new(), scaling, tail: Tail::default() }
    }

    pub fn add(&mut self, node: &Node) -> Result<(), String> {
        if node.op == "Constant" && node.domain == Domain::Onnx {
            return self.constants.make(node);
        }
        match self.tail.take(node, &self.constants, &self.at, self.width)? {
            Taken::Yes => return Ok(()),
            Taken::End => return self.go_on(node),
            Taken::No => {}
        }
        if !node.inputs.contains(&self.at) {
            return Err("it does not stand in one line with the others".into());
        }
        match node.domain {
            Domain::Onnx => self.take(node)?,
            Domain::Ml => self.prepare(node)?,
            _ => return Err("no layer of a dense network".into()),
        }
        self.go_on(node)
    }

    fn go_on(&mut self, node: &Node) -> Result<(), String> {
        self.at = node.outputs.first().cloned().ok_or("it has no output")?;
        Ok(())
    }

    /// Scaler and Imputer in front of the first layer.
    fn prepare(&mut self, node: &Node) -> Result<(), String> {
        if !self.layers.is_empty() {
            return Err("it does not stand in front of the first layer".into());
        }
        let width = self.width;
        let list = |name: &str| match node.attributes.floats(name) {
            [value] => Ok(vec![*value; width]),
            values if values.len() == width => Ok(values.to_vec()),
            values => Err(format!("{name} has {} numbers for {width} columns", values.len())),
        };
        let stages: Vec<Stage> = match node.op.as_str() {
            "Scaler" => {
                let (offsets, scales) = (list("offset")?, list("scale")?);
                offsets.into_iter().zip(scales).map(|(offset, scale)| Stage::Affine { offset, scale }).collect()
            }
            "Imputer" => {
                let missing = node.attributes.float("replaced_value_float", f32::NAN);
                list("imputed_value_floats")?.into_iter().map(|by| Stage::Impute { missing, by }).collect()
            }
            _ => return Err("no layer of a dense network".into()),
        };
        self.scaling.iter_mut().zip(stages).for_each(|(column, stage)| column.push(stage));
        Ok(())
    }

    fn take(&mut self, node: &Node) -> Result<(), String> {
        let attributes = &node.attributes;
        match node.op.as_str() {
            "Gemm" => self.gemm(node),
            "MatMul" => {
                let name = self.operand(node, Side::Right)?;
                let (inputs, outputs, weights) = self.constants.matrix(name, false)?;
                self.product(inputs, outputs, weights, Vec::new())
            }
            "Add" => self.shift(node, 1.0),
            "Sub" if self.constant_side(node)? == Side::Right => self.shift(node, -1.0),
            "Mul" => self.scale(node, |x| x),
            "Div" if self.constant_side(node)? == Side::Right => self.scale(node, |x| 1.0 / x),
            "BatchNormalization" => self.normalize(node),
            "Relu" => self.activate(Activation::Relu),
            "LeakyRelu" => self.activate(Activation::LeakyRelu { alpha: attributes.float("alpha", 0.01) }),
            "Elu" => self.activate(Activation::Elu { alpha: attributes.float("alpha", 1.0) }),
            "Sigmoid" => self.activate(Activation::Sigmoid),
            "Tanh" => self.activate(Activation::Tanh),
            "Softplus" => self.activate(Activation::Softplus),
            "Gelu" if attributes.string("approximate", "none") == "tanh" => self.activate(Activation::GeluTanh),
            "Gelu" => self.activate(Activation::Gelu),
            "Clip" => self.clip(node),
            "Softmax" | "LogSoftmax" => self.softmax(node),
            "Identity" | "Dropout" => Ok(()),
            "Flatten" if attributes.int("axis", 1) == 1 => Ok(()),
            "Reshape" => self.reshape(node),
            "Cast" if attributes.int("to", 0) == 1 => Ok(()),
            _ => Err("no layer of a dense network".into()),
        }
    }

    fn constant_side(&self, node: &Node) -> Result<Side, String> {
        match &node.inputs[..] {
            [left, right] if *left == self.at && *right != self.at => Ok(Side::Right),
            [left, right] if *right == self.at && *left != self.at => Ok(Side::Left),
            _ => Err("expected the chain and a constant".into()),
        }
    }

    /// The name of the constant operand, which must stand on this side.
    fn operand<'n>(&self, node: &'n Node, side: Side) -> Result<&'n str, String> {
        match (self.constant_side(node)? == side, &node.inputs[..]) {
            (true, [left, right]) => Ok(if side == Side::Left { left } else { right }),
            _ => Err("its constant stands on the other side".into()),
        }
    }

    /// The constant operand of an operator that does not care for the order.
    fn row(&self, node: &Node) -> Result<Vec<f32>, String> {
        let side = self.constant_side(node)?;
        self.constants.row(self.operand(node, side)?, self.width)
    }

    fn product(&mut self, inputs: usize, outputs: usize, weights: Vec<f32>, bias: Vec<f32>) -> Result<(), String> {
        if inputs != self.width {
            return Err(format!("its matrix has {inputs} rows for {} columns", self.width));
        }
        self.layers.push(Layer { inputs, outputs, weights, bias, activation: Activation::None });
        self.width = outputs;
        Ok(())
    }

    fn gemm(&mut self, node: &Node) -> Result<(), String> {
        let (alpha, beta) = (node.attributes.float("alpha", 1.0), node.attributes.float("beta", 1.0));
        let [x, matrix, rest @ ..] = &node.inputs[..] else { return Err("expected a matrix".into()) };
        if *x != self.at || node.attributes.int("transA", 0) != 0 {
            return Err("the rows are not its first operand as they are".into());
        }
        let turned = node.attributes.int("transB", 0) != 0;
        let (inputs, outputs, mut weights) = self.constants.matrix(matrix, turned)?;
        let mut bias = match rest.first().filter(|name| !name.is_empty()) {
            Some(name) => self.constants.row(name, outputs)?,
            None => Vec::new(),
        };
        weights.iter_mut().for_each(|weight| *weight *= alpha);
        bias.iter_mut().for_each(|bias| *bias *= beta);
        self.product(inputs, outputs, weights, bias)
    }

    /// The layer whose sums are still as they are.
    fn open(&mut self) -> Option<&mut Layer> {
        self.layers.last_mut().filter(|layer| layer.activation == Activation::None)
    }

    /// Adds `sign` times a constant to every row.
    fn shift(&mut self, node: &Node, sign: f32) -> Result<(), String> {
        let row: Vec<f32> = self.row(node)?.into_iter().map(|x| sign * x).collect();
        if self.layers.is_empty() {
            let stages = row.iter().map(|x| Stage::Affine { offset: -x, scale: 1.0 });
            self.scaling.iter_mut().zip(stages).for_each(|(column, stage)| column.push(stage));
            return Ok(());
        }
        let layer = self.open().ok_or("it follows an activation")?;
        layer.bias.resize(layer.outputs, 0.0);
        layer.bias.iter_mut().zip(row).for_each(|(bias, x)| *bias += x);
        Ok(())
    }

    /// Multiplies every row by a constant, `turn`ed first.
    fn scale(&mut self, node: &Node, turn: fn(f32) -> f32) -> Result<(), String> {
        let row: Vec<f32> = self.row(node)?.into_iter().map(turn).collect();
        if self.layers.is_empty() {
            let stages = row.iter().map(|x| Stage::Affine { offset: 0.0, scale: *x });
            self.scaling.iter_mut().zip(stages).for_each(|(column, stage)| column.push(stage));
            return Ok(());
        }
        let layer = self.open().ok_or("it follows an activation")?;
        multiply(layer, &row);
        Ok(())
    }

    fn normalize(&mut self, node: &Node) -> Result<(), String> {
        let [x, names @ ..] = &node.inputs[..] else { return Err("expected five operands".into()) };
        let [gamma, beta, mean, variance] = names else { return Err("expected five operands".into()) };
        if *x != self.at || node.attributes.int("training_mode", 0) != 0 {
            return Err("it is not for inference".into());
        }
        let row = |name: &str| self.constants.row(name, self.width);
        let (gamma, beta, mean, variance) = (row(gamma)?, row(beta)?, row(mean)?, row(variance)?);
        let epsilon = f64::from(node.attributes.float("epsilon", 1e-5));
        let scale: Vec<f32> = gamma
            .iter()
            .zip(&variance)
            .map(|(gamma, variance)| (f64::from(*gamma) / (f64::from(*variance) + epsilon).sqrt()) as f32)
            .collect();
        let layer = self.open().ok_or("it does not follow a matrix product")?;
        layer.bias.resize(layer.outputs, 0.0);
        layer.bias.iter_mut().zip(mean).for_each(|(bias, mean)| *bias -= mean);
        multiply(layer, &scale);
        layer.bias.iter_mut().zip(beta).for_each(|(bias, beta)| *bias += beta);
        Ok(())
    }

    fn activate(&mut self, activation: Activation) -> Result<(), String> {
        let layer = self.open().ok_or("it does not follow a matrix product")?;
        layer.activation = activation;
        Ok(())
    }

    fn clip(&mut self, node: &Node) -> Result<(), String> {
        let end =
            |place: usize, attribute: &str, free: f32| match node.inputs.get(place).filter(|name| !name.is_empty()) {
                Some(name) => self.constants.number(name),
                None => Ok(node.attributes.float(attribute, free)),
            };
        let (low, high) = (end(1, "min", f32::MIN)?, end(2, "max", f32::MAX)?);
        self.activate(Activation::Clip { low, high })
    }

    fn softmax(&mut self, node: &Node) -> Result<(), String> {
        if !matches!(node.attributes.int("axis", -1), 1 | -1) {
            return Err("it is not over the row".into());
        }
        let softmax = if node.op == "Softmax" { Activation::Softmax } else { Activation::LogSoftmax };
        self.activate(softmax)
    }

    /// Only to the shape that is there already.
    fn reshape(&mut self, node: &Node) -> Result<(), String> {
        let name = node.inputs.get(1).ok_or("expected a shape")?;
        let shape = self.constants.find(name).and_then(|tensor| tensor.as_slice::<i64>()).unwrap_or_default();
        let width = i64::try_from(self.width).unwrap_or(i64::MAX);
        match shape {
            [-1, last] if *last == width => Ok(()),
            [0, last] if *last == width || *last == -1 => Ok(()),
            _ => Err(format!("to {shape:?}, expected [-1, {width}]")),
        }
    }
}

/// Multiplies a layer's sums by a number for each output.
fn multiply(layer: &mut Layer, row: &[f32]) {
    for weights in layer.weights.chunks_exact_mut(layer.outputs.max(1)) {
        weights.iter_mut().zip(row).for_each(|(weight, x)| *weight *= x);
    }
    layer.bias.iter_mut().zip(row).for_each(|(bias, x)| *bias *= x);
}
