//! Plain bodies that are no JSON, not this JSON, or not what the model takes.

use super::{PREDICT, QUEUE_ROWS, Request, Row, WINE};

const CHURN: &str = "/models/churn/predict";
const DIGITS: &str = "/models/digits/predict";

/// A row of the wine table with one value replaced by some text.
fn wine(at: usize, value: &str) -> String {
    let inner = WINE.trim_matches(['[', ']']);
    let values: Vec<&str> = inner.split(',').enumerate().map(|(n, old)| if n == at { value } else { old }).collect();
    format!("[{}]", values.join(","))
}

/// A customer by column, with the text of each replaced column, and more members at the end.
fn customer(replaced: &[(&str, &str)], more: &str) -> String {
    let columns = [
        ("tenure_months", "7.0"),
        ("monthly_charges", "86.8"),
        ("support_calls", "0.0"),
        ("data_usage_gb", "8.5"),
        ("contract", "\"two-year\""),
        ("payment_method", "\"direct-debit\""),
        ("region", "\"south\""),
    ];
    let value = |name, old| replaced.iter().find(|(column, _)| *column == name).map_or(old, |(_, new)| *new);
    let members: Vec<String> =
        columns.into_iter().map(|(name, old)| format!("\"{name}\":{}", value(name, old))).collect();
    format!("{{{}{more}}}", members.join(","))
}

pub fn rows() -> Vec<Row> {
    [no_json(), nesting(), lists(), numbers(), columns(), words(), envelopes(), pictures()]
        .into_iter()
        .flatten()
        .collect()
}

fn no_json() -> Vec<Row> {
    let bad = |name: &str, body: &str, word| Row::body(name, PREDICT, body, word);
    vec![
        bad("an empty body", "", "end of the text"),
        bad("white space only", " \r\n\t ", "end of the text"),
        bad("a bare word", "wine", "expected a value"),
        bad("a form", "alcohol=11.96", "expected a value"),
        bad("a list that ends early", WINE.trim_end_matches(']'), "',' or ']'"),
        bad("a list that ends in a number's point", "[1,2.", "number"),
        bad("a list that ends in a number's sign", "[1,-", "number"),
        bad("an object that ends in a key", "{\"alco", "end of the string"),
        bad("an object without a colon", "{\"alcohol\" 1}", "':'"),
        bad("a key without quotes", "{alcohol: 1}", "a string"),
        bad("single quotes", "{'alcohol': 1}", "a string"),
        bad("a comma before the end", &WINE.replace(']', ",]"), "a value"),
        bad("no comma between values", "[1 2]", "',' or ']'"),
        bad("a comment", "[1, /* two */ 2]", "a value"),
        bad("text behind the row", &format!("{WINE} and more"), "end of the text"),
        bad("two documents", &format!("{WINE}{WINE}"), "end of the text"),
        bad("two documents on two lines", &format!("{WINE}\n{WINE}"), "end of the text"),
        bad("a bracket closed twice", &format!("{WINE}]"), "end of the text"),
        bad("brackets that do not match", "[1,2}", "',' or ']'"),
        bad("a byte order mark", &format!("\u{feff}{WINE}"), "expected a value"),
        Row::body("UTF-16", PREDICT, WINE.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(), "body"),
        Row::body("zero bytes", PREDICT, [0; 64], "expected a value"),
        Row::body("a compressed body", PREDICT, [0x1f, 0x8b, 8, 0, 0, 0], "expected a value"),
    ]
}

fn nesting() -> Vec<Row> {
    let depth = |open: &str, close: &str, n: usize| format!("{}{}", open.repeat(n), close.repeat(n));
    let beside = |inner: &str| format!("{{\"features\":{WINE},\"note\":{inner}}}");
    vec![
        Row::body("65 nested lists", PREDICT, depth("[", "]", 65), "max-json-depth"),
        Row::body("a million open brackets", PREDICT, "[".repeat(1_000_000), "max-json-depth"),
        Row::body("a million nested lists", PREDICT, depth("[", "]", 1_000_000), "max-json-depth"),
        Row::body("nested objects", PREDICT, format!("{}1{}", "{\"a\":".repeat(65), "}".repeat(65)), "max-json-depth"),
        Row::body("depth in a member nobody reads", PREDICT, beside(&depth("[", "]", 64)), "max-json-depth"),
        Row::body("half a million open objects", PREDICT, beside(&"{\"a\":".repeat(300_000)), "max-json-depth"),
    ]
}

fn lists() -> Vec<Row> {
    let bad = |name: &str, body: &str, word| Row::body(name, PREDICT, body, word);
    vec![
        bad("too few values", "[1,2,3]", "expected 13 values"),
        bad("too many values", &WINE.replace(']', ",1]"), "expected 13 values"),
        bad("rows of unlike length", &format!("[{WINE},[1,2]]"), "unlike length"),
        bad("a number among rows", &format!("[{WINE},5]"), "list was expected"),
        bad("a list among numbers", &wine(3, "[1]"), "alcalinity_of_ash"),
        bad("an object among numbers", &wine(3, "{}"), "alcalinity_of_ash"),
        bad("rows nested too deep", &format!("[[{WINE}]]"), "unexpected shape"),
        bad("an empty batch", "[]", "expected 13 values"),
        bad("a batch of an empty row", "[[]]", "expected 13 values"),
        bad("a number alone", "5", "expected a list"),
        bad("a text alone", "\"wine\"", "expected a list"),
        bad("null alone", "null", "expected a list"),
        bad("true alone", "true", "expected a list"),
        Row::new("more rows than may ever wait", Request::post(PREDICT, batch(QUEUE_ROWS + 1)), 413, "queue_rows"),
        Row::body("a short row of a table", CHURN, "[1,2,3]", "expected 7 values"),
        Row::body("a long row of a table", CHURN, "[[1,2,3,4,\"a\",\"b\",\"c\",5]]", "expected 7 values"),
        Row::body("an empty batch of a table", CHURN, "[]", "expected 7 values"),
        Row::body("a table's row that is no list", CHURN, "[[1,2,3,4,\"a\",\"b\",\"c\"],5]", "an array"),
    ]
}

fn batch(rows: usize) -> String {
    format!("[{}]", vec![WINE; rows].join(","))
}

fn numbers() -> Vec<Row> {
    let bad = |name: &str, value: &str, word| Row::body(name, PREDICT, wine(1, value), word);
    vec![
        bad("a string in a numeric column", "\"1.09\"", "malic_acid"),
        bad("a truth value in a numeric column", "true", "malic_acid"),
        bad("a number beyond FP64", "1e400", "does not fit in FP32"),
        bad("a number beyond FP32", "-1e39", "does not fit in FP32"),
        bad("a leading zero", "012", "end of the number"),
        bad("a leading plus", "+1", "a value"),
        bad("no digit before the point", ".5", "a value"),
        bad("no digit behind the point", "1.", "a number"),
        bad("no digit in the exponent", "1e", "a number"),
        bad("a hexadecimal number", "0x10", "end of the number"),
        bad("a decimal comma too many", "1,,2", "a value"),
        bad("a lower-case nan", "nan", "null"),
        bad("a negative NaN", "-NaN", "a number"),
        bad("half an infinity", "Infinit", "a number"),
        bad("a word for infinity", "inf", "a value"),
        bad("a number of a thousand digits", &"9".repeat(1_000), "does not fit in FP32"),
        bad("a text without end in a numeric column", &format!("\"{}\"", "x".repeat(100_000)), "malic_acid"),
    ]
}

fn columns() -> Vec<Row> {
    let bad = |name: &str, body: &str, word| Row::body(name, CHURN, body, word);
    let good = customer(&[], "");
    vec![
        bad("no column at all", "{}", "tenure_months"),
        bad("a missing column", &good.replace(",\"region\":\"south\"", ""), "'region' is missing"),
        bad("a missing column in the second row", &format!("[{good},{{}}]"), "row 1"),
        bad("a mistyped column", &good.replace("region", "regoin"), "did you mean 'region'"),
        bad("a column too many", &customer(&[], ",\"shoe_size\":44"), "shoe_size"),
        bad("a column twice", &customer(&[], ",\"region\":\"north\""), "'region' is given twice"),
        bad("a column twice by an escape", &customer(&[], ",\"regi\\u006fn\":\"north\""), "'region' is given twice"),
        bad("a list in a column", &customer(&[("tenure_months", "[7.0]")], ""), "tenure_months"),
        bad("an object in a column", &customer(&[("tenure_months", "{}")], ""), "tenure_months"),
        bad("a row that is no object", &format!("[{good},5]"), "row 1"),
        bad("a nameless column", &customer(&[], ",\"\":1"), "unknown feature"),
        bad("a name without end", &customer(&[], &format!(",\"{}\":1", "n".repeat(100_000))), "unknown feature"),
        Row::body("a wide input too narrow", PREDICT, "{\"input\":[1,2]}", "a row of shape [13]"),
        Row::body("a wide input of rows unlike", PREDICT, "{\"input\":[[1,2],[3]]}", "unlike length"),
        Row::body("an input whole and by column", PREDICT, format!("{{\"input\":{WINE},\"alcohol\":1}}"), "both whole"),
        Row::body("a column of a wide input missing", PREDICT, "{\"alcohol\":11.96}", "'malic_acid' is missing"),
    ]
}

fn words() -> Vec<Row> {
    let bad = |name: &str, value: &str, word| Row::body(name, CHURN, customer(&[("contract", value)], ""), word);
    let raw = |name: &str, value: &[u8], word| {
        let (before, behind) = ("{\"contract\":\"".as_bytes(), "\"}".as_bytes());
        Row::body(name, CHURN, [before, value, behind].concat(), word)
    };
    vec![
        bad("a number in a column of words", "5", "contract"),
        bad("null in a column of words", "null", "contract"),
        bad("NaN in a column of words", "NaN", "contract"),
        bad("a truth value in a column of words", "false", "contract"),
        bad("a list in a column of words", "[\"two-year\"]", "contract"),
        bad("a word in a column of numbers", "\"x\",\"region\":1", "given twice"),
        raw("a line break in a string", b"two\nyear", "end of the string"),
        raw("a zero byte in a string", b"two\0year", "end of the string"),
        raw("an escape character in a string", b"two\x1byear", "end of the string"),
        raw("an unknown escape", b"two\\qyear", "an escape"),
        raw("half an escape", b"two\\u00", "four hexadecimal digits"),
        raw("half a pair of surrogates", b"\\ud83d", "pair of surrogates"),
        raw("surrogates the wrong way round", b"\\ude00\\ud83d", "pair of surrogates"),
        raw("Latin-1 in a string", b"zwei Jahre f\xfcr", "UTF-8"),
        raw("an overlong encoding", b"\xc0\xaf", "UTF-8"),
        raw("an encoded surrogate", b"\xed\xa0\x80", "UTF-8"),
        raw("a character cut in half", b"\xf0\x9f\x98", "UTF-8"),
        Row::body("Latin-1 in a key", CHURN, b"{\"gr\xf6\xdfe\":1}".as_slice(), "UTF-8"),
    ]
}

fn envelopes() -> Vec<Row> {
    let bad = |name: &str, body: &str, word| Row::body(name, PREDICT, body, word);
    vec![
        bad("an envelope with nothing", "{\"features\":null}", "features"),
        bad("an envelope with a number", "{\"features\":5}", "features"),
        bad("an envelope with a text", "{\"features\":\"wine\"}", "features"),
        bad("an envelope with no rows", "{\"features\":[]}", "features"),
        bad("an envelope in an envelope", &format!("{{\"features\":{{\"features\":{WINE}}}}}"), "unknown feature"),
        bad("features twice", &format!("{{\"features\":{WINE},\"features\":{WINE}}}"), "given twice"),
        bad("an envelope of another server", &format!("{{\"instances\":[{WINE}]}}"), "unknown feature"),
        bad("a mistake behind the features", &format!("{{\"features\":{WINE},\"note\":tru}}"), "true or false"),
        bad("an envelope not closed", &format!("{{\"features\":{WINE}"), "',' or '}'"),
    ]
}

fn pictures() -> Vec<Row> {
    let line = format!("[{}]", ["0"; 8].join(","));
    let picture = |lines: usize| format!("[[{}]]", vec![line.as_str(); lines].join(","));
    vec![
        Row::body("a picture as one line", DIGITS, format!("[{}]", ["0"; 64].join(",")), "unexpected shape"),
        Row::body("a picture of seven lines", DIGITS, format!("[{}]", picture(7)), "unexpected shape"),
        Row::body("no picture", DIGITS, "[]", "unexpected shape"),
        Row::body("a picture by the name of a column", DIGITS, "{\"pixel\":[1]}", "unknown feature"),
        Row::body("a picture too small by name", DIGITS, "{\"image\":[1,2,3]}", "a row of shape [1,8,8]"),
        Row::body(
            "a picture by name, turned",
            DIGITS,
            format!("{{\"image\":{}}}", picture(7)),
            "a row of shape [1,8,8]",
        ),
        Row::body("a record without its picture", DIGITS, "{}", "'image' is missing"),
        Row::body("a text in a picture", DIGITS, picture(8).replacen('0', "\"0\"", 1), "expected a number"),
    ]
}
