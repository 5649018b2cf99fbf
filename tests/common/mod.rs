//! A whole server over real sockets, and what the tests need to talk to it.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod client;
pub mod cuda;
pub mod garden;
pub mod golden;
pub mod grpc;
pub mod process;

use client::{Client, Reply};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tidegate::app::{App, Running, Stopped};
use tidegate::config::Config;
use tidegate::monitor::collect::View;
use tidegate::monitor::history::Span;
use tidegate::registry::Control;

/// Long enough for any answer on a busy machine; only a test that fails waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A serving process's worth of threads and sockets, inside the test.
pub struct Server {
    running: Running,
    /// Goes with the server.
    state: TempDir,
}

impl Server {
    /// Serves the bundled models.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// Serves with other settings; returns once every model has been tried.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        let state = tempfile::tempdir().expect("a directory");
        config.state = state.path().to_owned();
        change(&mut config);
        let running = App::bind(config).expect("free ports").start().expect("a start");
        running.registry().wait_until_tried();
        Self { running, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.running.address()
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.running.admin_address()
    }

    /// Where it keeps what outlives it.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// A new connection to the data port.
    pub fn client(&self) -> Client {
        Client::connect(self.running.address())
    }

    /// A new connection to the admin port.
    pub fn admin(&self) -> Client {
        Client::connect(self.running.admin_address())
    }

    /// What monitoring has seen of a version lately, all that was sent by now counted.
    pub fn view(&self, model: &str, version: &str) -> View {
        let monitor = self.running.registry().monitor().expect("monitoring is on");
        let view = self.running.block_on(monitor.view(model, version, Span::FiveMinutes));
        view.expect("it runs").expect("it is watched")
    }

    /// Stops; nothing may have been left unanswered. Clients must be dropped before.
    pub fn stop(self) {
        assert_eq!(self.running.stop(Duration::ZERO), Stopped::Clean);
    }
}

/// Where the bundled models lie.
pub fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// Free ports, the bundled models loaded once, and time limits that a busy machine cannot reach.
fn config() -> Config {
    let mut config = Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        admin_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        threads: 2,
        grace: PATIENCE,
        ..Config::default()
    };
    config.registry.paths = vec![models()];
    config.registry.control = Control::None;
    config.registry.sessions = 4;
    config.traffic.state = None;
    config.registry.batching.deadline = PATIENCE;
    config
}

/// A reply's body as JSON; the reply must say that it is JSON, in exactly these words.
pub fn json(what: &str, reply: &Reply) -> Value {
    assert_eq!(reply.header("content-type"), Some("application/json"), "{what}: {reply}");
    serde_json::from_slice(&reply.body).unwrap_or_else(|error| panic!("{what}: {error}: {reply}"))
}

/// The JSON of an answer that must be 200.
pub fn good(what: &str, reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{what}: {reply}");
    json(what, reply)
}

/// The text at `pointer`, which must be there.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no text at {pointer} in {value}"))
}
