//! What is read from good files: kinds, nulls, counts, the choice of columns.

use super::{built, built_by, categorical, numeric, sample};
use crate::monitor::column::{Column, Kind, Role};
use crate::monitor::reference::{Choice, input_names, open};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;

const PEOPLE: &str = "age,plan,active,score\n\
    31,basic,True,0.5\n\
    ,plus,False,NaN\n\
    NA,basic,True,inf\n\
    47,null,,-0.0\n\
    47,basic,True,-inf\n";

#[test]
fn csv_tells_kinds_and_nulls() {
    let profile = built("people.csv", PEOPLE);
    assert_eq!(profile.rows, 5);
    let age = numeric(&profile, "age");
    assert_eq!((age.finite, age.null, age.nan, age.zero), (3, 2, 0, 0));
    assert_eq!((age.min, age.max, age.mean), (Some(31.0), Some(47.0), Some(125.0 / 3.0)));
    assert!((age.deviation().expect("of three") - 256.0f64.mul_add(1.0 / 3.0, 0.0).sqrt()).abs() < 1e-12);
    assert_eq!((&age.edges, &age.counts), (&vec![23.0, 39.0, 55.0], &vec![0, 1, 2, 0]));
    let plan = categorical(&profile, "plan");
    assert_eq!((plan.values.join(" "), &plan.counts, plan.null), ("basic plus".into(), &vec![3, 1], 1));
    assert_eq!((plan.shortest, plan.longest, plan.other), (Some(4), Some(5), 0));
    let active = categorical(&profile, "active");
    assert_eq!((active.values.join(" "), active.null), ("True False".into(), 1));
    let score = numeric(&profile, "score");
    assert_eq!((score.finite, score.nan, score.pos_inf, score.neg_inf, score.null, score.zero), (2, 1, 1, 1, 0, 1));
}

#[test]
fn columns_are_named_by_data_of_every_kind() {
    let names = |name: &str, bytes: &[u8]| input_names(&sample(name, bytes).path);
    let wanted = ["age", "plan", "active", "score"];
    assert_eq!(names("reference.csv", PEOPLE.as_bytes()), wanted);
    assert_eq!(names("reference.csv", PEOPLE.replace(',', ";").as_bytes()), wanted);
    assert_eq!(names("reference.tsv", PEOPLE.replace(',', "\t").as_bytes()), wanted);
    let lines = "\n{\"age\": 1, \"plan\": {\"a\": [1]}, \"active\": true, \"score\": null}\n{\"other\": 2}\nno JSON";
    assert_eq!(names("reference.jsonl", lines.as_bytes()), wanted, "the first row tells them");
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(lines.as_bytes()).expect("packed");
    assert_eq!(names("reference.jsonl.gz", &packed.finish().expect("packed")), wanted);
    for (name, bytes) in [
        ("reference.csv", &b""[..]),
        ("reference.csv", b"1,2,3\n"),
        ("reference.csv", b"a,a\n"),
        ("reference.jsonl", b"\n \n"),
        ("reference.jsonl", b"[1]"),
        ("reference.parquet", b"PAR1"),
        ("reference.json", b"{}"),
        ("reference.txt", b"a,b"),
    ] {
        assert_eq!(names(name, bytes), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn json_lines_tell_the_same_as_csv() {
    let lines = "{\"age\": 31, \"plan\": \"basic\", \"score\": 0.5}\n\
        {\"plan\": \"plus\", \"score\": NaN}\n\n\
        {\"score\": Infinity, \"age\": null, \"plan\": \"basic\"}\n\
        {\"age\": 47, \"plan\": null, \"score\": -0.0}\n\
        {\"age\": 47, \"plan\": \"basic\", \"score\": -Infinity}";
    let (lines, csv) = (built("people.jsonl", lines), built("people.csv", PEOPLE));
    assert_eq!(lines.rows, csv.rows);
    for name in ["age", "score"] {
        assert_eq!(numeric(&lines, name), numeric(&csv, name));
    }
    assert_eq!(categorical(&lines, "plan"), categorical(&csv, "plan"));
}

#[test]
fn packed_files_are_unpacked_and_other_delimiters_are_seen() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(PEOPLE.as_bytes()).expect("packed");
    let plain = built("people.csv", PEOPLE);
    assert_eq!(built("people.csv.gz", packed.finish().expect("packed")).columns, plain.columns);
    assert_eq!(built("people.csv", PEOPLE.replace(',', ";")).columns, plain.columns);
    assert_eq!(built("people.tsv", PEOPLE.replace(',', "\t")).columns, plain.columns);
    assert_eq!(built("people.csv", format!("\u{feff}{PEOPLE}")).columns, plain.columns);
    assert_eq!(built("people.csv", PEOPLE.replace('\n', "\r\n")).columns, plain.columns);
}

#[test]
fn a_few_texts_among_numbers_are_mistakes_and_many_make_a_column_of_texts() {
    let with = |texts: usize| {
        let rows = (0..100).map(|at| if at < texts { "oops\n".to_owned() } else { format!("{at}\n") });
        built("x.csv", format!("x\n{}", rows.collect::<String>()))
    };
    assert_eq!(numeric(&with(5), "x").type_error, 5);
    assert_eq!(categorical(&with(6), "x").type_error, 0);
}

#[test]
fn every_row_is_counted_where_texts_are_too_many_to_keep() {
    let rows: String =
        (0..20_000).map(|at| format!("{}\n", if at % 4 == 0 { "often".into() } else { format!("id{at}") })).collect();
    let profile = built("x.csv", format!("x\n{rows}"));
    let ids = categorical(&profile, "x");
    assert_eq!((ids.values.first().map(String::as_str), ids.counts.first()), (Some("often"), Some(&5000)));
    assert_eq!((ids.present, ids.values.len()), (20_000, 255));
    assert_eq!(ids.counts.iter().sum::<u64>() + ids.other, 20_000);
    assert!((ids.distinct - 15_001.0).abs() < 0.06 * 15_001.0, "{}", ids.distinct);
}

#[test]
fn the_same_file_gives_the_same_profile() {
    let rows: String = (0..50_000u64).map(|at| format!("{}\n", at * 7919 % 100_003)).collect();
    let text = format!("x\n{rows}");
    let (a, b) = (built("x.csv", &text), built("x.csv", &text));
    assert_eq!((&a.id, &numeric(&a, "x").edges), (&b.id, &numeric(&b, "x").edges));
    assert_ne!(a.id, built("x.csv", text.replace("\n7919\n", "\n7920\n")).id);
    let counts = &numeric(&a, "x").counts;
    let (least, most) = (counts.iter().min().expect("cells"), counts.iter().max().expect("cells"));
    assert!(counts.len() == 120 && *least > 380 && *most < 460, "{least} to {most} in {} cells", counts.len());
}

#[test]
fn columns_may_be_chosen_left_out_and_called_outputs() {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let people = sample("people.csv", PEOPLE);
    let choice = Choice { without: list(&["plan"]), outputs: list(&["score"]), ..Choice::default() };
    let profile = built_by(&people, &choice).expect("a good file").profile;
    let found: Vec<_> = profile.columns.iter().map(|column| (column.name.as_str(), column.role)).collect();
    assert_eq!(found, [("age", Role::Input), ("active", Role::Input), ("score", Role::Output)]);
    let choice = Choice { only: Some(list(&["age", "wage"])), ..Choice::default() };
    let error = built_by(&people, &choice).expect_err("no such column").to_string();
    assert!(error.ends_with("people.csv: no column 'wage' there"), "{error}");
}

#[test]
fn a_model_takes_its_columns_as_its_own_kinds() {
    let column = |name: &str, kind| Column { name: name.into(), role: Role::Input, kind };
    let model = [column("active", Kind::Numeric), column("age", Kind::Categorical), column("wage", Kind::Numeric)];
    let people = sample("people.csv", PEOPLE);
    let built = open(&people.path, &model, &mut |_, _| {}).expect("a good file");
    assert_eq!(numeric(&built.profile, "active").counts, [0, 1, 3, 0]);
    assert_eq!(categorical(&built.profile, "age").values, ["47", "31"]);
    let notes =
        ["columns that the model does not have: plan, score", "columns of the model that it does not have: wage"];
    assert_eq!(built.notes, notes);
    let none = [column("wage", Kind::Numeric)];
    let error = open(&people.path, &none, &mut |_, _| {}).expect_err("nothing in common").to_string();
    assert!(error.ends_with("people.csv: it has none of the columns that are wanted"), "{error}");
}

#[test]
fn columns_of_lists_are_left_out_with_a_note() {
    let lines = sample("x.jsonl", "{\"a\": 1, \"b\": [1, 2], \"c\": {\"d\": 1}}\n");
    let built = built_by(&lines, &Choice::default()).expect("a good file");
    assert_eq!(built.profile.columns.len(), 1);
    assert_eq!(built.notes, ["columns of lists or objects are left out: b, c"]);
}

#[test]
fn progress_ends_where_it_said_it_would() {
    let people = sample("people.csv", PEOPLE);
    let mut seen = Vec::new();
    crate::monitor::reference::build(&people.path, &Choice::default(), &mut |done, all| seen.push((done, all)))
        .expect("a good file");
    assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{seen:?}");
    let all = 3 * PEOPLE.len() as u64;
    assert_eq!(seen.last(), Some(&(all, all)));
}

proptest! {
    /// Counting by hand, cell by cell, gives the counts of the profile.
    #[test]
    fn counts_are_exact(values in prop::collection::vec(prop_oneof![
        (-5i8..5).prop_map(f64::from), -1e3f64..1e3, prop::num::f64::NORMAL | prop::num::f64::ZERO,
    ], 1..400)) {
        let rows: String = values.iter().map(|value| format!("{value:e}\n")).collect();
        let profile = built("x.csv", format!("x\n{rows}"));
        let x = numeric(&profile, "x");
        prop_assert!(x.edges.windows(2).all(|pair| pair[0] < pair[1]));
        let mut by_hand = vec![0u64; x.edges.len() + 1];
        values.iter().for_each(|value| by_hand[x.edges.iter().filter(|edge| *edge < value).count()] += 1);
        prop_assert_eq!(&x.counts, &by_hand);
        prop_assert_eq!(x.finite, values.len() as u64);
    }
}
