//! A small blocking HTTP client, for a server on the same machine or in the same network.
//!
//! It speaks HTTP/1.1 with one request per connection, which is all that the commands need.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Where to connect to, and what to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// With its port.
    pub host: String,
    pub path: String,
}

impl Target {
    /// Reads `http://HOST[:PORT][/PATH]`, with or without the scheme; what is left out is `port` and
    /// `path`. `None` for anything else.
    pub fn read(url: &str, port: u16, path: &str) -> Option<Self> {
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return None,
            None => url,
        };
        let (host, below) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let host = if has_port { host.to_owned() } else { format!("{host}:{port}") };
        let path = if below.is_empty() { path.to_owned() } else { format!("/{below}") };
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        (!host.starts_with(':') && plain(&host) && plain(&path)).then_some(Self { host, path })
    }
}

/// A request beside its limits.
pub struct Ask<'a> {
    pub method: &'a str,
    pub token: Option<&'a str>,
    /// The tag that what is written must have.
    pub if_match: Option<&'a str>,
    /// JSON; empty for none.
    pub body: &'a str,
    /// How long each step may take: connecting, sending, and every wait for more of the answer.
    pub patience: Duration,
    /// Bytes of the answer that are read; the rest is left.
    pub most: u64,
}

/// Sends a request and answers status and body.
pub fn send(target: &Target, ask: &Ask<'_>) -> Result<(u16, String)> {
    let mut stream = connect(&target.host, ask.patience)?;
    stream.set_read_timeout(Some(ask.patience))?;
    stream.set_write_timeout(Some(ask.patience))?;
    stream.write_all(head(target, ask).as_bytes())?;
    stream.write_all(ask.body.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ask.most).read_to_end(&mut answer).map_err(in_words)?;
    read(&answer, ask.most)
}

/// Tries every address of a name: where `localhost` is IPv6 first, the server may still be on IPv4.
fn connect(host: &str, patience: Duration) -> Result<TcpStream> {
    let mut last = Error::new(ErrorKind::NotFound, "the name has no address");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn head(target: &Target, ask: &Ask<'_>) -> String {
    let Target { host, path } = target;
    let mut head = format!("{} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", ask.method);
    if let Some(token) = ask.token {
        head.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    if let Some(tag) = ask.if_match.filter(|tag| tag.bytes().all(|byte| byte.is_ascii_graphic())) {
        head.push_str(&format!("if-match: {tag}\r\n"));
    }
    if ask.method != "GET" {
        head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", ask.body.len()));
    }
    head.push_str("\r\n");
    head
}

/// The system's word for a wait that was too long is that it would have to wait.
fn in_words(error: Error) -> Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::new(ErrorKind::TimedOut, "no answer in time"),
        _ => error,
    }
}

fn read(answer: &[u8], most: u64) -> Result<(u16, String)> {
    let wrong = |words| Error::new(ErrorKind::InvalidData, words);
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| wrong("not an HTTP answer"))?;
    let status = head.strip_prefix("HTTP/").and_then(|rest| rest.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    if (answer.len() as u64) < most && length.is_some_and(|length| body.len() < length) {
        return Err(wrong("the answer was cut short"));
    }
    status.map(|status| (status, body.trim().to_owned())).ok_or_else(|| wrong("not an HTTP answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_leniently() {
        let read = |url| Target::read(url, 8080, "/readyz").map(|target| format!("{}{}", target.host, target.path));
        assert_eq!(read("http://127.0.0.1:9090/livez").as_deref(), Some("127.0.0.1:9090/livez"));
        assert_eq!(read("localhost:81").as_deref(), Some("localhost:81/readyz"));
        assert_eq!(read("http://host").as_deref(), Some("host:8080/readyz"));
        assert_eq!(read("http://[::1]").as_deref(), Some("[::1]:8080/readyz"));
        assert_eq!(read("[::1]:9/x").as_deref(), Some("[::1]:9/x"));
        for bad in ["https://host", ":80", "http://host/a b", "http://host\r\nx: y"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn answers_are_whole_or_none() {
        let got = |text: &str| read(text.as_bytes(), 1000).ok();
        assert_eq!(got("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), Some((200, "{}".into())));
        for bad in ["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", "HTTP/1.1 200 OK\r\n", "SSH-2.0\r\n\r\n", ""] {
            assert_eq!(got(bad), None, "{bad}");
        }
    }
}
