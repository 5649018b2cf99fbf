//! Profiles written and read back, and what is said of those that were damaged in between.

use super::{built, sample};
use crate::monitor::column::{Column, Kind, Role};
use crate::monitor::reference::{Profile, open, parse};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::LazyLock;

fn profile() -> Profile {
    let rows: String = (0..500).map(|at| format!("{at},{},{}\n", at % 3, ["red", "green"][at % 2])).collect();
    built("x.csv", format!("x,few,color\n{rows}"))
}

fn document() -> Value {
    serde_json::from_str(&profile().to_json()).expect("JSON")
}

#[test]
fn what_is_written_is_read_back() {
    let profile = profile();
    assert_eq!(parse(profile.to_json().as_bytes()), Ok(profile.clone()));
    assert_eq!(profile.id.len(), 64);
    let kept = sample("reference.json", profile.to_json());
    let column = Column { name: "few".into(), role: Role::Input, kind: Kind::Numeric };
    let opened = open(&kept.path, &[column], &mut |_, _| {}).expect("a good profile");
    assert_eq!(opened.profile, profile);
    assert_eq!(opened.notes, ["columns that the model does not have: x, color"]);
}

#[test]
fn a_damaged_profile_is_refused_with_its_field() {
    // A pointer into the document, what is put there, what is said of it.
    let cases = [
        (
            "/schema",
            "\"tidegate.reference/9\"",
            "field 'schema': expected 'tidegate.reference/1', got 'tidegate.reference/9'",
        ),
        ("/rows", "-1", "field 'rows': expected a whole number of at least 0, got -1"),
        (
            "/rows",
            "501",
            "column 'x': fields finite + null + nan + pos_inf + neg_inf + type_error: expected a sum of 501, got 500",
        ),
        ("/effective_rows", "501", "field 'effective_rows': expected a number above 0, at most 500, got 501"),
        ("/effective_rows", "0", "field 'effective_rows': expected a number above 0, at most 500, got 0"),
        ("/source", "7", "source: the whole: expected an object, got 7"),
        ("/source/kind", "\"disk\"", "source: field 'kind': expected one of file, window, got \"disk\""),
        ("/columns", "{}", "field 'columns': expected a list, got {}"),
        (
            "/columns/0/role",
            "\"label\"",
            "column 'x': field 'role': expected one of input, output, latency, got \"label\"",
        ),
        ("/columns/1/name", "\"x\"", "columns[1]: field 'name': expected each name once, got 'x' again"),
        ("/columns/0/edges/3", "-1e9", "column 'x': field 'edges': expected finite numbers that increase, got edge 3 "),
        ("/columns/0/edges/3", "null", "column 'x': field 'edges': expected numbers, got null"),
        ("/columns/0/counts/0", "3.5", "column 'x': field 'counts': expected whole numbers of at least 0, got 3.5"),
        ("/columns/0/counts/0", "0", "column 'x': fields counts: expected a sum of 500, got "),
        (
            "/columns/0/counts/0",
            "18446744073709551615",
            "column 'x': fields counts: expected a sum of 500, got more than",
        ),
        (
            "/columns/0/nan",
            "3",
            "column 'x': fields finite + null + nan + pos_inf + neg_inf + type_error: expected a sum of 500, got 503",
        ),
        ("/columns/0/min", "null", "column 'x': field 'min': expected a number, as there are finite values, got none"),
        ("/columns/0/quantiles", "\"!\"", "column 'x': field 'quantiles': expected base64, got "),
        ("/columns/0/quantiles", "\"AAAA\"", "column 'x': field 'quantiles': expected a sketch of quantiles, got "),
        ("/columns/2/values/0", "1", "column 'color': field 'values': expected a list of texts, got [1,\"red\"]"),
        ("/columns/2/values/0", "\"red\"", "column 'color': field 'values': expected each value once, got 'red' twice"),
        ("/columns/2/counts", "[500]", "column 'color': field 'counts': expected 2 counts, one per value, got 1"),
        ("/columns/2/other", "1", "column 'color': fields counts + other: expected a sum of 500, got 501"),
    ];
    for (pointer, put, words) in cases {
        let mut document = document();
        *document.pointer_mut(pointer).expect(pointer) = serde_json::from_str(put).expect("JSON");
        let refused = parse(document.to_string().as_bytes()).expect_err(pointer).to_string();
        assert!(refused.starts_with(words), "{pointer}: expected {words}\n got {refused}");
    }
}

#[test]
fn every_field_is_missed_by_name() {
    let whole = document();
    let optional = ["mean", "m2", "q001", "q999", "quantiles", "sha256", "shortest", "longest"];
    let names =
        |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    for place in ["", "/source", "/columns/0", "/columns/2"] {
        for name in names(whole.pointer(place).expect("there")) {
            let mut document = whole.clone();
            document.pointer_mut(place).and_then(Value::as_object_mut).expect("an object").remove(&name);
            match parse(document.to_string().as_bytes()) {
                Ok(_) => assert!(optional.contains(&name.as_str()), "{place}/{name} is not missed"),
                Err(fault) => assert!(fault.to_string().contains(&format!("'{name}'")), "{name}: {fault}"),
            }
        }
    }
}

#[test]
fn an_opened_profile_that_is_damaged_is_refused_by_file() {
    let text = profile().to_json();
    let cut = sample("reference.json", &text[..text.len() / 2]);
    let error = open(&cut.path, &[], &mut |_, _| {}).expect_err("cut short").to_string();
    assert!(error.contains("reference.json: byte ") && error.ends_with("got the end of the text"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_panic(at in any::<prop::sample::Index>(), put in any::<u8>(), cut in any::<prop::sample::Index>()) {
        static TEXT: LazyLock<String> = LazyLock::new(|| profile().to_json());
        let mut bytes = TEXT.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = put;
        let _ = parse(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(parse(&bytes).is_err());
    }
}
