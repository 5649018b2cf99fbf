//! A small gRPC client: one HTTP/2 connection, messages framed by hand, so that wrong ones can be sent too.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::HeaderMap;
use hyper::body::Frame;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::runtime::Runtime;

type Body = http_body_util::Either<Full<Bytes>, Stream>;
type Stream = StreamBody<Pieces>;

/// What is still to be sent of a stream.
pub struct Pieces(pub std::vec::IntoIter<Bytes>);

impl tonic::codegen::tokio_stream::Stream for Pieces {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.next().map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// A connection and the runtime it lives on.
pub struct Client {
    runtime: Runtime,
    sender: SendRequest<Body>,
}

/// How a call ended.
#[derive(Debug)]
pub struct Ended {
    /// The status code, from the headers or the trailers.
    pub code: i32,
    pub words: String,
    pub headers: HeaderMap,
    pub messages: Vec<Bytes>,
}

impl Ended {
    /// The only message of a call that went well.
    pub fn message<M: Message + Default>(&self) -> M {
        assert_eq!((self.code, self.messages.len()), (0, 1), "{self:?}");
        M::decode(self.messages[0].clone()).expect("a message of this kind")
    }
}

/// A message as it stands on the wire.
pub fn framed(message: &impl Message) -> Bytes {
    prefixed(0, &message.encode_to_vec())
}

pub fn prefixed(flag: u8, bytes: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(flag);
    out.put_u32(u32::try_from(bytes.len()).expect("a short message"));
    out.extend_from_slice(bytes);
    out.freeze()
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let sender = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.expect("a listening server");
            // Else a small message waits for the acknowledgement of the one before.
            stream.set_nodelay(true).expect("an open socket");
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender }
    }

    /// Calls a method of the inference service with one message.
    pub fn ask(&mut self, method: &str, message: &impl Message) -> Ended {
        self.send(&format!("inference.GRPCInferenceService/{method}"), &[], framed(message))
    }

    /// Sends any bytes to any method.
    pub fn send(&mut self, method: &str, headers: &[(&str, &str)], bytes: Bytes) -> Ended {
        self.call(method, headers, Body::Left(Full::new(bytes)))
    }

    /// Sends several pieces, one after the other.
    pub fn stream(&mut self, method: &str, pieces: Vec<Bytes>) -> Ended {
        self.call(method, &[], Body::Right(StreamBody::new(Pieces(pieces.into_iter()))))
    }

    fn call(&mut self, method: &str, headers: &[(&str, &str)], body: Body) -> Ended {
        let mut request = hyper::Request::post(format!("http://localhost/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).expect("a request");
        let sending = self.sender.send_request(request);
        self.runtime.block_on(async {
            let (parts, body) = sending.await.expect("an answer").into_parts();
            assert_eq!(
                (parts.status.as_u16(), &parts.headers["content-type"]),
                (200, &"application/grpc".parse().expect("a value"))
            );
            let collected = body.collect().await.expect("a whole answer");
            let trailers = collected.trailers().cloned().unwrap_or_default();
            let status = if trailers.contains_key("grpc-status") { &trailers } else { &parts.headers };
            let text = |name: &str| status.get(name).map(|value| value.to_str().expect("text").to_owned());
            Ended {
                code: text("grpc-status").expect("a status").parse().expect("a number"),
                words: text("grpc-message").unwrap_or_default().replace("%20", " "),
                headers: parts.headers,
                messages: unframed(&collected.to_bytes()),
            }
        })
    }
}

/// The messages of an answer's body.
fn unframed(mut bytes: &[u8]) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while let Some((prefix, rest)) = bytes.split_first_chunk::<5>() {
        let [_, length @ ..] = *prefix;
        let (message, rest) = rest.split_at(u32::from_be_bytes(length) as usize);
        messages.push(Bytes::copy_from_slice(message));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a message");
    messages
}
