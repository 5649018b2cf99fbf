//! The files of `tests/data/native` against the answers of the libraries that wrote them, and what
//! becomes of damaged ones.

use super::import;
use crate::engine::conformance::{Closeness, judge};
use crate::engine::{Extras, Format, LoadError, Loaded, Options, golden};
use crate::tensor::Tensor;
use proptest::prelude::*;
use std::path::PathBuf;

pub(super) const FILES: [&str; 18] = [
    "xgb-binary.json",
    "xgb-multi.ubj",
    "xgb-dart.json",
    "xgb-linear.json",
    "xgb-categories.json",
    "xgb-categories.ubj",
    "xgb-vector-leaf.json",
    "lgb-binary.txt",
    "lgb-multiclass.txt",
    "lgb-categories.txt",
    "lgb-zero-missing.txt",
    "lgb-forest.txt",
    "lgb-linear.txt",
    "cat-classes.json",
    "cat-quantile.json",
    "xgb-words.json",
    "xgb-words.ubj",
    "lgb-words.txt",
];

pub(super) fn read(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/native").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(super) fn format(name: &str) -> Format {
    name.rsplit('.').next().and_then(Format::of_extension).expect("a known ending")
}

fn load(name: &str, bytes: &[u8]) -> Result<Loaded, LoadError> {
    import(format(name), bytes, options(name), None)
}

/// All that the model can give.
pub(super) fn options(name: &str) -> Options {
    Options { extras: Extras { margin: true, leaf: name != "xgb-linear.json" }, double: false }
}

/// Replaces the one place where `from` stands.
fn replaced(name: &str, from: &str, to: &str) -> Result<Loaded, LoadError> {
    let text = String::from_utf8(read(name)).expect("a text");
    assert_eq!(text.matches(from).count(), 1, "{name}: {from}");
    load(name, text.replace(from, to).as_bytes())
}

fn refusal(loaded: Result<Loaded, LoadError>) -> String {
    loaded.err().expect("refused").to_string()
}

#[test]
fn every_file_answers_as_its_library_does() {
    for name in FILES {
        let loaded = load(name, &read(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let cases = golden::read(&read(&format!("{name}.golden.json")), loaded.model.signature());
        let cases = cases.unwrap_or_else(|error| panic!("{name}: {error}"));
        judge(loaded.model.as_ref(), &cases, Closeness::EXACT).unwrap_or_else(|words| panic!("{name}: {words}"));
    }
}

#[test]
fn outputs_and_columns_are_as_users_expect() {
    let loaded = load("xgb-binary.json", &read("xgb-binary.json")).expect("it loads");
    let signature = loaded.model.signature();
    let shown = |specs: &[crate::engine::TensorSpec]| -> Vec<String> {
        specs.iter().map(|spec| format!("{} {} {}", spec.name, spec.dtype, spec.shape_text())).collect()
    };
    assert_eq!(shown(&signature.inputs), ["input__0 FP32 [-1,3]"]);
    let outputs = ["output__0 FP32 [-1,2]", "label INT64 [-1]", "margin FP32 [-1,1]", "leaf INT64 [-1,3]"];
    assert_eq!(shown(&signature.outputs), outputs);
    assert!(signature.batchable());
    assert_eq!(loaded.model.columns(), ["age", "income", "plan"]);
    assert_eq!(loaded.choice.reason, "XGBoost 3.2.0, binary:logistic, 3 trees");
    let plain = import(Format::Text, &read("lgb-forest.txt"), Options::default(), None).expect("it loads");
    assert_eq!(shown(&plain.model.signature().outputs), ["output__0 FP32 [-1,1]"]);
}

#[test]
fn an_early_stopped_estimator_answers_with_its_best_trees() {
    let trees = |attributes: &str| {
        let loaded = replaced("xgb-binary.json", "\"attributes\":{}", &format!("\"attributes\":{{{attributes}}}"));
        loaded.map(|loaded| loaded.choice.reason)
    };
    let words = |count| Ok(format!("XGBoost 3.2.0, binary:logistic, {count} trees"));
    assert_eq!(trees("\"best_iteration\":\"1\",\"scikit_learn\":\"{}\""), words(2));
    // A Booster's predict uses all, wherever training would have done better to stop.
    assert_eq!(trees("\"best_iteration\":\"1\""), words(3));
    let outside = trees("\"best_iteration\":\"3\",\"scikit_learn\":\"{}\"").expect_err("three rounds are 0, 1 and 2");
    assert!(outside.to_string().contains("best_iteration is 3"), "{outside}");
}

#[test]
fn what_does_not_hang_together_is_refused_in_words() {
    let cases = [
        ("xgb-binary.json", "\"num_trees\":\"3\"", "\"num_trees\":\"4\"", "3 trees, but num_trees is 4"),
        ("xgb-binary.json", "\"tree_info\":[0,0,0]", "\"tree_info\":[0,0,9]", "target 9"),
        ("xgb-binary.json", "\"tree_info\":[0,0,0]", "\"tree_info\":[0,0]", "tree_info does not name tree 2"),
        ("xgb-binary.json", "\"name\":\"binary:logistic\"", "\"name\":\"mine\"", "objective 'mine' is not known"),
        ("xgb-binary.json", "\"id\":2", "\"id\":1", "two trees have the id 1"),
        ("xgb-binary.json", "\"num_feature\":\"3\",\"num_target\"", "\"num_feature\":\"1\",\"num_target\"", "column"),
        ("xgb-linear.json", "\"num_feature\":\"3\"", "\"num_feature\":\"2\"", "cannot have 4 weights"),
        ("xgb-dart.json", "\"name\":\"dart\"", "\"name\":\"gbforest\"", "booster 'gbforest'"),
        ("lgb-binary.txt", "max_feature_idx=2", "max_feature_idx=7", "3 feature_names, but max_feature_idx is 7"),
        ("lgb-binary.txt", "objective=binary", "objective=mine", "objective 'mine' is not known"),
        ("lgb-binary.txt", "Tree=1\nnum_leaves=4", "Tree=1\nnum_leaves=5", "tree 1: 'leaf_value' has 4 entries"),
        ("lgb-binary.txt", "Tree=2\nnum_leaves=4", "Tree=2\nnum_leaves=9999999999999", "tree 2: 'leaf_value' has 4"),
    ];
    for (name, from, to, words) in cases {
        let said = refusal(replaced(name, from, to));
        assert!(said.contains(words), "{name}, {to}: {said}");
    }
    let text = String::from_utf8(read("lgb-binary.txt")).expect("a text");
    let third = text.find("Tree=2").expect("three trees");
    let said = refusal(load("lgb-binary.txt", &text.as_bytes()[..third]));
    assert!(said.contains("tree_sizes tells of 3 trees, but there are 2"), "{said}");
    assert!(refusal(import(Format::Json, b"{\"cases\": []}", Options::default(), None)).contains("'learner'"));
    let words = "{\"features_info\": {\"categorical_features\": []}}";
    let said = refusal(import(Format::Json, words.as_bytes(), Options::default(), None));
    assert!(said.contains("CatBoost: the model has categorical columns"), "{said}");
    assert!(refusal(import(Format::Text, b"notes", Options::default(), None)).contains("first line is not 'tree'"));
    let options = Options { extras: Extras { margin: false, leaf: true }, double: false };
    assert!(refusal(import(Format::Json, &read("xgb-linear.json"), options, None)).contains("no leaves"));
}

#[test]
fn wide_rows_cost_no_memory_until_a_request_brings_one() {
    let wide = "\"num_feature\":\"200000000\",\"num_target\"";
    let loaded = replaced("xgb-binary.json", "\"num_feature\":\"3\",\"num_target\"", wide).expect("it loads");
    assert_eq!(loaded.model.signature().inputs[0].row_elements(), Some(200_000_000));
}

#[test]
fn no_cut_file_is_taken_for_a_whole_one() {
    for name in FILES {
        let whole = read(name);
        let needed = match format(name) {
            // What follows the trees is for training.
            Format::Text => whole.windows(12).position(|at| at == b"end of trees").expect("trees end") + 12,
            _ => whole.trim_ascii_end().len(),
        };
        let kept: Vec<usize> = (0..needed).filter(|end| load(name, &whole[..*end]).is_ok()).collect();
        assert!(kept.is_empty(), "{name}: {kept:?} of {needed}");
    }
}

/// One blow to a file.
#[derive(Clone, Debug)]
enum Damage {
    Cut(usize),
    Byte(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Insert(usize, &'static str),
}

const WORDS: [&str; 12] =
    ["-1", "0", "7", "4294967295", "99999999999999999999", "1e999", "NaN", "[", "{", "]", "\n", " 3 1 2 "];

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>().prop_map(|at| at.index(8192));
    prop_oneof![
        1 => at.clone().prop_map(Damage::Cut),
        4 => (at.clone(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        2 => (at.clone(), 1usize..40).prop_map(|(at, count)| Damage::Remove(at, count)),
        2 => (at.clone(), 1usize..40).prop_map(|(at, count)| Damage::Repeat(at, count)),
        4 => (at, prop::sample::select(&WORDS[..])).prop_map(|(at, word)| Damage::Insert(at, word)),
    ]
}

fn damaged(mut bytes: Vec<u8>, blows: &[Damage]) -> Vec<u8> {
    for blow in blows {
        let place = |at: &usize| at % bytes.len().max(1);
        match blow {
            Damage::Cut(at) => bytes.truncate(place(at)),
            Damage::Byte(at, byte) => {
                let at = place(at);
                if let Some(slot) = bytes.get_mut(at) {
                    *slot = *byte;
                }
            }
            Damage::Remove(at, count) => {
                let at = place(at);
                drop(bytes.drain(at..(at + count).min(bytes.len())));
            }
            Damage::Repeat(at, count) => {
                let at = place(at);
                let again = bytes[at..(at + count).min(bytes.len())].to_vec();
                drop(bytes.splice(at..at, again));
            }
            Damage::Insert(at, word) => {
                let at = place(at).min(bytes.len());
                drop(bytes.splice(at..at, word.bytes()));
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// It loads or it is refused; and what loads can be run.
    #[test]
    fn damaged_files_end_in_an_answer(
        name in prop::sample::select(&FILES[..]),
        blows in prop::collection::vec(damage(), 1..4),
    ) {
        let Ok(loaded) = load(name, &damaged(read(name), &blows)) else { return Ok(()) };
        let width = loaded.model.signature().inputs[0].row_elements().expect("a fixed width");
        let values = [f32::NAN, -1.0, 0.0, 2.5, 1e30, f32::INFINITY, -0.5];
        let rows = values.iter().cycle().take(7 * width).copied().collect();
        let rows = Tensor::of([7, width], rows).expect("it fits");
        let outputs = loaded.model.session().expect("a session").run(&[rows]).expect("an answer");
        prop_assert_eq!(outputs.len(), loaded.model.signature().outputs.len());
    }
}
