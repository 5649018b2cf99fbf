//! The categories that a pandas table had in training: the file's last line.
//!
//! It lists them for each column of categories, but does not say which columns these are. They are the
//! ones whose `feature_infos` tell categories, if there are as many and each has room for what it tells.

use super::head::Head;
use crate::engine::tabular::native::document::{Document, Fault, MOST_DEPTH};
use crate::engine::{Unknown, Words};
use crate::json::{Kind, Reader};

/// The words of each column whose categories are all words. LightGBM takes others for missing.
pub fn of(text: &str, head: &Head) -> Result<Vec<(usize, Words)>, String> {
    const KEY: &str = "\npandas_categorical:";
    let Some(at) = text.rfind(KEY) else { return Ok(Vec::new()) };
    let line = text[at + KEY.len()..].lines().next().unwrap_or_default();
    let lists = lists(line.as_bytes()).map_err(|fault| format!("pandas_categorical: {}", fault.0))?;
    let told: Vec<(usize, i64)> = head.feature_infos.iter().enumerate().filter_map(highest).collect();
    let fit = |((_, highest), list): (&(usize, i64), &Vec<Option<String>>)| *highest < list.len() as i64;
    if told.len() != lists.len() || !told.iter().zip(&lists).all(fit) {
        return Ok(Vec::new());
    }
    let words = |((column, _), list): ((usize, i64), Vec<Option<String>>)| {
        let list: Vec<String> = list.into_iter().collect::<Option<_>>()?;
        Some(Words::new(&list, Unknown::Missing).map(|words| (column, words)))
    };
    told.into_iter()
        .zip(lists)
        .filter_map(words)
        .collect::<Result<_, _>>()
        .map_err(|words| format!("pandas_categorical: {words}"))
}

/// A column of categories with the highest code that training saw in it.
fn highest((column, info): (usize, &String)) -> Option<(usize, i64)> {
    let codes = info.split(':').map(|code| code.parse::<i64>().ok()).collect::<Option<Vec<_>>>()?;
    Some((column, codes.into_iter().max()?))
}

/// A list for each column; `None` for a category that is no text.
fn lists(line: &[u8]) -> Result<Vec<Vec<Option<String>>>, Fault> {
    let mut reader = Reader::new(line, MOST_DEPTH);
    let mut lists = Vec::new();
    if reader.peek()? == Kind::Null {
        return Ok(lists);
    }
    Document::array(&mut reader, |reader| {
        let mut list = Vec::new();
        Document::array(reader, |reader| {
            list.push(match reader.peek()? {
                Kind::String => Some(Document::text(reader)?),
                _ => Document::skip(reader).map(|()| None)?,
            });
            Ok(())
        })?;
        lists.push(list);
        Ok(())
    })?;
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(infos: &str, line: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
        let head = Head { feature_infos: infos.split(' ').map(str::to_owned).collect(), ..Head::default() };
        let found = of(&format!("end of trees\n\npandas_categorical:{line}\n"), &head)?;
        Ok(found.iter().map(|(column, words)| (*column, words.list().map(str::to_owned).collect())).collect())
    }

    #[test]
    fn lists_belong_to_the_columns_of_categories_in_order() {
        let two = r#"[["a", "b"], ["x", "y", "z"]]"#;
        let named = |column, words: &[&str]| (column, words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(words("[0:1] 1:0 none 0:2", two), Ok(vec![named(1, &["a", "b"]), named(3, &["x", "y", "z"])]));
        assert_eq!(words("[0:1] 1:0 none 0:2", r#"[["a", "b"], [1, 2, 3]]"#), Ok(vec![named(1, &["a", "b"])]));
        assert_eq!(words("1:0 [0:1]", two), Ok(vec![]), "an ordered column is among the lists, and nobody says which");
        assert_eq!(words("2:0 0:1", two), Ok(vec![]), "code 2 has no word");
        assert_eq!(words("[0:1]", "null"), Ok(vec![]));
        assert!(words("0:1", r#"[["a", "a"]]"#).expect_err("twice").contains("pandas_categorical"));
        assert!(words("0:1", "[[\"a\"").is_err());
    }
}
