//! Trees of files on disk, and what is found in them.

use super::*;

fn tree(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, b"x").expect("written");
    }
    dir
}

fn names(found: &Found) -> Vec<(String, Vec<u64>)> {
    found.models.iter().map(|(name, model)| (name.to_string(), model.versions.keys().map(|v| v.0).collect())).collect()
}

#[test]
fn a_tree_a_model_and_a_file_are_all_found() {
    let dir = tree(&[
        "churn/1/model.onnx",
        "churn/2/model.onnx",
        "churn/3.tmp/model.onnx",
        "churn/model.toml",
        "digits.onnx",
        "README.md",
        "notes/text.md",
        ".hidden/1/model.onnx",
        "churn/..data/model.onnx",
    ]);
    let whole = find(&[dir.path().to_owned()]);
    assert_eq!(names(&whole), [("churn".into(), vec![1, 2]), ("digits".into(), vec![1])]);
    assert_eq!(names(&find(&[dir.path().join("churn")])), [("churn".into(), vec![1, 2])]);
    assert_eq!(names(&find(&[dir.path().join("digits.onnx")])), [("digits".into(), vec![1])]);
    let gone = find(&[dir.path().join("nowhere")]);
    assert_eq!((names(&gone), gone.unreadable.len()), (vec![], 1));
}

#[test]
fn one_version_and_a_flat_model_are_found() {
    let dir = tree(&[
        "churn/1/model.onnx",
        "churn/2/model.onnx",
        "churn/2/golden.json",
        "flat/model.onnx",
        "flat/golden.json",
    ]);
    let two = find(&[dir.path().join("churn/2")]);
    assert_eq!(names(&two), [("churn".into(), vec![2])]);
    let flat = find(&[dir.path().to_owned()]);
    assert_eq!(names(&flat), [("churn".into(), vec![1, 2]), ("flat".into(), vec![1])]);
    let files = |found: &Found, name: &str| found.models[name].versions.values().last().map(|v| v.files.len());
    assert_eq!((files(&two, "churn"), files(&flat, "flat")), (Some(2), Some(2)));
}

#[test]
fn tree_files_are_found_by_their_names() {
    let dir = tree(&["a/1/model.ubj", "a/2/model.txt", "b/model.json", "c.ubj", "d.json", "e.txt"]);
    let whole = find(&[dir.path().to_owned()]);
    let expected = [("a".into(), vec![1, 2]), ("b".into(), vec![1]), ("c".into(), vec![1])];
    assert_eq!(names(&whole), expected);
    // A bare file of a common kind has to be named itself.
    let named = find(&[dir.path().join("d.json")]);
    assert_eq!(names(&named), [("d".into(), vec![1])]);
    let file = named.models["d"].versions[&VersionNumber(1)].model_file().map(|file| file.name.clone());
    assert_eq!(file.as_deref(), Some("model.json"));
    assert_eq!(names(&find(&[dir.path().join("a/2")])), [("a".into(), vec![2])]);
}

#[test]
fn a_stamp_sees_a_rewrite() {
    let dir = tree(&["m/1/model.onnx"]);
    let before = find(&[dir.path().to_owned()]);
    fs::write(dir.path().join("m/1/model.onnx"), b"yy").expect("written");
    assert_ne!(before.models, find(&[dir.path().to_owned()]).models);
}

#[test]
fn names_that_would_break_a_url_are_not_models() {
    assert!(ModelName::new("churn-v2.1_x").is_some());
    for bad in ["", "a b", "a/b", "../x", "é", &"x".repeat(200)] {
        assert!(ModelName::new(bad).is_none(), "{bad}");
    }
}
