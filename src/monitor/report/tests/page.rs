//! The page: complete in itself, small, well formed, safe with any name.

use super::{columns, named_report, report};
use crate::monitor::report::html;

/// Elements that have no end.
const VOID: [&str; 1] = ["meta"];

/// Every element that is opened is closed, in order. Answers their number.
fn elements(page: &str) -> usize {
    let mut open: Vec<&str> = Vec::new();
    let mut count = 0;
    let body = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    for part in body.split('<').skip(1) {
        let tag = part.split('>').next().expect("the end of a tag");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().expect("a name");
        match tag.starts_with('/') {
            true => assert_eq!(open.pop(), Some(name), "element {count}"),
            false if !VOID.contains(&name) => open.push(name),
            false => {}
        }
        count += 1;
    }
    assert!(open.is_empty(), "{open:?} stay open");
    count
}

#[test]
fn a_hundred_columns_stay_below_300_kb() {
    let page = html(&report(102, &[1, 2, 3, 4, 5, 6, 7, 50, 100]));
    assert!(page.len() < 300_000, "{} bytes", page.len());
    assert!(elements(&page) > 5000);
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = html(&report(20, &[1]));
    for word in ["<script", "http:", "https:", "src=", "@import", "<link", "onload"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn all_that_is_told_by_colour_is_told_by_a_word_and_a_shape() {
    let page = html(&report(12, &[1, 3]));
    assert!(page.contains("\u{25c6} critical") && page.contains("\u{2713} ok"));
    assert!(page.contains("hatched is the reference, the line"));
    assert!(page.contains("2 of 12 columns have drifted: 17 %"));
    let (first, second) = (page.find("column_1<").expect("there"), page.find("column_2<").expect("there"));
    assert!(first < second, "the worst come first");
}

#[test]
fn names_cannot_break_out_of_the_page() {
    let mut columns = columns(6);
    for (column, name) in columns.iter_mut().zip(["<script>x()</script>", "a\" onload=\"x()", "&amp;", "</td>"]) {
        column.name = name.into();
    }
    let page = html(&named_report(columns, &[0, 1, 2, 3]));
    assert!(!page.contains("<script") && !page.contains("\" onload"), "{page}");
    elements(&page);
}

#[test]
fn pictures_show_where_the_window_differs() {
    let page = |drifted: &[usize]| html(&report(6, drifted));
    let lines = |page: &str| page.matches("<path").count();
    let (same, moved) = (page(&[]), page(&[4]));
    assert_eq!(lines(&same), lines(&moved));
    let drawing =
        |page: &str| page.split("<path class=\"c\"").nth(1).expect("a line").split('>').next().map(str::to_owned);
    assert_ne!(drawing(&same), drawing(&moved));
}

#[test]
fn rows_as_a_whole_and_streams_are_shown_where_they_are_on() {
    let mut report = report(3, &[]);
    let page = html(&report);
    for words in ["Rows as a whole", "the error of 2 components has moved", "page-hinkley", "1970-01-01T00:00:00Z"] {
        assert!(page.contains(words), "{words}");
    }
    (report.rows, report.streams) = (Vec::new(), Vec::new());
    let page = html(&report);
    assert!(!page.contains("Rows as a whole") && !page.contains("Streams"));
}
