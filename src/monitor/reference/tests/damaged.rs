//! Files that are wrong, each refused in words that name the place.

use super::{built, refused, sample};
use crate::monitor::reference::{Choice, build};
use std::path::Path;

#[test]
fn csv_that_is_wrong_is_refused_with_its_line() {
    let cases: [(&[u8], &str); 9] = [
        (b"", "it is empty: a header is expected"),
        (b"a,b\n", "it has no rows"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: expected 2 fields, as in the header, got 3"),
        (b"a,b\n1,2\n1\n", "line 3: expected 2 fields, as in the header, got 1"),
        (b"a,a\n1,2\n", "the header names column 'a' twice"),
        (b"1,2\n3,4\n", "line 1: expected a header with the names of columns, got numbers only"),
        (b"a,\n3,4\n", "name of column 2: expected a name, got nothing"),
        (b"a,\xff\n3,4\n", "name of column 2: expected UTF-8 text, got "),
        (b"a,b\n1,x\n1,\xe4\xf6\n", "line 3, column 'b': expected UTF-8 text, got "),
    ];
    for (bytes, words) in cases {
        let refused = refused("x.csv", bytes);
        assert!(refused.starts_with(words), "expected {words}, got {refused}");
    }
}

#[test]
fn json_lines_that_are_wrong_are_refused_with_their_line() {
    let cases: [(&str, &str); 6] = [
        ("", "it has no rows"),
        ("{\"a\": 1}\n{\"a\": }\n", "line 2, byte 6: expected a value, got }"),
        ("[1, 2]\n", "line 1, byte 0: expected an object, got [1, 2]"),
        ("{\"a\": 1} x\n", "line 1, byte 9: expected the end of the text, got x"),
        ("{\"a\": 1, \"a\": 2}\n", "line 1: expected each name once, got 'a' twice"),
        ("{\"\": 1}\n", "name of column 1: expected a name, got nothing"),
    ];
    for (text, words) in cases {
        let refused = refused("x.jsonl", text);
        assert!(refused.starts_with(words), "expected {words}, got {refused}");
    }
    assert!(
        refused("x.jsonl", "[".repeat(1000)).contains("nested") || !refused("x.jsonl", "[".repeat(1000)).is_empty()
    );
}

#[test]
fn a_row_without_end_is_refused_and_a_long_one_is_not() {
    let endless = format!("a,b\n1,\"{}", "x".repeat(17 << 20));
    assert!(refused("x.csv", &endless).contains("is longer than 16777216 bytes"), "{}", refused("x.csv", &endless));
    let endless = format!("{{\"a\": \"{}", "x".repeat(17 << 20));
    assert_eq!(refused("x.jsonl", endless), "line 1 is longer than 16777216 bytes: is a quote or a line never closed?");
    let long = format!("a,b\n1,{0}\n2,{0}\n", "y".repeat(1 << 20));
    let profile = built("x.csv", long);
    let texts = super::categorical(&profile, "b");
    assert_eq!((texts.present, texts.other, texts.values.len(), texts.longest), (2, 2, 0, Some(1 << 20)));
}

#[test]
fn too_many_columns_are_refused() {
    let header: Vec<String> = (0..2049).map(|at| format!("c{at}")).collect();
    let words = refused("x.csv", format!("{}\n", header.join(",")));
    assert!(words.starts_with("more than 2048 columns"), "{words}");
    let long = format!("{}\n1\n", "n".repeat(257));
    assert!(refused("x.csv", long).starts_with("name of column 1 is longer than 256 bytes"));
}

#[test]
fn files_that_are_not_there_or_of_no_known_kind_are_refused_by_name() {
    let words =
        |path: &str| build(Path::new(path), &Choice::default(), &mut |_, _| {}).expect_err("no such file").to_string();
    assert!(words("/nowhere/x.csv").starts_with("/nowhere/x.csv: cannot be read: "));
    let text = sample("x.txt", "a\n1\n");
    let error = build(&text.path, &Choice::default(), &mut |_, _| {}).expect_err("no data").to_string();
    assert!(error.contains("x.txt: expected a name that ends in .csv, .tsv, .jsonl"), "{error}");
    let directory = text.path.parent().expect("a directory").join("x.csv");
    std::fs::create_dir(&directory).expect("made");
    let error = build(&directory, &Choice::default(), &mut |_, _| {}).expect_err("a directory").to_string();
    assert!(error.ends_with("x.csv: expected a file"), "{error}");
}

#[test]
fn packed_files_that_are_cut_are_refused() {
    let words = refused("x.csv.gz", b"\x1f\x8b\x08\x00\x00");
    assert!(words.starts_with("cannot be read: "), "{words}");
}
