//! The cache of prepared models, through the real binary and over sockets: a second start finds what
//! the first one made, and whatever is wrong with the cache costs nothing but itself.

mod common;

use common::client::Request;
use common::{Server, good};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A model of a training library with its golden cases, and a place for the cache.
struct Room {
    parent: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        let parent = tempfile::tempdir().expect("a directory");
        let version = parent.path().join("models/risk/1");
        fs::create_dir_all(&version).expect("made");
        let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/native");
        fs::copy(data.join("xgb-binary.json"), version.join("model.json")).expect("copied");
        fs::write(parent.path().join("models/risk/model.toml"), "[output]\nextra = [\"margin\", \"leaf\"]\n")
            .expect("written");
        fs::copy(data.join("xgb-binary.json.golden.json"), version.join("golden.json")).expect("copied");
        Self { parent }
    }

    fn models(&self) -> PathBuf {
        self.parent.path().join("models")
    }

    fn cache(&self) -> PathBuf {
        self.parent.path().join("cache")
    }

    /// What `tidegate check` says, which must be that all is well.
    fn check(&self) -> String {
        self.say("check")
    }

    fn say(&self, command: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg(command)
            .arg(self.models())
            .arg("--cache-dir")
            .arg(self.cache())
            .output()
            .expect("the binary runs");
        let words = [output.stdout.as_slice(), output.stderr.as_slice()].map(String::from_utf8_lossy).concat();
        assert_eq!(output.status.code(), Some(0), "{words}");
        assert!(words.contains("golden cases passed"), "{words}");
        words
    }
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn a_second_start_loads_from_the_cache() {
    let room = Room::new();
    let first = room.check();
    assert!(!first.contains("from the cache"), "{first}");
    let second = room.check();
    assert!(second.contains(" ms from the cache, "), "{second}");
    assert!(room.say("inspect").contains(" ms from the cache, "));
    let mode = fs::metadata(room.cache()).expect("made").permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    assert_eq!(names(&room.cache()).len(), 1);
}

#[test]
fn tree_ensembles_of_onnx_files_are_kept_too() {
    let room = Room::new();
    fs::remove_dir_all(room.models()).expect("removed");
    for model in ["diabetes", "breast-cancer"] {
        let version = room.models().join(model).join("1");
        fs::create_dir_all(&version).expect("made");
        for file in ["model.onnx", "golden.json"] {
            fs::copy(common::models().join(model).join("1").join(file), version.join(file)).expect("copied");
        }
    }
    assert!(!room.check().contains("from the cache"));
    assert_eq!(names(&room.cache()).len(), 2);
    assert_eq!(room.check().matches(" ms from the cache, ").count(), 2);
}

#[test]
fn a_damaged_file_is_set_aside_and_made_again() {
    let room = Room::new();
    room.check();
    let name = names(&room.cache()).pop().expect("an entry");
    let file = room.cache().join(&name);
    let mut bytes = fs::read(&file).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).expect("written");
    let words = room.check();
    assert!(!words.contains("from the cache"), "{words}");
    for part in ["set a file of the cache aside", &name, "its digest is not that of its bytes"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_eq!(names(&room.cache()), [name.clone(), format!("{name}.bad")]);
    let words = room.check();
    assert!(words.contains("from the cache") && !words.contains("aside"), "told once: {words}");
}

#[test]
fn a_directory_that_others_can_read_is_refused_in_words() {
    let room = Room::new();
    fs::create_dir(room.cache()).expect("made");
    fs::set_permissions(room.cache(), fs::Permissions::from_mode(0o755)).expect("set");
    for _ in 0..2 {
        let words = room.check();
        assert!(words.contains("expected mode 0700, got 0755; run: chmod 700"), "{words}");
        assert!(!words.contains("from the cache"), "{words}");
    }
    assert_eq!(names(&room.cache()), [""; 0]);
}

#[test]
fn servers_that_share_a_directory_answer_alike() {
    let room = Room::new();
    let serve = || {
        Server::with(|config| {
            config.registry.paths = vec![room.models()];
            config.registry.cache.directory = Some(room.cache());
        })
    };
    let body = r#"{"features":[[30, 2.5, 1],[null, 1, 0],[71, 0.25, 2]]}"#;
    let answer = |server: &Server| {
        let reply = server.client().ask(&Request::post("/models/risk/predict", body));
        let mut answer = good("a prediction", &reply);
        answer.as_object_mut().expect("an object").remove("prediction_id");
        answer
    };
    let servers = [serve(), serve(), serve()];
    let answers = servers.each_ref().map(answer);
    assert!(answers.iter().all(|other| *other == answers[0]), "{answers:?}");
    assert_eq!(names(&room.cache()).len(), 1);
    servers.into_iter().for_each(Server::stop);
}
