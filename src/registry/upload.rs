//! Files and settings that come with a request to load: put into the model's directory, where they stay.
//!
//! New files are written aside, under a hidden name, and moved into place whole, so that a look at the
//! directory never sees half of one.

use super::source::{self, ModelName, VersionNumber};
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// What is to be put in place before a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    pub model: String,
    /// A configuration as Triton writes it; the members that `model.toml` has a place for count.
    pub config: Option<String>,
    /// Files by their path in the model's directory: `1/model.onnx`.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Why nothing was put in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    #[error("'{0}' cannot be a model's name: use letters, digits, '.', '_', '-'")]
    Name(String),
    #[error("file '{0}': expected VERSION/FILE with a version number and a plain file name, for example 1/model.onnx")]
    Path(String),
    #[error("config: {0}")]
    Config(String),
    #[error("no directory of models is served, so there is no place for the files")]
    NoPlace,
    #[error("the files could not be written: {0}")]
    Io(String),
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// Puts everything in place. Blocks on the disk.
pub(super) fn put(upload: &Upload, paths: &[PathBuf]) -> Result<(), UploadError> {
    let name =
        ModelName::new(&upload.model).ok_or_else(|| UploadError::Name(crate::text::shorten(&upload.model, 60)))?;
    let files: Vec<(VersionNumber, &str, &[u8])> =
        upload.files.iter().map(|(path, bytes)| checked(path, bytes)).collect::<Result<_, _>>()?;
    let directory = directory(&name, paths).ok_or(UploadError::NoPlace)?;
    let manifest = directory.join("model.toml");
    let text = upload.config.as_deref().map(|config| merged(config, &manifest)).transpose()?;
    let parent = directory.parent().ok_or(UploadError::NoPlace)?;
    let aside = parent.join(format!(".upload-{}", Uuid::now_v7()));
    let done =
        write(&aside, &files, text.as_deref()).and_then(|()| install(&aside, &directory, &files, text.is_some()));
    let _ = fs::remove_dir_all(&aside);
    Ok(done?)
}

fn checked<'a>(path: &'a str, bytes: &'a [u8]) -> Result<(VersionNumber, &'a str, &'a [u8]), UploadError> {
    let wrong = || UploadError::Path(crate::text::shorten(path, 80));
    let (version, file) = path.split_once('/').ok_or_else(wrong)?;
    let number = version.parse().map_err(|_| wrong())?;
    let plain = ModelName::new(file).is_some();
    if plain { Ok((number, file, bytes)) } else { Err(wrong()) }
}

/// Where the model lies, or else where it belongs: in the first directory of models.
fn directory(name: &ModelName, paths: &[PathBuf]) -> Option<PathBuf> {
    let found = source::find(paths);
    let known = found.models.get(name).and_then(|model| {
        let manifest = model.manifest.as_ref().and_then(|stamp| stamp.path.parent());
        let file = model.versions.values().find_map(|version| version.files.first());
        let version = file.and_then(|stamp| stamp.path.parent()).filter(|parent| is_number(parent));
        manifest.or_else(|| version?.parent()).map(Path::to_owned)
    });
    known.or_else(|| paths.iter().find(|path| is_directory_of_models(path)).map(|path| path.join(name.as_str())))
}

fn is_number(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.parse::<VersionNumber>().is_ok())
}

fn is_directory_of_models(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path) else { return false };
    let of_one_model = entries.flatten().any(|entry| entry.file_name() == "model.toml" || is_number(&entry.path()));
    !of_one_model && !is_number(path)
}

fn write(aside: &Path, files: &[(VersionNumber, &str, &[u8])], manifest: Option<&str>) -> io::Result<()> {
    fs::create_dir_all(aside)?;
    for (number, file, bytes) in files {
        let version = aside.join(number.to_string());
        fs::create_dir_all(&version)?;
        fs::write(version.join(file), bytes)?;
    }
    manifest.map_or(Ok(()), |text| fs::write(aside.join("model.toml"), text))
}

/// The settings first, so that the files are loaded with them.
fn install(aside: &Path, directory: &Path, files: &[(VersionNumber, &str, &[u8])], manifest: bool) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    if manifest {
        fs::rename(aside.join("model.toml"), directory.join("model.toml"))?;
    }
    for (number, file, _) in files {
        let (from, to) = (aside.join(number.to_string()), directory.join(number.to_string()));
        if !from.is_dir() {
            continue;
        }
        match to.is_dir() {
            true => fs::rename(from.join(file), to.join(file))?,
            false => fs::rename(&from, &to)?,
        }
    }
    Ok(())
}

/// The manifest that is there with the configuration's members in it.
fn merged(config: &str, manifest: &Path) -> Result<String, UploadError> {
    let old = match fs::read_to_string(manifest) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    let mut table: toml::Table = old
        .parse()
        .map_err(|error: toml::de::Error| UploadError::Config(format!("model.toml: {}", error.message())))?;
    for (section, key, value) in settings(config)? {
        if section.is_empty() {
            table.insert(key.to_owned(), value);
            continue;
        }
        let place = table.entry(section).or_insert_with(|| toml::Table::new().into());
        if let Some(place) = place.as_table_mut() {
            place.insert(key.to_owned(), value);
        }
    }
    toml::to_string(&table).map_err(|error| UploadError::Config(error.to_string()))
}

/// The members of a configuration that have a place in `model.toml`, with that place. All others tell what
/// the model file itself tells, or what is not there to be set, and are passed over.
fn settings(config: &str) -> Result<Vec<(&'static str, &'static str, toml::Value)>, UploadError> {
    let config: Value = serde_json::from_str(config).map_err(|error| UploadError::Config(error.to_string()))?;
    if !config.is_object() {
        return Err(UploadError::Config("expected an object".to_owned()));
    }
    let mut found = Vec::new();
    let micros = |pointer: &str| config.pointer(pointer).and_then(number).filter(|micros| *micros > 0);
    if let Some(rows) = config.get("max_batch_size").and_then(number).filter(|rows| *rows > 0) {
        found.push(("batching", "max_rows", rows.into()));
    }
    if let Some(delay) = micros("/dynamic_batching/max_queue_delay_microseconds") {
        found.push(("batching", "max_delay", format!("{delay}us").into()));
    }
    if let Some(time) = micros("/dynamic_batching/default_queue_policy/default_timeout_microseconds") {
        found.push(("batching", "deadline", format!("{time}us").into()));
    }
    if let Some(count) = config.pointer("/instance_group/0/count").and_then(number).filter(|count| *count > 0) {
        found.push(("instances", "count", count.into()));
    }
    if let Some(policy) = config.get("version_policy") {
        found.push(("", "versions", versions(policy)?));
    }
    Ok(found)
}

/// Protobuf's JSON writes 64-bit integers as text.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn versions(policy: &Value) -> Result<toml::Value, UploadError> {
    let latest = policy.get("latest").map(|latest| latest.get("num_versions").and_then(number).unwrap_or(1));
    let specific = policy.pointer("/specific/versions").and_then(Value::as_array);
    match (latest, policy.get("all"), specific) {
        (Some(0 | 1), None, None) => Ok("latest".into()),
        (None, Some(_), None) => Ok("all".into()),
        (None, None, Some(list)) => {
            let numbers: Option<Vec<i64>> = list.iter().map(number).collect();
            let wrong = || UploadError::Config("version_policy: expected version numbers".to_owned());
            Ok(toml::Value::Array(numbers.ok_or_else(wrong)?.into_iter().map(Into::into).collect()))
        }
        _ => Err(UploadError::Config(
            "version_policy: expected {\"latest\": {\"num_versions\": 1}}, {\"all\": {}} or {\"specific\": {\"versions\": [..]}}"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::manifest::Manifest;

    fn upload(config: Option<&str>, files: &[(&str, &[u8])]) -> Upload {
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect();
        Upload { model: "m".to_owned(), config: config.map(str::to_owned), files }
    }

    #[test]
    fn files_and_settings_are_put_in_place() {
        let home = tempfile::tempdir().expect("a directory");
        let paths = [home.path().to_owned()];
        let config = r#"{"max_batch_size": 8, "dynamic_batching": {"max_queue_delay_microseconds": "200"},
            "version_policy": {"specific": {"versions": [1, 2]}}, "instance_group": [{"count": 3}], "platform": "x"}"#;
        put(&upload(Some(config), &[("1/model.onnx", b"one"), ("2/model.onnx", b"two")]), &paths).expect("put");
        put(&upload(None, &[("2/model.onnx", b"new")]), &paths).expect("put again");
        let read = |below: &str| fs::read_to_string(home.path().join("m").join(below)).expect("there");
        assert_eq!((read("1/model.onnx").as_str(), read("2/model.onnx").as_str()), ("one", "new"));
        let manifest = Manifest::parse(&read("model.toml")).expect("a good manifest");
        assert_eq!((manifest.batching.max_rows, manifest.instances), (Some(8), Some(3)));
        assert_eq!(manifest.batching.max_delay, Some(std::time::Duration::from_micros(200)));
        let names: Vec<_> = fs::read_dir(home.path()).expect("a directory").flatten().map(|e| e.file_name()).collect();
        assert_eq!(names, ["m"], "nothing is left aside");
    }

    #[test]
    fn nothing_is_written_elsewhere() {
        let home = tempfile::tempdir().expect("a directory");
        let paths = [home.path().to_owned()];
        for path in
            ["model.onnx", "../1/model.onnx", "1/../../x", "1/a/b", "/1/x", "01/model.onnx", "1/.x", "1/", "x/y"]
        {
            let error = put(&upload(None, &[(path, b"x")]), &paths).expect_err(path);
            assert!(matches!(error, UploadError::Path(_)), "{path}: {error}");
        }
        let bad = Upload { model: "../m".to_owned(), ..upload(None, &[("1/m.onnx", b"x")]) };
        assert!(matches!(put(&bad, &paths), Err(UploadError::Name(_))));
        for config in ["", "[]", r#"{"version_policy": {"latest": {"num_versions": 2}}}"#] {
            assert!(matches!(put(&upload(Some(config), &[]), &paths), Err(UploadError::Config(_))), "{config}");
        }
        assert_eq!(fs::read_dir(home.path()).expect("a directory").count(), 0);
        assert_eq!(put(&upload(None, &[("1/m.onnx", b"x")]), &[home.path().join("none")]), Err(UploadError::NoPlace));
    }
}
