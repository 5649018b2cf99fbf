//! A bare hyper server: the ceiling that `loadtest/run.py` measures Tidegate against.
//!
//! It reads each request's whole body and gives every request the same JSON answer, about as
//! long as a prediction from Tidegate. HTTP/1.1 only, the same allocator and runtime as
//! Tidegate, and nothing else: no routing, no parsing, no metrics, no logging, no timeouts.

use std::error::Error;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What every request is answered with, 250 bytes.
const ANSWER: &[u8] = br#"{"model":"diabetes","version":"1","request_id":"01890a5d-ac96-774b-bcce-b302099a8057","outputs":["variable"],"shape":[1,1],"datatype":"FP32","predictions":[[103.58701]],"note":"a fixed answer, about as long as a prediction, from a bare hyper server"}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), None) = (arguments.next(), arguments.next()) else {
        return Err("usage: bare-hyper ADDRESS:PORT".into());
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(&address).await?;
    tokio::select! {
        result = accept(&listener) => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// Serves each connection in a task of its own, until accepting fails.
async fn accept(listener: &TcpListener) -> Result<(), Box<dyn Error>> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream));
    }
}

/// Serves one connection; a client that goes away or sends no HTTP ends only its own.
async fn serve(stream: TcpStream) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let _ =
        http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

/// Reads the whole body, drops it and gives the fixed answer.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let _body = request.into_body().collect().await?.to_bytes();
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
