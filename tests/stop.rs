//! The real binary told to stop under load: every request that was sent is answered.

mod common;

use common::client::{Client, Request};
use common::{PATIENCE, models};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const ROW: &str = "[59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87]";

/// A started binary and its ports.
struct Process {
    child: Child,
    data: SocketAddr,
    admin: SocketAddr,
}

impl Process {
    fn start(more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg("serve")
            .arg(models())
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--default-model", "diabetes"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.starts_with("listening on"))).expect("its ports");
        // Kept open until the process ends, so that it can write whatever it likes.
        thread::spawn(move || lines.for_each(drop));
        let port = |part: &str| {
            let rest = line.split(part).nth(1).expect("an address");
            rest.split([',', ';']).next().and_then(|text| text.parse().ok()).expect("an address")
        };
        Self { data: port("listening on http://"), admin: port("admin on http://"), child }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    fn wait(mut self) -> ExitStatus {
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

/// Asks until the server says that it closes, or takes no more connections. Every request that was
/// sent has to be answered; answers how many were.
fn ask_until_closed(address: SocketAddr, answered: &AtomicU64) {
    while TcpStream::connect(address).is_ok() {
        let Some(mut client) = connect(address) else { return };
        loop {
            let reply = client.ask(&Request::post("/predict", ROW));
            assert_eq!(reply.status, 200, "{reply}");
            answered.fetch_add(1, SeqCst);
            if reply.closes() {
                break;
            }
        }
    }
}

/// A connection, or nothing where the port has closed meanwhile.
fn connect(address: SocketAddr) -> Option<Client> {
    std::panic::catch_unwind(|| Client::connect(address)).ok()
}

fn until_answered(answered: &AtomicU64, count: u64) {
    let started = Instant::now();
    while answered.load(SeqCst) < count {
        assert!(started.elapsed() < PATIENCE, "no load");
        thread::yield_now();
    }
}

#[test]
fn sigterm_under_load_loses_no_request() {
    let process = Process::start(&[]);
    let answered = AtomicU64::new(0);
    let status = thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| ask_until_closed(process.data, &answered))).collect();
        until_answered(&answered, 200);
        process.signal("TERM");
        clients.into_iter().for_each(|client| client.join().expect("no request was lost"));
        answered.load(SeqCst)
    });
    println!("{status} requests answered");
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn while_draining_it_is_alive_not_ready_and_still_answers() {
    let process = Process::start(&["--drain-delay", "2s"]);
    let mut admin = Client::connect(process.admin);
    assert_eq!(admin.ask(&Request::get("/readyz")).status, 200);
    process.signal("TERM");
    let started = Instant::now();
    while admin.ask(&Request::get("/readyz")).status != 503 {
        assert!(started.elapsed() < PATIENCE, "it stays ready");
        admin = Client::connect(process.admin);
    }
    for path in ["/livez", "/v2/health/live"] {
        assert_eq!(Client::connect(process.data).ask(&Request::get(path)).status, 200, "{path}");
    }
    assert_eq!(Client::connect(process.admin).ask(&Request::get("/livez")).status, 200);
    assert_eq!(Client::connect(process.data).ask(&Request::get("/readyz")).status, 503);
    assert_eq!(Client::connect(process.data).ask(&Request::post("/predict", ROW)).status, 200);
    drop(admin);
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn sigint_does_not_wait_for_the_drain_delay() {
    let process = Process::start(&["--drain-delay", "1h"]);
    process.signal("INT");
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn a_request_in_the_middle_of_its_body_is_finished() {
    let process = Process::start(&[]);
    let mut client = Client::connect(process.data);
    let bytes = Request::post("/predict", ROW).bytes();
    let (most, rest) = bytes.split_at(bytes.len() - 5);
    client.send(most).expect("sent");
    // The head has been read once the server counts the request as in flight.
    let metrics = || Client::connect(process.admin).ask(&Request::get("/metrics"));
    let started = Instant::now();
    while !String::from_utf8_lossy(&metrics().body).contains("tidegate_in_flight{model=\"diabetes\",version=\"1\"} 1") {
        assert!(started.elapsed() < PATIENCE, "never in flight");
    }
    process.signal("TERM");
    while Client::connect(process.admin).ask(&Request::get("/readyz")).status != 503 {
        assert!(started.elapsed() < PATIENCE, "it stays ready");
    }
    client.send(rest).expect("sent");
    assert_eq!(client.receive().expect("answered").status, 200);
    drop(client);
    assert_eq!(process.wait().code(), Some(0));
}
