//! Sockets: bound first, served later, closed without losing a request.

use super::connection::{Connections, Limits, Pulse};
use super::incoming::Incoming;
use super::reply::{ApiError, Cause};
use super::socket::Felt;
use bytes::Bytes;
use hyper::body::Body;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::future::Future;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// After the stop, how long an idle connection stays open for a request already on its way.
const LINGER: Duration = Duration::from_millis(500);
/// After the stop, how long the last handshakes may take.
const HANDSHAKE: Duration = Duration::from_millis(50);
/// How long to wait after a failed accept: the cause (no more file handles, say) needs time to pass.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// Requests that one HTTP/2 connection may have open.
const STREAMS: u32 = 256;
/// Connections beyond the limit that are told so; more than these are closed without a word.
const TOLD: usize = 256;
/// What every HTTP/2 connection begins with.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A bound socket that serves nothing yet.
pub struct Listener(StdListener);

impl Listener {
    /// Binds; the error names the address.
    pub fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let told =
            |error: std::io::Error| std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
        let listener = StdListener::bind(address).map_err(told)?;
        listener.set_nonblocking(true).map_err(told)?;
        Ok(Self(listener))
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Serves HTTP/1.1 and HTTP/2 on one socket until `stop` turns true, then finishes what is open:
/// requests in hand are answered, idle connections linger a moment and are closed. Returns when the
/// last connection is gone.
pub async fn serve_connections<S, F, B>(
    listener: Listener,
    answer: S,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
    accepted: metrics::Counter,
) -> std::io::Result<()>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let listener = TcpListener::from_std(listener.0)?;
    let door = Door { connections: Connections::new(limits), graceful: GracefulShutdown::new(), answer, accepted };
    let keeper = tokio::spawn({
        let connections = door.connections.clone();
        async move { connections.keep().await }
    });
    loop {
        tokio::select! {
            stream = listener.accept() => match stream {
                Ok((stream, _)) => door.open(stream),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = stopped(&mut stop) => break,
        }
    }
    close(listener, &door).await?;
    let open = door.connections.count();
    if open > 0 {
        tracing::info!(open, "connections are being finished");
        linger(&door.connections).await;
    }
    door.graceful.shutdown().await;
    keeper.abort();
    Ok(())
}

/// Closes the socket without resetting connections that the kernel has made already, or is about to.
/// In the end it is asked directly: tokio may not have heard of the last ones yet.
async fn close<S, F, B>(listener: TcpListener, door: &Door<S>) -> std::io::Result<()>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    refuse_newcomers(&listener);
    let last = async {
        while let Ok((stream, _)) = listener.accept().await {
            door.open(stream);
        }
    };
    // Where newcomers cannot be held off there is no end of them.
    let _ = tokio::time::timeout(HANDSHAKE, last).await;
    let listener = listener.into_std()?;
    while let Ok((stream, _)) = listener.accept() {
        match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
            Ok(stream) => door.open(stream),
            Err(error) => tracing::warn!(%error, "a connection could not be served"),
        }
    }
    Ok(())
}

/// Makes the kernel drop the first packet of whoever wants to connect from now on, so that no
/// connection is made between the last accept and the close: it would be reset with its first
/// request. Its client tries again a second later and is refused, before it has sent anything.
/// Handshakes that have begun may end: their last packet, dropped, would be such a reset as well.
#[cfg(target_os = "linux")]
fn refuse_newcomers(listener: &TcpListener) {
    use socket2::SockFilter;
    /// The byte of a TCP header that holds its flags, and the flags of a first packet: SYN and no ACK.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const SYN_OR_ACK: u32 = 0x12;
    // Classic BPF: load a byte, keep two bits, drop (take 0 bytes) where they are SYN alone, else take all.
    let drop_first_packets = [
        SockFilter::new(0x30, 0, 0, FLAGS),
        SockFilter::new(0x54, 0, 0, SYN_OR_ACK),
        SockFilter::new(0x15, 0, 1, SYN),
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ];
    if let Err(error) = socket2::SockRef::from(listener).attach_filter(&drop_first_packets) {
        tracing::debug!(%error, "newcomers cannot be held off while the socket closes");
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_newcomers(_: &TcpListener) {}

/// Waits for the word; an owner who is gone counts as one who said it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Leaves connections open until they close by themselves or the linger is over.
async fn linger(connections: &Connections) {
    const STEPS: u32 = 20;
    for _ in 0..STEPS {
        if connections.count() == 0 {
            return;
        }
        tokio::time::sleep(LINGER / STEPS).await;
    }
}

/// What it takes to serve one more connection.
struct Door<S> {
    connections: Arc<Connections>,
    graceful: GracefulShutdown,
    answer: S,
    accepted: metrics::Counter,
}

impl<S> Door<S> {
    fn open<F, B>(&self, stream: TcpStream)
    where
        S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.accepted.increment(1);
        // Answers are small and written whole: waiting for more to send only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let open = self.connections.count();
        let most = self.connections.limits.connections;
        if open >= most {
            if open < most + TOLD {
                self.turn_away(stream, most);
            }
            return;
        }
        let pulse = self.connections.pulse();
        let (connections, answer, watcher) = (self.connections.clone(), self.answer.clone(), self.graceful.watcher());
        let task = tokio::spawn({
            let pulse = pulse.clone();
            async move {
                if let Err(error) = serve(stream, &pulse, answer, &connections.limits, watcher).await {
                    tracing::debug!(%error, "a connection ended");
                }
                connections.close(&pulse);
            }
        });
        self.connections.watch(&pulse, task.abort_handle());
    }

    /// Says why and closes; what the caller has sent is read first, or the answer would be lost.
    fn turn_away(&self, mut stream: TcpStream, most: usize) {
        let pulse = self.connections.pulse();
        let connections = self.connections.clone();
        let task = tokio::spawn({
            let pulse = pulse.clone();
            async move {
                let words = format!("{most} connections are open, and --max-connections allows no more");
                let error =
                    ApiError { limit: Some(("max_connections", most, most)), ..ApiError::new(Cause::QueueFull, words) };
                let body = error.body("");
                let head = format!(
                    "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let say = async {
                    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
                    stream.shutdown().await?;
                    while stream.read(&mut [0; 4096]).await? > 0 {}
                    Ok::<(), std::io::Error>(())
                };
                let _ = tokio::time::timeout(LINGER, say).await;
                connections.close(&pulse);
            }
        });
        self.connections.watch(&pulse, task.abort_handle());
    }
}

async fn serve<S, F, B>(
    stream: TcpStream,
    pulse: &Arc<Pulse>,
    answer: S,
    limits: &Limits,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), BoxError>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let is_http2 = speaks_http2(&stream).await?;
    let service = service_fn({
        let pulse = pulse.clone();
        move |request| answer(Incoming::of(request, &pulse))
    });
    let io = TokioIo::new(Felt { stream, pulse: pulse.clone() });
    if is_http2 {
        pulse.set_http2();
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
        builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(header_bytes);
        watcher.watch(builder.serve_connection(io, service)).await?;
    } else {
        let mut builder = http1::Builder::new();
        // Time limits are the keeper's: a timer per request would cost more than the request's parsing.
        builder.header_read_timeout(None).max_header_size(limits.header_bytes);
        watcher.watch(builder.serve_connection(io, service)).await?;
    }
    Ok(())
}

/// Looks at the first bytes without taking them. The keeper ends a connection that sends none.
async fn speaks_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut start = [0; HTTP2_PREFACE.len()];
    loop {
        let seen = stream.peek(&mut start).await?;
        if seen == 0 || start[..seen] != HTTP2_PREFACE[..seen] {
            return Ok(false);
        }
        if seen == start.len() {
            return Ok(true);
        }
        // A peek answers at once as long as anything is there: give the rest time to come.
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
