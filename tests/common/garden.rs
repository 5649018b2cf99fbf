//! Model directories that a test changes while servers watch them, and how to wait for what comes of it.

use super::client::Request;
use super::{PATIENCE, Server, good, models};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;
use tidegate::registry::Control;

/// The bytes of a file below the bundled models.
pub fn bundled(file: &str) -> Vec<u8> {
    fs::read(models().join(file)).expect("a bundled file")
}

/// A directory of models that a test fills while a server watches it.
pub struct Garden {
    dir: tempfile::TempDir,
    /// Where files are filled before they take their place.
    aside: tempfile::TempDir,
}

impl Garden {
    pub fn new() -> Self {
        let dir = || tempfile::tempdir().expect("a directory");
        Self { dir: dir(), aside: dir() }
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Puts a bundled version in place as users are told to: filled aside, then renamed.
    pub fn plant(&self, bundled: &str, place: &str) {
        let aside = self.path(&format!("{place}.tmp"));
        fs::create_dir_all(&aside).expect("made");
        for file in ["model.onnx", "golden.json"] {
            fs::copy(models().join(bundled).join(file), aside.join(file)).expect("copied");
        }
        fs::rename(&aside, self.path(place)).expect("renamed");
    }

    /// Puts a file in place at once: written in place, it is half a file for as long as the disk is busy.
    pub fn write(&self, below: &str, bytes: &[u8]) {
        let (path, aside) = (self.path(below), self.aside.path().join("file"));
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(&aside, bytes).expect("written");
        fs::rename(aside, path).expect("renamed");
    }

    /// Writes a file's own bytes anew.
    pub fn write_again(&self, below: &str) {
        self.write(below, &fs::read(self.path(below)).expect("read"));
    }

    pub fn remove(&self, below: &str) {
        fs::remove_dir_all(self.path(below)).expect("removed");
    }

    pub fn serve(&self) -> Server {
        self.serve_with(Control::Poll)
    }

    pub fn serve_with(&self, control: Control) -> Server {
        Server::with(|config| {
            config.registry.paths = vec![self.dir.path().to_owned()];
            config.registry.control = control;
        })
    }
}

/// The index's lines of one version of a model.
pub fn lines(server: &Server, model: &str, version: &str) -> Vec<Value> {
    let index = good("index", &server.admin().ask(&Request::get("/api/models")));
    let found = index["models"].as_array().expect("models").iter().find(|one| one["name"] == model).cloned();
    let lines = found.map(|one| one["versions"].as_array().expect("versions").clone()).unwrap_or_default();
    lines.into_iter().filter(|line| line["version"] == version).collect()
}

/// Asks until `found` answers something; only a test that fails waits long.
pub fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(started.elapsed() < PATIENCE, "it never came: {what}");
        thread::yield_now();
    }
}

pub fn until_state(server: &Server, model: &str, version: &str, state: &str) -> Value {
    until(&format!("{model}/{version} {state}"), || {
        lines(server, model, version).into_iter().find(|line| line["state"] == state)
    })
}
