//! TreeEnsemble of `ai.onnx.ml` 5, written as a file holds it.

use super::super::onnx5::tree_ensemble;
use super::super::{Forest, Rows};
use crate::engine::onnx::{Attributes, pb};
use pb::attribute_proto::AttributeType;
use pb::tensor_proto::DataType;

/// Two trees over three columns: `x0 <= 1 ? leaf 0 : (x1 in {2, 5} ? leaf 1 : leaf 2)`, and
/// `x2 != 4 ? leaf 3 : leaf 0`.
struct File {
    features: Vec<i64>,
    splits: Vec<f32>,
    modes: Vec<u8>,
    yes: Vec<(i64, bool)>,
    no: Vec<(i64, bool)>,
    roots: Vec<i64>,
    members: Vec<f32>,
}

fn file() -> File {
    File {
        features: vec![0, 1, 2],
        splits: vec![1.0, 0.0, 4.0],
        modes: vec![0, 6, 5],
        yes: vec![(0, true), (1, true), (3, true)],
        no: vec![(1, false), (2, true), (0, true)],
        roots: vec![0, 2],
        members: vec![5.0, 2.0, f32::NAN],
    }
}

impl File {
    fn attributes(&self) -> Attributes {
        let ids = |side: &[(i64, bool)]| side.iter().map(|(id, _)| *id).collect();
        let leafs = |side: &[(i64, bool)]| side.iter().map(|(_, leaf)| i64::from(*leaf)).collect();
        let mut protos = vec![
            ints("nodes_featureids", self.features.clone()),
            floats("nodes_splits", &self.splits),
            floats("membership_values", &self.members),
            floats("leaf_weights", &[1.0, 10.0, 100.0, 1000.0]),
            ints("leaf_targetids", vec![0; 4]),
            ints("nodes_truenodeids", ids(&self.yes)),
            ints("nodes_trueleafs", leafs(&self.yes)),
            ints("nodes_falsenodeids", ids(&self.no)),
            ints("nodes_falseleafs", leafs(&self.no)),
            ints("tree_roots", self.roots.clone()),
        ];
        let raw_data = self.modes.clone();
        protos.push(tensor("nodes_modes", DataType::Uint8, self.modes.len(), |proto| proto.raw_data = raw_data));
        Attributes::new(&protos)
    }

    fn refused(&self) -> String {
        tree_ensemble(&self.attributes()).and_then(|ensemble| Forest::new(&ensemble)).expect_err("broken")
    }
}

fn ints(name: &str, ints: Vec<i64>) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), r#type: AttributeType::Ints as i32, ints, ..Default::default() }
}

fn floats(name: &str, values: &[f32]) -> pb::AttributeProto {
    tensor(name, DataType::Float, values.len(), |proto| proto.float_data = values.to_vec())
}

fn tensor(name: &str, kind: DataType, len: usize, fill: impl FnOnce(&mut pb::TensorProto)) -> pb::AttributeProto {
    let mut proto = pb::TensorProto { dims: vec![len as i64], data_type: kind as i32, ..Default::default() };
    fill(&mut proto);
    let (name, kind) = (name.into(), AttributeType::Tensor as i32);
    pb::AttributeProto { name, r#type: kind, t: Some(proto), ..Default::default() }
}

#[test]
fn members_and_numbers_that_differ_find_their_leaves() {
    let forest = Forest::new(&tree_ensemble(&file().attributes()).expect("a file")).expect("a forest");
    let cases = [
        ([0.0, 0.0, 0.0], 1001.0),
        ([2.0, 5.0, 4.0], 11.0),
        ([2.0, 2.0, f32::NAN], 1010.0),
        ([2.0, 2.5, 4.0], 101.0),
        ([f32::NAN, f32::NAN, 4.0], 101.0),
    ];
    for (row, want) in cases {
        let mut score = [0.0];
        forest.score(Rows::F32(&row), &mut score);
        assert_eq!(score, [want], "{row:?}");
    }
}

#[test]
fn broken_files_are_refused_with_a_reason() {
    assert!(File { roots: vec![9], ..file() }.refused().contains("node 9"));
    assert!(File { roots: vec![0, 1], ..file() }.refused().contains("two parents"));
    assert!(File { no: vec![(0, false), (2, true), (0, true)], ..file() }.refused().contains("circle"));
    assert!(File { yes: vec![(4, true), (1, true), (3, true)], ..file() }.refused().contains("leaf 4"));
    assert!(File { yes: vec![(-1, true), (1, true), (3, true)], ..file() }.refused().contains("leaf -1"));
    assert!(File { modes: vec![0, 7, 5], ..file() }.refused().contains("branch mode 7"));
    assert!(File { modes: vec![6, 6, 6], ..file() }.refused().contains("fewer sets"));
    assert!(File { features: vec![0, -1, 2], ..file() }.refused().contains("negative"));
    assert!(File { splits: vec![f32::NAN, 0.0, 4.0], ..file() }.refused().contains("NaN"));
    assert!(File { roots: vec![], ..file() }.refused().contains("tree_roots"));
}
