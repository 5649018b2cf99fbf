//! Bytes that are no HTTP, or HTTP that ends early.
//!
//! Where no request can be made out, the answer comes from the HTTP layer: a bare 4xx with an empty
//! body, and the connection ends.

use super::{INFER, PREDICT, Request, WINE, ask_good, refusal, server};

/// What is sent, and the status of the bare answer.
fn no_requests() -> Vec<(&'static str, Vec<u8>, u16)> {
    let post = |headers: &str| format!("POST {PREDICT} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n\r\n").into_bytes();
    vec![
        ("no request at all", b"how do you do\r\n\r\n".to_vec(), 400),
        ("a greeting of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400),
        ("a version of HTTP to come", b"GET /v2 HTTP/4.0\r\n\r\n".to_vec(), 400),
        ("a path with a space", b"GET /v2 models HTTP/1.1\r\n\r\n".to_vec(), 400),
        ("a header without a colon", post("content-length 5"), 400),
        ("a header's name with a space", post("content length: 5"), 400),
        ("a zero byte in a header", post("x-request-id: a\0b"), 400),
        ("a length in words", post("content-length: five"), 400),
        ("a negative length", post("content-length: -5"), 400),
        ("a length beyond the integers", post("content-length: 99999999999999999999"), 400),
        ("two lengths", post("content-length: 5\r\ncontent-length: 6"), 400),
        ("an unknown transfer-encoding", post("transfer-encoding: gzip"), 400),
        ("a path without end", format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)).into_bytes(), 431),
        ("headers without number", post(&"a: b\r\n".repeat(200)), 431),
    ]
}

#[test]
fn what_is_no_request_gets_a_bare_answer_and_the_connection_ends() {
    let server = server();
    let mut other = server.client();
    for (what, bytes, status) in no_requests() {
        let mut client = server.client();
        client.send(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        let reply = client.receive().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(reply.status, status, "{what}: {reply}");
        assert!(reply.body.is_empty(), "{what}: {reply}");
        assert!(client.is_closed(), "{what}: the connection is still open");
        ask_good(what, &mut other);
    }
    drop(other);
    server.stop();
}

/// Requests whose body ends, or goes wrong, before it is whole.
fn half_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let cut = |request: Request, less: usize| {
        let bytes = request.bytes();
        bytes[..bytes.len() - less].to_vec()
    };
    let chunks = |path: &str, body: &str| Request::post(path, body).with("transfer-encoding", "chunked").bytes();
    vec![
        ("a body shorter than its length", cut(Request::post(PREDICT, WINE), 9)),
        ("a body that never comes", cut(Request::post(INFER, WINE), WINE.len())),
        ("chunks without the last", cut(Request::post(PREDICT, WINE).chunked(10), 5)),
        ("a chunk that ends early", cut(Request::post(PREDICT, WINE).chunked(4096), 20)),
        ("a chunk whose size is no number", chunks(PREDICT, "five\r\n12345\r\n0\r\n\r\n")),
        ("a chunk larger than it says", chunks(PREDICT, "2\r\n[1,2]\r\n0\r\n\r\n")),
        ("a chunk beyond the integers", chunks(INFER, "fffffffffffffffffffff\r\n[1]\r\n0\r\n\r\n")),
    ]
}

#[test]
fn a_body_that_ends_early_is_refused_in_words() {
    let server = server();
    let mut other = server.client();
    for (what, bytes) in half_bodies() {
        let mut client = server.client();
        client.send(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        client.finish_sending();
        let reply = client.receive().unwrap_or_else(|error| panic!("{what}: {error}"));
        let body = refusal(what, &reply);
        assert_eq!((reply.status, &body["field"]), (400, &"body".into()), "{what}: {reply}");
        assert!(client.is_closed(), "{what}: the connection is still open");
        ask_good(what, &mut other);
    }
    drop(other);
    server.stop();
}

#[test]
fn callers_who_leave_in_the_middle_leave_nothing_behind() {
    let server = server();
    let whole = Request::post(PREDICT, WINE).bytes();
    for end in (0..whole.len()).step_by(7) {
        server.client().send(&whole[..end]).expect("a new connection");
    }
    ask_good("those who left", &mut server.client());
    server.stop();
}
