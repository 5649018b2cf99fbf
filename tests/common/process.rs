//! The real binary, started and stopped by signals.

use super::{PATIENCE, models};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A started binary and its ports.
pub struct Process {
    child: Child,
    pub data: SocketAddr,
    pub admin: SocketAddr,
    /// The words after `threads: `.
    pub threads: String,
}

impl Process {
    pub fn start(more: &[&str]) -> Self {
        Self::start_with(&models(), more, &[])
    }

    /// Serves other models, in an environment with more in it.
    pub fn start_with(models: &Path, more: &[&str], environment: &[(&str, &OsStr)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg("serve")
            .arg(models)
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--default-model", "diabetes"])
            .args(more)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut said =
            |start: &str| lines.find_map(|line| line.ok().filter(|line| line.starts_with(start))).expect("a greeting");
        let (line, threads) = (said("listening on"), said("threads: "));
        let threads = threads["threads: ".len()..].to_owned();
        // Kept open until the process ends, so that it can write whatever it likes.
        thread::spawn(move || lines.for_each(drop));
        let port = |part: &str| {
            let rest = line.split(part).nth(1).expect("an address");
            rest.split([',', ';']).next().and_then(|text| text.parse().ok()).expect("an address")
        };
        Self { data: port("listening on http://"), admin: port("admin on http://"), threads, child }
    }

    pub fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(process, signal).expect("it runs");
    }

    pub fn wait(mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not stop");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
