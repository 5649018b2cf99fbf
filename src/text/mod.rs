//! Text from people: durations, sizes, names, and the nearest known word to a mistyped one.

use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// Reads `250ms`, `30s`, `5m`, `0us`.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text).map_err(|_| format!("expected a duration such as 250ms, 30s or 5m, got '{text}'"))
}

/// Reads `64MiB`, `64KiB`, `1048576`.
pub fn size(text: &str) -> Result<usize, String> {
    let bytes = text.parse::<bytesize::ByteSize>().ok().and_then(|size| usize::try_from(size.as_u64()).ok());
    bytes.ok_or_else(|| format!("expected a size such as 64MiB or 64KiB, got '{text}'"))
}

/// A duration in a TOML file.
pub fn de_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// A size in a TOML file: text with a unit, or a number of bytes.
pub fn de_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size {
        Bytes(usize),
        Text(String),
    }
    match Size::deserialize(deserializer)? {
        Size::Bytes(bytes) => Ok(bytes),
        Size::Text(text) => size(&text).map_err(serde::de::Error::custom),
    }
}

/// The known word most like `word`, if one is like it at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// At most `most` characters of text that came from outside.
pub fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Words for keys of a TOML table that nobody knows, each with its nearest known one.
///
/// `known` names the keys of this table; a dotted name (`batching.max_rows`) makes the first part
/// a table whose keys are checked too. A name that ends in `.*` admits any keys below it.
pub fn unknown_keys(table: &toml::Table, known: &[&str]) -> Vec<String> {
    let mut words = Vec::new();
    check_table(table, known, "", &mut words);
    words
}

fn check_table(table: &toml::Table, known: &[&str], prefix: &str, words: &mut Vec<String>) {
    for (key, value) in table {
        let path = format!("{prefix}{key}");
        let free = known.contains(&format!("{path}.*").as_str());
        let inner = known.iter().any(|name| name.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.')));
        match value {
            toml::Value::Table(below) if inner && !free => check_table(below, known, &format!("{path}."), words),
            _ if free || known.contains(&path.as_str()) => {}
            _ => words.push(match nearest(&path, known.iter().copied()) {
                Some(name) => format!("unknown key '{path}': did you mean '{name}'?"),
                None => format!("unknown key '{path}': known keys are {}", known.join(", ")),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_as_people_write_them() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0us"), Ok(Duration::ZERO));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert!(duration("5 parsecs").is_err());
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("1048576"), Ok(1 << 20));
        assert!(size("lots").is_err());
    }

    #[test]
    fn a_mistyped_key_names_its_nearest() {
        let table: toml::Table =
            "verions = 'all'\n[batching]\nmax_row = 3\n[aliases]\nanything = '1'".parse().expect("toml");
        let words = unknown_keys(&table, &["versions", "batching.max_rows", "aliases.*"]);
        assert_eq!(words.len(), 2, "{words:?}");
        assert!(words.contains(&"unknown key 'batching.max_row': did you mean 'batching.max_rows'?".to_owned()));
        assert!(words.contains(&"unknown key 'verions': did you mean 'versions'?".to_owned()));
    }
}
