//! Webhooks of a canary: a gate that is closed holds it, one that is open lets it go on, and those
//! who want to know are told.

use crate::common::PATIENCE;
use crate::common::garden::until;
use crate::{Server, TRAFFIC, put, serve, versions};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A server of gates such as Flagger's load tester has: one per path, each open or closed.
#[derive(Clone)]
struct Gates {
    address: SocketAddr,
    open: Arc<Mutex<BTreeSet<String>>>,
    /// Path and payload of every call.
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Gates {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let gates = Self { address, open: Arc::default(), calls: Arc::default() };
        let of_thread = gates.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let gates = of_thread.clone();
                thread::spawn(move || gates.answer(stream));
            }
        });
        gates
    }

    fn answer(&self, stream: TcpStream) {
        stream.set_read_timeout(Some(PATIENCE)).expect("an open socket");
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).expect("a head") > 0 {}
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.expect("a length")];
        reader.read_exact(&mut body).expect("a body");
        let path = head.split(' ').nth(1).expect("a path").to_owned();
        let open = self.open.lock().expect("whole").contains(&path);
        self.calls.lock().expect("whole").push((path, serde_json::from_slice(&body).expect("JSON")));
        let answer = if open {
            "200 OK\r\ncontent-length: 2\r\n\r\nok"
        } else {
            "403 Forbidden\r\ncontent-length: 6\r\n\r\nclosed"
        };
        let _ = write!(reader.into_inner(), "HTTP/1.1 {answer}");
    }

    fn open(&self, path: &str) {
        self.open.lock().expect("whole").insert(path.to_owned());
    }

    /// The payloads of the calls to a path.
    fn told(&self, path: &str) -> Vec<Value> {
        let calls = self.calls.lock().expect("whole");
        calls.iter().filter(|(called, _)| called == path).map(|(_, payload)| payload.clone()).collect()
    }

    fn hook(&self, kind: &str) -> Value {
        json!({"name": kind, "type": kind, "url": format!("http://{}/{kind}", self.address),
            "metadata": {"token": "t"}})
    }
}

fn plan(hooks: &[Value]) -> Value {
    let step = |weight: u32| json!({"weight": weight, "min_time": "0s", "min_requests": 1});
    let canary = json!({"version": "2", "steps": [step(5000), step(9000)], "check_every": "10ms", "max_drift": 0,
        "webhooks": hooks});
    json!({"canary": canary, "sticky": {"header": "x-user-id"}})
}

fn canary(server: &Server) -> Value {
    put(server, "GET", TRAFFIC, "")["status"]["canary"].clone()
}

fn until_words(server: &Server, words: &str) {
    until(words, || {
        versions(server, 20);
        canary(server)["words"].as_str().is_some_and(|told| told.contains(words)).then_some(())
    });
}

#[test]
fn a_canary_goes_through_its_gates_one_after_the_other() {
    let (server, gates) = (serve(None), Gates::new());
    let kinds = ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion", "event"];
    put(&server, "PUT", TRAFFIC, plan(&kinds.map(|kind| gates.hook(kind))));
    until_words(&server, "waits for the webhook 'confirm-rollout': answered 403: closed");
    assert_eq!(canary(&server)["weight"], 0);
    assert!(versions(&server, 50).iter().all(|version| version == "1"), "it has no traffic before the gate is open");
    let asked = gates.told("/confirm-rollout").pop().expect("a call");
    let payload = json!({"name": "churn", "namespace": "tidegate", "phase": "Waiting", "version": "2",
        "control": "champion", "weight": 0, "step": 1, "steps": 2, "type": "confirm-rollout"});
    payload.as_object().expect("members").iter().for_each(|(name, value)| assert_eq!(&asked[name], value, "{name}"));
    assert_eq!(asked["metadata"], json!({"token": "t"}));
    gates.open("/confirm-rollout");
    until_words(&server, "waits for the webhook 'confirm-traffic-increase'");
    assert_eq!((&canary(&server)["step"], &canary(&server)["weight"]), (&json!(1), &json!(5000)));
    gates.open("/confirm-traffic-increase");
    until_words(&server, "waits for the webhook 'confirm-promotion'");
    assert_eq!((&canary(&server)["step"], &canary(&server)["weight"]), (&json!(2), &json!(9000)));
    assert_eq!(gates.told("/confirm-promotion")[0]["phase"], "WaitingPromotion");
    gates.open("/confirm-promotion");
    until("the promotion", || canary(&server).is_null().then_some(()));
    let events = until("the last event", || Some(gates.told("/event")).filter(|told| told.len() == 4));
    let phases: BTreeSet<&str> = events.iter().filter_map(|event| event["phase"].as_str()).collect();
    assert_eq!(phases, BTreeSet::from(["Waiting", "Progressing", "Succeeded"]));
    assert!(events.iter().all(|event| event["metadata"]["eventType"] == "Normal"), "{events:?}");
    server.stop();
}

#[test]
fn another_system_takes_a_canary_back_or_waves_it_through() {
    let (server, gates) = (serve(None), Gates::new());
    put(&server, "PUT", TRAFFIC, plan(&["rollback", "confirm-rollout", "event"].map(|kind| gates.hook(kind))));
    until_words(&server, "waits for the webhook 'confirm-rollout'");
    // A webhook of theirs has a body of its own, which says nothing to us.
    put(&server, "POST", "/api/models/churn/canary/approve", json!({"action": "opened", "number": 7}));
    until("its first traffic", || (canary(&server)["weight"] != 0).then_some(()));
    put(&server, "POST", "/api/models/churn/canary/pause", "");
    assert_eq!(canary(&server)["paused"], true);
    let (status, answer) = crate::ask(&server, "POST", "/api/models/churn/canary/open", "");
    assert_eq!((status, &answer["field"]), (400, &json!("action")), "{answer}");
    gates.open("/rollback");
    until("the rollback", || canary(&server).is_null().then_some(()));
    let shown = put(&server, "GET", TRAFFIC, "");
    assert_eq!(shown["status"]["last_canary"], "rolled back: the webhook 'rollback' wants it back");
    assert!(versions(&server, 50).iter().all(|version| version == "1"));
    let last = until("the last event", || gates.told("/event").into_iter().find(|event| event["phase"] == "Failed"));
    assert_eq!(last["metadata"]["eventType"], "Warning", "{last}");
    server.stop();
}

#[test]
fn a_gate_that_nobody_answers_holds_the_canary_and_nothing_else() {
    // Connections are taken by the kernel, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/gate", silent.local_addr().expect("bound"));
    let server = serve(None);
    let hook = json!({"name": "gate", "type": "confirm-traffic-increase", "url": url, "timeout": "100ms"});
    put(&server, "PUT", TRAFFIC, plan(&[hook]));
    until_words(&server, "waits for the webhook 'gate': no answer within 0.1 s");
    // Changes are made meanwhile, and the server stops at once.
    put(&server, "POST", "/api/models/churn/canary", json!({"action": "pause"}));
    put(&server, "POST", "/api/models/churn/rollback", "");
    server.stop();
}
