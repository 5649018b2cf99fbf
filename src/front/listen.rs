//! Sockets: bound first, served later, closed without losing a request.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::future::Future;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How long a connection may take to send a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// After the stop, how long an idle connection stays open for a request already on its way.
const LINGER: Duration = Duration::from_millis(500);
/// How long to wait after a failed accept: the cause (no more file handles, say) needs time to pass.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

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
pub async fn serve_connections<S, F>(
    listener: Listener,
    answer: S,
    mut stop: watch::Receiver<bool>,
    accepted: metrics::Counter,
) -> std::io::Result<()>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let listener = TcpListener::from_std(listener.0)?;
    let graceful = GracefulShutdown::new();
    let builder = builder();
    loop {
        tokio::select! {
            stream = listener.accept() => match stream {
                Ok((stream, _)) => {
                    accepted.increment(1);
                    open(stream, &builder, &graceful, answer.clone());
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = stopped(&mut stop) => break,
        }
    }
    refuse_newcomers(&listener);
    // Connections that the kernel has made already would be reset if the socket closed on them. It
    // is asked directly: tokio may not have heard of them yet.
    let listener = listener.into_std()?;
    while let Ok((stream, _)) = listener.accept() {
        accepted.increment(1);
        match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
            Ok(stream) => open(stream, &builder, &graceful, answer.clone()),
            Err(error) => tracing::warn!(%error, "a connection could not be served"),
        }
    }
    drop(listener);
    let open = graceful.count();
    if open > 0 {
        tracing::info!(open, "connections are being finished");
        linger(&graceful).await;
    }
    graceful.shutdown().await;
    Ok(())
}

/// Makes the kernel drop whatever still arrives for the listening socket, so that no connection is
/// made between the last accept and the close: it would be reset with its first request. Its client
/// tries again a second later and is refused, before it has sent anything.
#[cfg(target_os = "linux")]
fn refuse_newcomers(listener: &TcpListener) {
    /// `BPF_RET | BPF_K`: accept this many bytes of the packet, here none.
    const RETURN: u16 = 0x06;
    let drop_all = [socket2::SockFilter::new(RETURN, 0, 0, 0)];
    if let Err(error) = socket2::SockRef::from(listener).attach_filter(&drop_all) {
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
async fn linger(graceful: &GracefulShutdown) {
    const STEPS: u32 = 20;
    for _ in 0..STEPS {
        if graceful.count() == 0 {
            return;
        }
        tokio::time::sleep(LINGER / STEPS).await;
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    builder
}

fn open<S, F>(stream: TcpStream, builder: &auto::Builder<TokioExecutor>, graceful: &GracefulShutdown, answer: S)
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    // Answers are small and written whole: waiting for more to send only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended");
        }
    });
}
