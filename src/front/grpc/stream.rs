//! Inference over a stream of requests: each has its answer or its own error, in the order they came.

use super::infer::infer;
use super::proto::{ModelInferRequest, ModelInferResponse, ModelStreamInferResponse};
use super::status::words;
use super::write::truth;
use crate::front::context::Context as Call;
use crate::front::serve::Front;
use hyper::HeaderMap;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::codegen::tokio_stream::Stream;
use tonic::{Status, Streaming};

/// Requests of one stream that are run at a time. Those behind them wait in the connection.
const AHEAD: usize = 64;

type Running = Pin<Box<dyn Future<Output = ModelStreamInferResponse> + Send>>;

enum Place {
    Running(Running),
    Done(Box<ModelStreamInferResponse>),
}

/// The answers to a stream's requests. Dropping it withdraws those that still run.
pub struct Answers {
    front: Arc<Front>,
    call: Call,
    headers: Arc<HeaderMap>,
    requests: Streaming<ModelInferRequest>,
    places: VecDeque<Place>,
    ended: bool,
    /// What broke the stream, told when all that came before has its answer.
    broken: Option<Status>,
}

impl Answers {
    pub fn new(front: Arc<Front>, call: Call, headers: HeaderMap, requests: Streaming<ModelInferRequest>) -> Self {
        Self { front, call, headers: Arc::new(headers), requests, places: VecDeque::new(), ended: false, broken: None }
    }

    fn take_in(&mut self, context: &mut Context<'_>) {
        while !self.ended && self.places.len() < AHEAD {
            match Pin::new(&mut self.requests).poll_next(context) {
                Poll::Ready(Some(Ok(request))) => {
                    self.places.push_back(Place::Running(Box::pin(answer(
                        self.front.clone(),
                        self.call.next(),
                        self.headers.clone(),
                        request,
                    ))));
                }
                Poll::Ready(Some(Err(status))) => {
                    self.ended = true;
                    self.broken = Some(status);
                }
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => return,
            }
        }
    }
}

/// A failure stays with its request: it is told in the message, and the stream goes on.
async fn answer(
    front: Arc<Front>,
    mut call: Call,
    headers: Arc<HeaderMap>,
    request: ModelInferRequest,
) -> ModelStreamInferResponse {
    let (id, model_name) = (request.id.clone(), request.model_name.clone());
    match infer(&front, &headers, request, &mut call).await {
        Ok(inferred) => {
            let mut message = inferred.message;
            message.parameters.insert("triton_final_response".to_owned(), truth(true));
            ModelStreamInferResponse { error_message: String::new(), infer_response: Some(message) }
        }
        Err(error) => {
            front.note(&error, &call);
            // So that the caller knows which of its requests it was.
            let response = ModelInferResponse { id, model_name, ..ModelInferResponse::default() };
            ModelStreamInferResponse { error_message: words(&error), infer_response: Some(response) }
        }
    }
}

impl Stream for Answers {
    type Item = Result<ModelStreamInferResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.take_in(context);
        for place in &mut self.places {
            if let Place::Running(running) = place
                && let Poll::Ready(done) = running.as_mut().poll(context)
            {
                *place = Place::Done(Box::new(done));
            }
        }
        match self.places.pop_front() {
            Some(Place::Done(message)) => Poll::Ready(Some(Ok(*message))),
            Some(running) => {
                self.places.push_front(running);
                Poll::Pending
            }
            None if self.ended => Poll::Ready(self.broken.take().map(Err)),
            None => Poll::Pending,
        }
    }
}
