//! The categories that a table had in training: the member `cats`, since 3.1.
//!
//! `enc` has an entry for each column. Where categories are words, `values` are their bytes end to end
//! and `offsets` say where each begins; other entries have no offsets, or an empty list. XGBoost's Python
//! package counts letters there and not bytes, and cuts the end off, so words beyond ASCII are lost.

use crate::engine::tabular::native::document::{Document, Fault};
use crate::engine::{Unknown, Words};

/// The words by column, of those where all are ASCII; XGBoost refuses others.
pub fn read<D: Document>(document: &mut D) -> Result<Vec<(usize, Words)>, Fault> {
    let mut words = Vec::new();
    document.object(|document, key| match key {
        "enc" => {
            let mut column = 0;
            document.array(|document| {
                let found = column_of(document).map_err(|fault| fault.at(format!("cats of column {column}")))?;
                words.extend(found.map(|found| (column, found)));
                column += 1;
                Ok(())
            })
        }
        _ => document.skip(),
    })?;
    Ok(words)
}

fn column_of<D: Document>(document: &mut D) -> Result<Option<Words>, Fault> {
    let (mut offsets, mut values) = (Vec::new(), None);
    document.object(|document, key| match key {
        "offsets" => {
            offsets = document.integers()?;
            Ok(())
        }
        "values" => {
            values = Some(document.fork());
            document.skip()
        }
        _ => document.skip(),
    })?;
    let (Some(mut values), [_, _, ..]) = (values, offsets.as_slice()) else { return Ok(None) };
    // UBJSON has them as signed bytes.
    let byte = |value: &i64| u8::try_from(*value).or_else(|_| i8::try_from(*value).map(|byte| byte as u8));
    let bytes = values.integers()?.iter().map(byte).collect::<Result<Vec<u8>, _>>();
    let bytes = bytes.map_err(|_| Fault("a value is no byte".into()))?;
    if !bytes.is_ascii() {
        return Ok(None);
    }
    let word = |ends: &[i64]| {
        let range = usize::try_from(ends[0]).ok()?..usize::try_from(ends[1]).ok()?;
        String::from_utf8(bytes.get(range)?.to_vec()).ok()
    };
    let words = offsets.windows(2).map(word).collect::<Option<Vec<String>>>();
    let words = words.ok_or_else(|| Fault("offsets do not cut the values into words".into()))?;
    Words::new(&words, Unknown::Refused).map(Some).map_err(Fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Reader;

    fn words(enc: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
        let text = format!(r#"{{"enc": {enc}, "sorted_idx": [1, 0]}}"#);
        let found = read(&mut Reader::new(text.as_bytes(), 8)).map_err(|fault| fault.0)?;
        Ok(found.iter().map(|(column, words)| (*column, words.list().map(str::to_owned).collect())).collect())
    }

    #[test]
    fn words_are_cut_out_of_their_bytes() {
        let enc = r#"[{"offsets": [], "values": []}, {"values": [103, 97, 98, 98], "offsets": [0, 1, 4, 4]},
            {"type": 15, "values": [10, 20, 2.5]}, {"offsets": [0, 1, 3], "values": [195, -68, 97]}]"#;
        let expected = ["g", "abb", ""].map(String::from).to_vec();
        assert_eq!(words(enc), Ok(vec![(1, expected)]));
    }

    #[test]
    fn what_gives_no_words_is_refused() {
        for enc in [
            r#"[{"offsets": [0, 5], "values": [97]}]"#,
            r#"[{"offsets": [0, 1, 0], "values": [97]}]"#,
            r#"[{"offsets": [-1, 1], "values": [97]}]"#,
            r#"[{"offsets": [0, 1], "values": [300]}]"#,
            r#"[{"offsets": [0, 1, 2], "values": [97, 97]}]"#,
        ] {
            assert!(words(enc).expect_err(enc).starts_with("cats of column 0: "), "{enc}");
        }
    }
}
