//! Dense networks as tables.

/// Layers one after the other.
pub struct Network {
    pub layers: Vec<Layer>,
}

/// `activation(x W + b)`.
pub struct Layer {
    pub inputs: usize,
    pub outputs: usize,
    /// `[inputs, outputs]`
    pub weights: Vec<f32>,
    /// `[outputs]`, or empty.
    pub bias: Vec<f32>,
    pub activation: Activation,
}

/// What a layer does to its sums.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    None,
    Relu,
    LeakyRelu {
        alpha: f32,
    },
    Sigmoid,
    Tanh,
    Elu {
        alpha: f32,
    },
    Gelu,
    GeluTanh,
    Softplus,
    Silu,
    Clip {
        low: f32,
        high: f32,
    },
    /// Over the row.
    Softmax,
    LogSoftmax,
}

impl Network {
    /// The widest row between the layers.
    pub fn widest(&self) -> usize {
        self.layers.iter().map(|layer| layer.inputs.max(layer.outputs)).max().unwrap_or(0)
    }

    pub fn weights(&self) -> usize {
        self.layers.iter().map(|layer| layer.weights.len() + layer.bias.len()).sum()
    }
}
