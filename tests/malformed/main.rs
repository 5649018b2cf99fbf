//! Malformed requests are refused in words that help, and nothing else notices them.

mod binary;
#[path = "../common/mod.rs"]
mod common;
mod framing;
mod http;
mod mutation;
mod oip;
mod plain;

use common::client::{Client, Reply, Request};
use common::{Server, good, json};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The largest body the server under test takes.
const MAX_BODY: usize = 2 << 20;
/// The most rows that may wait in a lane of it.
const QUEUE_ROWS: usize = 1000;
/// However large a mistake is, its description is not.
const LONGEST_ERROR: usize = 4096;

const PREDICT: &str = "/models/wine/predict";
const INFER: &str = "/v2/models/wine/infer";
const WINE: &str = "[11.96,1.09,2.3,21.0,101.0,3.38,2.14,0.13,1.65,3.21,0.99,3.13,886.0]";

/// One malformed request and how it is refused.
pub struct Row {
    pub name: String,
    pub request: Request,
    pub status: u16,
    /// What the words of the error, or the name of the member at fault, must hold.
    pub word: &'static str,
}

impl Row {
    fn new(name: &str, request: Request, status: u16, word: &'static str) -> Self {
        Self { name: name.to_owned(), request, status, word }
    }

    /// A body that is a mistake by itself: 400.
    fn body(name: &str, path: &str, body: impl Into<Vec<u8>>, word: &'static str) -> Self {
        Self::new(name, Request::post(path, body), 400, word)
    }
}

/// Every row of every table.
fn rows() -> Vec<Row> {
    let rows: Vec<Row> = [plain::rows(), oip::rows(), binary::rows(), http::rows()].into_iter().flatten().collect();
    for (at, row) in rows.iter().enumerate() {
        let first = rows.iter().position(|other| other.name == row.name);
        assert_eq!(first, Some(at), "two rows are called '{}'", row.name);
    }
    rows
}

fn server() -> Server {
    Server::with(|config| {
        config.front.max_body = MAX_BODY;
        config.registry.batching.queue_rows = QUEUE_ROWS;
        // Every request goes through the queue, whatever a row costs here.
        config.registry.batching.inline_below = Duration::ZERO;
    })
}

/// Asks for a prediction that must be right.
fn ask_good(what: &str, client: &mut Client) {
    let answer = good(what, &client.ask(&Request::post(PREDICT, WINE)));
    assert_eq!(answer["prediction"], "class_1", "after {what}");
}

/// A refusal in the one form that all have; answers its body.
fn refusal(what: &str, reply: &Reply) -> Value {
    assert!((400..500).contains(&reply.status), "{what}: {reply}");
    let body = json(what, reply);
    assert!(body.is_object(), "{what}: {reply}");
    for member in ["error", "code", "request_id"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{what}: no {member}: {reply}");
    }
    assert!(body["field"].is_string(), "{what}: no field: {reply}");
    assert_eq!(body["request_id"].as_str(), reply.header("x-request-id"), "{what}");
    assert!(reply.body.len() <= LONGEST_ERROR, "{what}: {} bytes of error", reply.body.len());
    body
}

fn check(row: &Row, reply: &Reply) {
    let body = refusal(&row.name, reply);
    assert_eq!(reply.status, row.status, "{}: {reply}", row.name);
    let says = |member: &str| body[member].as_str().is_some_and(|text| text.contains(row.word));
    assert!(says("error") || says("field"), "{}: no '{}' in {reply}", row.name, row.word);
}

/// Sends each row on one connection for as long as the server keeps it.
fn send_all(server: &Server, rows: &[Row]) {
    let mut client = server.client();
    for row in rows {
        let reply = client.ask(&row.request);
        check(row, &reply);
        if reply.closes() {
            client = server.client();
        }
        ask_good(&row.name, &mut client);
    }
}

/// Predicts until told to stop; answers how often.
fn predict_meanwhile(server: &Server, over: &AtomicBool) -> usize {
    let mut client = server.client();
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        ask_good("meanwhile", &mut client);
        count += 1;
    }
    count
}

/// Ends the good requests also where a row fails, so that the failure is seen.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_table_is_long() {
    assert!(rows().len() >= 250, "{} rows", rows().len());
}

#[test]
fn each_is_refused_and_the_connection_answers_on() {
    let server = server();
    send_all(&server, &rows());
    ask_good("all of them", &mut server.client());
    server.stop();
}

#[test]
fn good_requests_do_not_notice_a_storm_of_malformed_ones() {
    let server = server();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let good: Vec<_> = (0..2).map(|_| scope.spawn(|| predict_meanwhile(&server, &over))).collect();
        let ended = Ended(&over);
        let bad: Vec<_> = (0..2).map(|_| scope.spawn(|| send_all(&server, &rows()))).collect();
        let failed = bad.into_iter().filter_map(|thread| thread.join().err()).next();
        drop(ended);
        for thread in good {
            assert!(thread.join().expect("each good request has its answer") > 0);
        }
        assert!(failed.is_none(), "a malformed request was not refused as it should be");
    });
    server.stop();
}
