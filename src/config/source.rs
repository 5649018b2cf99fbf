//! Where a setting's text comes from.

use super::table::{Config, KEYS, Key};
use crate::text;
use std::collections::BTreeMap;
use std::path::Path;

/// Every mistake that was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// The texts given for settings, by the table's names.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub flags: BTreeMap<&'static str, Vec<String>>,
    pub environment: BTreeMap<String, String>,
}

/// A setting's text beside where it stood, for errors.
struct Given {
    texts: Vec<String>,
    place: String,
}

impl Sources {
    /// Reads the file if one is named, then every setting; reports all mistakes at once.
    pub fn read(&self) -> Result<Config, ConfigError> {
        let mut words = Vec::new();
        let file = self.file(&mut words);
        let mut config = Config::default();
        for key in KEYS {
            let Some(given) = self.given(key, &file) else { continue };
            if let Err(error) = (key.set)(&mut config, &given.texts) {
                words.push(format!("{}: {error}", given.place));
            }
        }
        if words.is_empty() { Ok(config) } else { Err(ConfigError(words)) }
    }

    fn given(&self, key: &Key, file: &BTreeMap<String, Vec<String>>) -> Option<Given> {
        if let Some(texts) = self.flags.get(key.name) {
            return Some(Given { texts: texts.clone(), place: format!("--{}", key.name) });
        }
        let variable = key.variable();
        if let Some(text) = self.environment.get(&variable) {
            let texts = if key.many { split(text) } else { vec![text.clone()] };
            return Some(Given { texts, place: variable });
        }
        file.get(key.name).map(|texts| Given { texts: texts.clone(), place: format!("key '{}'", key.name) })
    }

    fn file(&self, words: &mut Vec<String>) -> BTreeMap<String, Vec<String>> {
        let named = self
            .flags
            .get("config")
            .and_then(|texts| texts.first())
            .or_else(|| self.environment.get("TIDEGATE_CONFIG"));
        let Some(path) = named else { return BTreeMap::new() };
        match std::fs::read_to_string(Path::new(path)) {
            Ok(text) => file_texts(&text, path, words),
            Err(error) => {
                words.push(format!("{path}: cannot be read: {error}"));
                BTreeMap::new()
            }
        }
    }
}

fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The file's keys as texts, so that one parser serves all sources.
fn file_texts(text: &str, path: &str, words: &mut Vec<String>) -> BTreeMap<String, Vec<String>> {
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            let error: toml::de::Error = error;
            words.push(format!("{path}: {}", error.message()));
            return BTreeMap::new();
        }
    };
    let known: Vec<&str> = KEYS.iter().filter(|key| key.in_file).map(|key| key.name).collect();
    words.extend(text::unknown_keys(&table, &known).into_iter().map(|error| format!("{path}: {error}")));
    table.into_iter().map(|(key, value)| (key, texts(value))).collect()
}

fn texts(value: toml::Value) -> Vec<String> {
    match value {
        toml::Value::String(text) => vec![text],
        toml::Value::Array(values) => values.into_iter().flat_map(texts).collect(),
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    fn sources(flags: &[(&'static str, &str)], environment: &[(&str, &str)]) -> Sources {
        Sources {
            flags: flags.iter().map(|(name, text)| (*name, vec![(*text).to_owned()])).collect(),
            environment: environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        file
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file() {
        let file = file("settle = '1s'\ngrace = '2s'\nlisten = '127.0.0.1:1'\n");
        let path = file.path().to_str().expect("a path").to_owned();
        let flags = [("listen", "127.0.0.1:3"), ("config", path.as_str())];
        let config =
            sources(&flags, &[("TIDEGATE_LISTEN", "127.0.0.1:2"), ("TIDEGATE_GRACE", "4s")]).read().expect("good");
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.grace, Duration::from_secs(4));
        assert_eq!(config.registry.settle, Duration::from_secs(1));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let file = file("lisen = 'x'\nmax-body = 'huge'\n");
        let path = file.path().to_str().expect("a path").to_owned();
        let error = sources(&[("config", path.as_str()), ("grace", "soon")], &[("TIDEGATE_SETTLE", "never")])
            .read()
            .expect_err("four mistakes");
        assert_eq!(error.0.len(), 4, "{error}");
        for part in ["did you mean 'listen'?", "key 'max-body'", "--grace", "TIDEGATE_SETTLE"] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn a_missing_file_is_a_mistake() {
        assert!(sources(&[("config", "/nowhere/x.toml")], &[]).read().is_err());
    }
}
