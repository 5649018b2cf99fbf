//! Outputs that models of trees give beside their answer, to those who ask for them.

use super::{Dim, TensorSpec};
use crate::tensor::DType;

/// Which of them are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// The scores before the objective's link: `margin`, FP32, rows x targets.
    pub margin: bool,
    /// The leaf that a row reaches in each tree: `leaf`, INT64, rows x trees.
    pub leaf: bool,
}

impl Extras {
    pub const NONE: Self = Self { margin: false, leaf: false };
    /// Their names, in the order in which they are answered.
    pub const NAMES: [&'static str; 2] = ["margin", "leaf"];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "margin" => Some(Self { margin: true, leaf: false }),
            "leaf" => Some(Self { margin: false, leaf: true }),
            _ => None,
        }
    }

    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    pub fn and(self, other: Self) -> Self {
        Self { margin: self.margin || other.margin, leaf: self.leaf || other.leaf }
    }

    pub fn both(self, other: Self) -> Self {
        Self { margin: self.margin && other.margin, leaf: self.leaf && other.leaf }
    }

    pub fn without(self, other: Self) -> Self {
        Self { margin: self.margin && !other.margin, leaf: self.leaf && !other.leaf }
    }

    pub fn has(self, name: &str) -> bool {
        Self::named(name).is_some_and(|named| self.and(named) == self)
    }

    /// Those whose names no output has.
    pub fn beside(outputs: &[TensorSpec]) -> Self {
        let free = |name: &str| !outputs.iter().any(|spec| spec.name == name);
        Self { margin: free("margin"), leaf: free("leaf") }
    }

    /// A number of two bits that no other set has.
    pub fn bits(self) -> u64 {
        u64::from(self.margin) | u64::from(self.leaf) << 1
    }

    /// What they hold for a model of so many scores a row and so many trees.
    pub fn specs(self, targets: usize, trees: usize) -> impl Iterator<Item = TensorSpec> {
        let spec = |name, dtype, width| TensorSpec::new(name, dtype, vec![Dim::Any(None), Dim::Fixed(width)]);
        let margin = self.margin.then(|| spec("margin", DType::F32, targets));
        margin.into_iter().chain(self.leaf.then(|| spec("leaf", DType::I64, trees)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_of_the_set() {
        let each = Extras::NAMES.map(|name| Extras::named(name).expect("a name"));
        let all = each.into_iter().fold(Extras::NONE, Extras::and);
        assert_eq!(all, Extras { margin: true, leaf: true });
        let specs = |extras: Extras| extras.specs(3, 5).collect::<Vec<TensorSpec>>();
        let shown: Vec<String> = specs(all).iter().map(|spec| format!("{}{}", spec.name, spec.shape_text())).collect();
        assert_eq!(shown, ["margin[-1,3]", "leaf[-1,5]"]);
        for (name, one) in Extras::NAMES.into_iter().zip(each) {
            assert!(one.has(name) && all.has(name) && !all.without(one).has(name) && !Extras::NONE.has(name));
        }
        assert_eq!((all.both(each[0]), each[0].both(each[1])), (each[0], Extras::NONE));
        assert_eq!((Extras::beside(&[]), Extras::beside(&specs(each[0]))), (all, each[1]));
        assert_eq!((Extras::named("shap"), all.has("shap")), (None, false));
        let sets = [Extras::NONE, each[0], each[1], all].map(Extras::bits);
        assert_eq!(sets, [0, 1, 2, 3]);
    }
}
