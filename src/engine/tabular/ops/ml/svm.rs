//! SVMClassifier and SVMRegressor, as LIBSVM computes them.
//!
//! A classifier has one machine for each pair of classes. Each gives a score and a vote; the class
//! with most votes is the answer. Where the file has Platt's parameters, each score becomes the
//! probability of one class against the other, and these are coupled into one per class.

use super::coupling::couple;
use super::dot::dot;
use super::kernel::Vectors;
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{length, one, operand, tensor, two};
use crate::engine::tabular::ops::scores::{Labels, PostTransform, argmax, logistic};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::Tensor;

/// `sum(coefficient * kernel) + rho`, or its sign where the machine tells outliers.
pub struct Regressor {
    vectors: Vectors,
    /// Empty where the vectors are the weights themselves.
    coefficients: Vec<f32>,
    rho: f32,
    one_class: bool,
    post: PostTransform,
}

impl Regressor {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let supports = usize::try_from(attributes.int("n_supports", 0)).map_err(|_| "n_supports is negative")?;
        let rho = *attributes.floats("rho").first().ok_or("rho is missing")?;
        let given = attributes.floats("coefficients");
        let (vectors, coefficients) = match supports {
            0 => (Vectors::linear(attributes, 1)?, Vec::new()),
            n if n == given.len() => (Vectors::support(attributes, n)?, given.to_vec()),
            n => return Err(format!("{} coefficients for {n} support vectors", given.len())),
        };
        let one_class = attributes.int("one_class", 0) != 0;
        Ok(Self { vectors, coefficients, rho, one_class, post: PostTransform::any(attributes)? })
    }

    fn score(&self, kernels: &[f64]) -> f32 {
        let sum: f64 = match self.coefficients.is_empty() {
            true => kernels.iter().sum(),
            false => dot(kernels, &self.coefficients),
        };
        let mut score = [sum + f64::from(self.rho)];
        match self.one_class {
            true if score[0] > 0.0 => 1.0,
            true => -1.0,
            false => {
                self.post.apply(&mut score);
                score[0] as f32
            }
        }
    }
}

impl Op for Regressor {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let mut answer = Vec::new();
        let rows = self.vectors.each_row(operand(operands, 0)?, |kernels| answer.push(self.score(kernels)))?;
        Ok(one(tensor([rows, 1], answer)?))
    }

    fn memory_bytes(&self) -> usize {
        self.vectors.bytes() + self.coefficients.len() * size_of::<f32>()
    }
}

pub struct Classifier {
    vectors: Vectors,
    machines: Machines,
    labels: Labels,
    post: PostTransform,
}

/// How scores are made of kernels.
enum Machines {
    /// One linear score per class, and what is added to each.
    Linear(f32),
    Pairs(Pairs),
}

impl Classifier {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let labels = Labels::new(attributes)?;
        let post = PostTransform::any(attributes)?;
        let per_class = attributes.ints("vectors_per_class");
        if per_class.iter().all(|count| *count == 0) {
            let rho = *attributes.floats("rho").first().ok_or("rho is missing")?;
            let vectors = Vectors::linear(attributes, labels.len())?;
            return Ok(Self { vectors, machines: Machines::Linear(rho), labels, post });
        }
        let pairs = Pairs::new(attributes, per_class, labels.len())?;
        let vectors = Vectors::support(attributes, pairs.vectors)?;
        if labels.len() == 2 && pairs.platt.is_empty() && post == PostTransform::Probit {
            return Err("post_transform PROBIT of one score for two classes has no meaning".into());
        }
        Ok(Self { vectors, machines: Machines::Pairs(pairs), labels, post })
    }

    /// Columns of the scores.
    fn width(&self) -> usize {
        match &self.machines {
            Machines::Pairs(pairs) if pairs.platt.is_empty() && pairs.classes > 2 => pairs.count(),
            _ => self.labels.len(),
        }
    }

    /// The class of a row and its scores.
    fn decide(&self, kernels: &[f64]) -> (usize, Vec<f64>) {
        let pairs = match &self.machines {
            Machines::Pairs(pairs) => pairs,
            Machines::Linear(rho) => {
                let mut scores: Vec<f64> = kernels.iter().map(|kernel| kernel + f64::from(*rho)).collect();
                let class = argmax(&scores);
                self.post.apply(&mut scores);
                return (class, scores);
            }
        };
        let margins = pairs.margins(kernels);
        let class = pairs.vote(&margins);
        let mut scores = match (pairs.platt.is_empty(), &margins[..]) {
            (false, _) => pairs.probabilities(&margins),
            // The margin speaks for the first class; the columns carry it as ONNX Runtime writes them.
            (true, [margin]) => vec![-margin, *margin],
            (true, _) => margins,
        };
        self.post.apply(&mut scores);
        (class, scores)
    }
}

impl Op for Classifier {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (mut classes, mut answer) = (Vec::new(), Vec::new());
        let rows = self.vectors.each_row(operand(operands, 0)?, |kernels| {
            let (class, scores) = self.decide(kernels);
            classes.push(class);
            answer.extend(scores.into_iter().map(|score| score as f32));
        })?;
        length(&[rows, self.width()])?;
        Ok(two(self.labels.tensor(&classes)?, tensor([rows, self.width()], answer)?))
    }

    fn memory_bytes(&self) -> usize {
        match &self.machines {
            Machines::Pairs(pairs) => self.vectors.bytes() + pairs.coefficients.len() * size_of::<f32>(),
            Machines::Linear(_) => self.vectors.bytes(),
        }
    }
}

/// One machine for each pair of classes.
struct Pairs {
    classes: usize,
    /// Support vectors of all classes.
    vectors: usize,
    /// Where the support vectors of each class begin, and where the last ones end.
    starts: Vec<usize>,
    /// `[classes - 1, vectors]`: a vector's weight against each other class.
    coefficients: Vec<f32>,
    rho: Vec<f32>,
    /// Platt's A and B of each pair; empty where scores stay scores.
    platt: Vec<(f32, f32)>,
}

impl Pairs {
    fn new(attributes: &Attributes, per_class: &[i64], classes: usize) -> Result<Self, String> {
        if per_class.len() != classes || classes < 2 {
            return Err(format!("vectors_per_class has {} entries for {classes} classes", per_class.len()));
        }
        let mut starts = vec![0usize];
        for count in per_class {
            let count = usize::try_from(*count).map_err(|_| "vectors_per_class is negative")?;
            let next = starts.last().and_then(|last| last.checked_add(count));
            starts.push(next.ok_or("vectors_per_class is too large")?);
        }
        let vectors = starts.last().copied().unwrap_or(0);
        let list = |name, wanted: usize| match attributes.floats(name) {
            given if given.len() >= wanted => Ok(given[..wanted].to_vec()),
            given => Err(format!("{name} has {} entries, expected {wanted}", given.len())),
        };
        let coefficients = list("coefficients", (classes - 1).saturating_mul(vectors))?;
        let pairs = classes * (classes - 1) / 2;
        let rho = list("rho", pairs)?;
        let platt = match attributes.floats("prob_a").is_empty() && attributes.floats("prob_b").is_empty() {
            true => Vec::new(),
            false => list("prob_a", pairs)?.into_iter().zip(list("prob_b", pairs)?).collect(),
        };
        Ok(Self { classes, vectors, starts, coefficients, rho, platt })
    }

    fn count(&self) -> usize {
        self.rho.len()
    }

    /// Every pair of classes, in the order of the machines.
    fn each(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let classes = self.classes;
        (0..classes).flat_map(move |i| (i + 1..classes).map(move |j| (i, j)))
    }

    /// The score of each pair, above zero for the first of the two.
    fn margins(&self, kernels: &[f64]) -> Vec<f64> {
        let part = |class: usize, against: usize| {
            let range = self.starts[class]..self.starts[class + 1];
            let weights = &self.coefficients[against * self.vectors..][range.clone()];
            dot(&kernels[range], weights)
        };
        // A class has no weights against itself, so those against later ones stand a row higher.
        let margin = |((i, j), rho): ((usize, usize), &f32)| part(i, j - 1) + part(j, i) + f64::from(*rho);
        self.each().zip(&self.rho).map(margin).collect()
    }

    /// The class with most votes; the first of equals.
    fn vote(&self, margins: &[f64]) -> usize {
        let mut votes = vec![0.0; self.classes];
        for ((i, j), margin) in self.each().zip(margins) {
            votes[if *margin > 0.0 { i } else { j }] += 1.0;
        }
        argmax(&votes)
    }

    fn probabilities(&self, margins: &[f64]) -> Vec<f64> {
        const LEAST: f64 = 1e-7;
        let mut against = vec![0.0; self.classes * self.classes];
        for (((i, j), margin), (a, b)) in self.each().zip(margins).zip(&self.platt) {
            let first = 1.0 - logistic(margin * f64::from(*a) + f64::from(*b));
            let first = first.clamp(LEAST, 1.0 - LEAST);
            against[i * self.classes + j] = first;
            against[j * self.classes + i] = 1.0 - first;
        }
        couple(&against, self.classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_weighs_its_own_vectors() {
        let pairs = Pairs {
            classes: 3,
            vectors: 3,
            starts: vec![0, 1, 2, 3],
            coefficients: vec![1.0, 2.0, 3.0, 10.0, 20.0, 30.0],
            rho: vec![0.5, 0.25, -100.0],
            platt: vec![],
        };
        // Against each other: 0 and 1, 0 and 2, 1 and 2.
        let margins = pairs.margins(&[1.0, 1.0, 1.0]);
        assert_eq!(margins, [1.0 + 2.0 + 0.5, 10.0 + 3.0 + 0.25, 20.0 + 30.0 - 100.0]);
        assert_eq!(pairs.vote(&margins), 0);
        assert_eq!(pairs.vote(&[-1.0, -1.0, -1.0]), 2);
        assert_eq!(pairs.vote(&[1.0, -1.0, 1.0]), 0, "one vote each: the first");
    }
}
