//! The real binary told to stop under load: every request that was sent is answered.

mod common;

use common::PATIENCE;
use common::client::{Client, Request};
use common::process::Process;
use rustix::process::Signal;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

const ROW: &str = "[59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87]";

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
        process.signal(Signal::TERM);
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
    process.signal(Signal::TERM);
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
    process.signal(Signal::INT);
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
    process.signal(Signal::TERM);
    while Client::connect(process.admin).ask(&Request::get("/readyz")).status != 503 {
        assert!(started.elapsed() < PATIENCE, "it stays ready");
    }
    client.send(rest).expect("sent");
    assert_eq!(client.receive().expect("answered").status, 200);
    drop(client);
    assert_eq!(process.wait().code(), Some(0));
}
