//! What the data port needs to know.

use super::connection::Limits;
use crate::json::NonFinite;
use std::time::Duration;

/// Limits on what a request may be, and the model for requests that name none.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of a request's body.
    pub max_body: usize,
    /// Nested lists and objects in a JSON body.
    pub max_json_depth: usize,
    pub default_model: Option<String>,
    /// From the end of a request's head to the end of its body.
    pub body_time: Duration,
    /// Whether gRPC answers are raw bytes also where the request was typed.
    pub grpc_always_raw: bool,
    /// How NaN and the infinities are written in JSON, by the protocols that have tokens for them.
    pub non_finite: NonFinite,
    /// Whether the metrics are also shown under Triton's names.
    pub triton_metrics: bool,
    /// Whether models may be loaded and unloaded through the data port.
    pub control: bool,
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body: 64 << 20,
            max_json_depth: 64,
            default_model: None,
            body_time: Duration::from_secs(30),
            grpc_always_raw: false,
            non_finite: NonFinite::Token,
            triton_metrics: false,
            control: false,
            limits: Limits::default(),
        }
    }
}
