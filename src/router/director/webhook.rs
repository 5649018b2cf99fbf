//! Calls to webhooks: one thread, plain HTTP/1.1, every call bounded in time and in what is read.
//!
//! Nothing that answers can do harm: it is an answer of 2xx, or it is not.

use crate::text;
use bytes::Bytes;
use crossbeam::channel::{Receiver, Sender, unbounded};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Calls that wait to be made, and calls at a time; more are not taken.
const MOST_WAITING: usize = 64;
const MOST_AT_ONCE: usize = 64;
/// Bytes of an answer that are read, and letters of them that are shown.
const MOST_READ: usize = 4096;
const SHOWN: usize = 200;
/// Threads that look names up.
const LOOKING_UP: usize = 4;

/// One call.
pub struct Call {
    pub model: String,
    /// Place of the webhook in the plan.
    pub at: usize,
    /// Which step of which ramp it is about.
    pub about: u64,
    pub url: Uri,
    pub timeout: Duration,
    pub body: String,
}

/// What came of a call: yes, or why not.
pub struct Told {
    pub model: String,
    pub at: usize,
    pub about: u64,
    pub answer: Result<(), String>,
}

/// The way to the thread, which starts with the first call.
pub struct Caller {
    way: Option<Way>,
    tell: Sender<Told>,
    pub told: Receiver<Told>,
}

struct Way {
    calls: mpsc::Sender<Call>,
    thread: Option<JoinHandle<()>>,
}

impl Caller {
    pub fn new() -> Self {
        let (tell, told) = unbounded();
        Self { way: None, tell, told }
    }

    /// Has a call made; false where too many wait already.
    pub fn call(&mut self, call: Call) -> bool {
        if self.way.is_none() {
            self.way = Way::open(&self.tell).map_err(|error| tracing::error!(%error, "webhooks have no thread")).ok();
        }
        self.way.as_ref().is_some_and(|way| way.calls.try_send(call).is_ok())
    }
}

impl Way {
    fn open(tell: &Sender<Told>) -> std::io::Result<Self> {
        let (calls, waiting) = mpsc::channel(MOST_WAITING);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(LOOKING_UP)
            .build()?;
        let tell = tell.clone();
        let thread = std::thread::Builder::new().name("webhook".into()).spawn(move || {
            runtime.block_on(work(waiting, tell));
            // A name that is still being looked up is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { calls, thread: Some(thread) })
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        // The thread ends when nobody can send it more; what is under way is given up.
        self.calls = mpsc::channel(1).0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Makes calls until nobody can ask for more.
async fn work(mut waiting: mpsc::Receiver<Call>, tell: Sender<Told>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = under_way.join_next() => {}
            call = waiting.recv() => {
                let Some(call) = call else { return };
                let (tell, full) = (tell.clone(), under_way.len() >= MOST_AT_ONCE);
                under_way.spawn(async move {
                    let answer = if full { Err("too many calls are under way".into()) } else { ask(&call).await };
                    let _ = tell.send(Told { model: call.model, at: call.at, about: call.about, answer });
                });
            }
        }
    }
}

async fn ask(call: &Call) -> Result<(), String> {
    match tokio::time::timeout(call.timeout, post(&call.url, &call.body)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", call.timeout.as_secs_f64())),
    }
}

async fn post(url: &Uri, body: &str) -> Result<(), String> {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, url.port_u16().unwrap_or(80)));
    let stream = stream.await.map_err(|error| format!("cannot be reached: {error}"))?;
    let broken = |error: hyper::Error| format!("gave no answer that can be read: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Ends with this function, however that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request(url, body)?).await.map_err(broken)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let said = first_words(answer).await;
    let colon = if said.is_empty() { "" } else { ": " };
    Err(format!("answered {}{colon}{said}", status.as_u16()))
}

fn request(url: &Uri, body: &str) -> Result<Request<Full<Bytes>>, String> {
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let host = url.authority().map_or("", |authority| authority.as_str());
    Request::post(path)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close")
        .header(USER_AGENT, concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .map_err(|error| error.to_string())
}

/// The beginning of an answer's body, as far as it can be shown.
async fn first_words(mut answer: Response<Incoming>) -> String {
    let mut read = Vec::new();
    while read.len() < MOST_READ
        && let Some(Ok(frame)) = answer.frame().await
    {
        read.extend(frame.data_ref().into_iter().flatten().take(MOST_READ));
    }
    let plain: String = String::from_utf8_lossy(&read).chars().filter(|letter| !letter.is_control()).collect();
    text::shorten(plain.trim(), SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// What a call is told by a server that sends these bytes and then waits for its caller to go.
    fn told(bytes: &'static [u8], timeout: Duration) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/gate?x=1", listener.local_addr().expect("bound"));
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a caller");
            let mut asked = vec![0; 4096];
            let length = stream.read(&mut asked).expect("a request");
            // The caller may be gone before all of it is sent.
            let _ = stream.write_all(bytes);
            let _ = stream.read(&mut [0; 1]);
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        let mut caller = Caller::new();
        let url = url.parse().expect("a URL");
        assert!(caller.call(Call { model: "m".into(), at: 1, about: 2, url, timeout, body: "{}".into() }));
        let told = caller.told.recv().expect("an answer");
        assert_eq!((told.model.as_str(), told.at, told.about), ("m", 1, 2));
        drop(caller);
        let asked = server.join().expect("served");
        assert!(asked.starts_with("POST /gate?x=1 HTTP/1.1\r\n"), "{asked}");
        told.answer
    }

    #[test]
    fn only_an_answer_of_2xx_is_a_yes() {
        const LONG: Duration = Duration::from_secs(60);
        assert_eq!(told(b"HTTP/1.1 204 No Content\r\n\r\n", LONG), Ok(()));
        for (answer, words) in [
            (&b"HTTP/1.1 403 Forbidden\r\ncontent-length: 9\r\n\r\nnot\x07 yet!"[..], "answered 403: not yet!"),
            (b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n", "answered 302"),
            (b"SSH-2.0-nobody\r\n\r\n", "gave no answer that can be read"),
            (b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\nzzzz\r\n", "answered 500"),
        ] {
            let told = told(answer, LONG).expect_err("no yes");
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn silence_and_answers_without_end_are_given_up() {
        let short = Duration::from_millis(50);
        for answer in [&b""[..], b"HTTP/1.1 200 OK", b"HTTP/1.1 403 No\r\ncontent-length: 9999999\r\n\r\nx"] {
            let told = told(answer, short).expect_err("no yes");
            assert!(told.contains("no answer within 0.05 s"), "{told}");
        }
        let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
        let mut caller = Caller::new();
        let url = format!("http://{nobody}/").parse().expect("a URL");
        caller.call(Call { model: "m".into(), at: 0, about: 0, url, timeout: short, body: String::new() });
        assert!(caller.told.recv().expect("an answer").answer.is_err());
    }
}
