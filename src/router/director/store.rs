//! The state directory: files that are always whole, and a log that only grows.

use super::state::State;
use crate::registry::Event;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const STATE: &str = "traffic.json";
const AUDIT: &str = "audit.jsonl";
const COUNTS: &str = "experiments.json";

/// Where state is kept; without a directory it ends with the process.
pub struct Store {
    directory: Option<PathBuf>,
    /// Whether the state is kept, besides the log: it is not where a file of plans says it all.
    keeps_state: bool,
}

impl Store {
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, keeps_state: true }
    }

    /// Only for the log.
    pub fn log_only(directory: Option<PathBuf>) -> Self {
        Self { directory, keeps_state: false }
    }

    fn state_directory(&self) -> Option<&PathBuf> {
        self.directory.as_ref().filter(|_| self.keeps_state)
    }

    /// The state as it was last written. A file that is not one of ours is an error, never a fresh
    /// start: that would send everybody elsewhere without a word.
    pub fn read(&self) -> Result<State, String> {
        let Some(directory) = self.state_directory() else { return Ok(State::default()) };
        let path = directory.join(STATE);
        let told = |error: &dyn std::fmt::Display| {
            format!("{}: {error}; mend the file, or move it away to start without plans", path.display())
        };
        match fs::read_to_string(&path) {
            Ok(text) => State::of_text(&text).map_err(|error| told(&error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(State::default()),
            Err(error) => Err(told(&error)),
        }
    }

    /// Replaces the file: whoever looks, also after a crash, finds the old state or the new one.
    pub fn write(&self, state: &State) -> Result<(), String> {
        let Some(directory) = self.state_directory() else { return Ok(()) };
        let text = state.to_text()?;
        replace(directory, &directory.join(STATE), text.as_bytes())
            .map_err(|error| format!("{}: {error}", directory.join(STATE).display()))
    }

    /// The text of the counts of experiments, if any were written.
    pub fn read_counts(&self) -> Result<Option<String>, String> {
        let Some(directory) = &self.directory else { return Ok(None) };
        let path = directory.join(COUNTS);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Gives what cannot be read as counts a name of its own, so that it is not written over; answers
    /// that name.
    pub fn set_counts_aside(&self) -> Result<PathBuf, String> {
        let directory = self.directory.as_deref().unwrap_or(Path::new("."));
        let path = directory.join(COUNTS);
        let free = (0..).map(|n| directory.join(format!("{COUNTS}.set-aside-{n}"))).find(|to| !to.exists());
        let to = free.unwrap_or_else(|| path.with_extension("set-aside"));
        fs::rename(&path, &to).map(|()| to).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub fn write_counts(&self, text: &str) -> Result<(), String> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let path = directory.join(COUNTS);
        replace(directory, &path, text.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Adds a line to the log.
    pub fn log(&self, event: &Event) -> Result<(), String> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let path = directory.join(AUDIT);
        let line = serde_json::to_string(event).map_err(|error| error.to_string())? + "\n";
        append(directory, &path, line.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn append(directory: &Path, path: &Path, line: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(line)?;
    file.sync_data()
}

fn replace(directory: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    let aside = path.with_extension("json.new");
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    // The name is on disk only when its directory is.
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{What, Who};

    #[test]
    fn a_state_outlives_the_process_and_rubbish_is_not_taken_for_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::new(Some(dir.path().join("state")));
        assert_eq!(store.read(), Ok(State::default()));
        let state = State { models: [("churn".to_owned(), Default::default())].into() };
        store.write(&state).expect("written");
        assert_eq!(store.read(), Ok(state));
        fs::write(dir.path().join("state").join(STATE), "{").expect("written");
        assert!(store.read().expect_err("rubbish").contains("mend the file"));
    }

    #[test]
    fn the_log_only_grows() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::new(Some(dir.path().to_owned()));
        for _ in 0..3 {
            store.log(&Event::now(Who::Api, What::Promote, "churn", None, None)).expect("written");
        }
        let text = fs::read_to_string(dir.path().join(AUDIT)).expect("there");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!((lines.len(), &lines[0]["what"]), (3, &"promote".into()));
    }
}
