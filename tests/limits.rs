//! Callers who send too slowly, too much or too often cost the others nothing.

mod common;

use common::client::{Client, Request};
use common::{PATIENCE, Server, good, json, text};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::Write;
use std::time::{Duration, Instant};

const PREDICT: &str = "/models/wine/predict";
const WINE: &str = "[11.96,1.09,2.3,21.0,101.0,3.38,2.14,0.13,1.65,3.21,0.99,3.13,886.0]";

fn ask_good(client: &mut Client) {
    let answer = good("wine", &client.ask(&Request::post(PREDICT, WINE)));
    assert_eq!(answer["prediction"], "class_1");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn packed_bodies_are_read_and_bombs_are_not() {
    let server = Server::with(|config| config.front.max_body = 1 << 20);
    let mut client = server.client();
    let packed = Request::post(PREDICT, gzip(WINE.as_bytes())).with("content-encoding", "gzip");
    assert_eq!(good("gzip", &client.ask(&packed))["prediction"], "class_1");
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(WINE.as_bytes()).expect("memory");
    let deflated = encoder.finish().expect("memory");
    let packed = Request::post(PREDICT, deflated).with("content-encoding", "deflate");
    assert_eq!(good("deflate", &client.ask(&packed))["prediction"], "class_1");
    let bomb = Request::post(PREDICT, gzip(&vec![b' '; 1 << 30])).with("content-encoding", "gzip");
    assert!(bomb.body.len() < 1 << 20, "it is small before it is unpacked");
    let reply = client.ask(&bomb);
    assert_eq!(reply.status, 413, "{reply}");
    assert!(text(&json("bomb", &reply), "/error").contains("--max-body"), "{reply}");
    ask_good(&mut client);
    drop(client);
    server.stop();
}

#[test]
fn a_body_that_does_not_come_is_refused_in_time() {
    let server = Server::with(|config| config.front.body_time = Duration::from_millis(200));
    let whole = Request::post(PREDICT, WINE).bytes();
    let mut slow = server.client();
    slow.send(&whole[..whole.len() - 5]).expect("sent");
    let reply = slow.receive().expect("an answer");
    assert_eq!(reply.status, 408, "{reply}");
    assert!(text(&json("slow", &reply), "/error").contains("--body-timeout"), "{reply}");
    assert!(reply.closes(), "what follows is still that body: {reply}");
    ask_good(&mut server.client());
    drop(slow);
    server.stop();
}

#[test]
fn the_callers_own_time_limit_covers_its_body() {
    let server = Server::start();
    let whole = Request::post(PREDICT, WINE).with("x-timeout-ms", "100").bytes();
    let mut slow = server.client();
    slow.send(&whole[..whole.len() - 5]).expect("sent");
    assert_eq!(slow.receive().expect("an answer").status, 408);
    drop(slow);
    server.stop();
}

/// Asks until the connection is seen closed; only a test that fails waits long.
fn until_closed(client: &mut Client) -> Duration {
    let started = Instant::now();
    while !client.is_closed() {
        assert!(started.elapsed() < PATIENCE, "still open");
    }
    started.elapsed()
}

#[test]
fn half_a_head_and_silence_are_closed() {
    let server = Server::with(|config| {
        config.front.limits.header_time = Duration::from_millis(300);
        config.front.limits.idle_time = Duration::from_secs(2);
    });
    let mut silent = server.client();
    let mut half = server.client();
    half.send(b"POST /predict HTTP/1.1\r\nhost: x\r\nx-a: ").expect("sent");
    let mut preface = server.client();
    preface.send(b"PRI * HT").expect("sent");
    let mut idle = server.client();
    ask_good(&mut idle);
    for client in [&mut silent, &mut half, &mut preface] {
        until_closed(client);
    }
    // Between requests the longer limit counts, and asking starts it again.
    ask_good(&mut idle);
    assert!(until_closed(&mut idle) > Duration::from_millis(1500));
    server.stop();
}

#[test]
fn connections_beyond_the_limit_are_told_and_room_comes_back() {
    let server = Server::with(|config| config.front.limits.connections = 3);
    let mut inside: Vec<Client> = (0..3).map(|_| server.client()).collect();
    inside.iter_mut().for_each(ask_good);
    let mut outside = server.client();
    outside.send(&Request::post(PREDICT, WINE).bytes()).expect("sent");
    let reply = outside.receive().expect("an answer");
    assert_eq!(reply.status, 503, "{reply}");
    assert!(text(&json("outside", &reply), "/error").contains("--max-connections"), "{reply}");
    assert!(reply.closes() && reply.header("retry-after").is_some());
    // Those inside do not notice.
    inside.iter_mut().for_each(ask_good);
    inside.pop();
    drop(outside);
    let started = Instant::now();
    loop {
        let mut client = server.client();
        client.send(&Request::post(PREDICT, WINE).bytes()).expect("sent");
        if client.receive().is_ok_and(|reply| reply.status == 200) {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "no room comes back");
    }
    drop(inside);
    server.stop();
}

#[test]
fn a_head_beyond_the_limit_is_refused() {
    let server = Server::with(|config| config.front.limits.header_bytes = 8192);
    let mut client = server.client();
    let reply = client.ask(&Request::post(PREDICT, WINE).with("x-long", &"a".repeat(10_000)));
    assert_eq!(reply.status, 431, "{reply}");
    assert!(reply.closes());
    ask_good(&mut server.client());
    server.stop();
}

/// The head of a request whose body comes in chunks, answered with leave to send it: what is sent from
/// then on is not read together with the head.
fn begin_chunks(server: &Server, path: &str) -> Client {
    let mut client = server.client();
    let head = Request::post(path, "").with("transfer-encoding", "chunked").with("expect", "100-continue");
    client.send(&head.bytes()).expect("sent");
    client
}

/// Beyond what is let through without a byte of the body, by one byte: so nothing is left unread when
/// the server gives up, and its answer is not lost.
const ABSURD: usize = (2 << 20) + 1;

#[test]
fn a_chunk_size_without_end_is_ended_by_its_length() {
    let server = Server::start();
    for (what, start, more) in [("zeros", "0", b'0'), ("spaces", "5", b' ')] {
        let mut client = begin_chunks(&server, PREDICT);
        assert_eq!(client.receive_head().expect("an answer").status, 100, "{what}");
        client.send(start.as_bytes()).expect("sent");
        client.send(&vec![more; ABSURD - start.len()]).expect("sent");
        let reply = client.receive().expect("an answer");
        assert_eq!(reply.status, 400, "{what}: {reply}");
        assert!(text(&json(what, &reply), "/error").contains("chunk sizes"), "{what}: {reply}");
        assert!(reply.closes(), "{what}: {reply}");
    }
    ask_good(&mut server.client());
    server.stop();
}

#[test]
fn a_chunk_size_without_end_does_not_take_the_bodys_time() {
    let server = Server::with(|config| config.front.body_time = PATIENCE * 2);
    // What was sent before buys nothing, and a body that nobody wants is ended as well.
    for (path, start) in [(PREDICT, ""), (PREDICT, "1\r\n[\r\n"), ("/nowhere", "")] {
        let mut client = server.client();
        client.send(&Request::post(path, start).with("transfer-encoding", "chunked").bytes()).expect("sent");
        let (started, zeros, mut sent) = (Instant::now(), vec![b'0'; 64 << 10], 0_usize);
        while client.send(&zeros).is_ok() {
            sent += zeros.len();
            assert!(started.elapsed() < PATIENCE, "{path}: still read after {sent} bytes");
        }
        // What the kernel's buffers hold comes on top of what the server reads.
        assert!(sent < 64 << 20, "{path}: {sent} bytes were taken");
    }
    server.stop();
}

#[test]
fn honest_chunks_of_every_size_get_through() {
    let server = Server::start();
    let mut client = server.client();
    let long = |size: usize| format!("{}{WINE}", " ".repeat(size));
    for (size, chunk) in [(64 << 10, 1), (1 << 20, 7), (8 << 20, 4096), (8 << 20, 8 << 20)] {
        let answer = good("chunks", &client.ask(&Request::post(PREDICT, long(size)).chunked(chunk)));
        assert_eq!(answer["prediction"], "class_1", "{size} bytes in chunks of {chunk}");
    }
    // Sizes padded with zeros, as some clients write them, and requests that do not wait for answers.
    let padded: String = long(200_000).chars().map(|one| format!("00000001\r\n{one}\r\n")).collect();
    let padded = Request::post(PREDICT, padded + "0\r\n\r\n").with("transfer-encoding", "chunked").bytes();
    let plain = Request::post(PREDICT, WINE).bytes();
    let mut receiver = server.client();
    receiver.send(&[padded.as_slice(), &plain, &padded, &plain].concat()).expect("sent");
    for at in 0..4 {
        let answer = good("pipelined", &receiver.receive().expect("an answer"));
        assert_eq!(answer["prediction"], "class_1", "request {at}");
    }
    drop((client, receiver));
    server.stop();
}
