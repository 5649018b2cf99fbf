//! `tidegate health`: a probe for images that have no curl.

use super::{FAILURE, USAGE};
use clap::ArgMatches;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

/// Probes are impatient.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Enough of an answer to read its first line and reason.
const ENOUGH: u64 = 4096;

pub fn run(arguments: &ArgMatches) -> ExitCode {
    let url = arguments.get_one::<String>("url").map_or("", String::as_str);
    let Some((host, path)) = target(url) else {
        eprintln!("tidegate: expected http://HOST:PORT[/PATH], got '{url}'");
        return ExitCode::from(USAGE);
    };
    match ask(&host, &path) {
        Ok((200, _)) => ExitCode::SUCCESS,
        Ok((status, body)) => {
            eprintln!("tidegate: {url} answered {status}: {body}");
            ExitCode::from(FAILURE)
        }
        Err(error) => {
            eprintln!("tidegate: {url}: {error}");
            ExitCode::from(FAILURE)
        }
    }
}

/// Host with port, and path.
fn target(url: &str) -> Option<(String, String)> {
    let rest = match url.split_once("://") {
        Some(("http", rest)) => rest,
        Some(_) => return None,
        None => url,
    };
    let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:8080") };
    let path = if path.is_empty() { "/readyz".to_owned() } else { format!("/{path}") };
    (!host.starts_with(':')).then_some((host, path))
}

/// Tries every address of a name: where `localhost` is IPv6 first, the server may still be on IPv4.
fn connect(host: &str) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn ask(host: &str, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = connect(host)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ENOUGH).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim().to_owned();
    status
        .map(|status| (status, body))
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "not an HTTP answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_leniently() {
        let read = |url| target(url).map(|(host, path)| format!("{host}{path}"));
        assert_eq!(read("http://127.0.0.1:9090/livez").as_deref(), Some("127.0.0.1:9090/livez"));
        assert_eq!(read("localhost:81").as_deref(), Some("localhost:81/readyz"));
        assert_eq!(read("http://host").as_deref(), Some("host:8080/readyz"));
        assert_eq!(read("https://host"), None);
        assert_eq!(read(":80"), None);
    }
}
