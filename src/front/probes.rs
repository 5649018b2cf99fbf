//! Is the process alive, can it answer.

use super::reply::{Reply, json};
use crate::registry::Readiness;
use hyper::StatusCode;

/// The process answers, so it is alive.
pub fn live() -> Reply {
    json(StatusCode::OK, &br#"{"live":true}"#[..])
}

/// 200 when requests can be answered, else 503 with the reason.
pub fn ready(readiness: &Readiness, leaving: bool) -> Reply {
    let ready = readiness.ready && !leaving;
    let reason = if leaving { Some("the server is stopping") } else { readiness.reason.as_deref() };
    let body = serde_json::json!({
        "live": true,
        "ready": ready,
        "degraded": readiness.degraded,
        "reason": reason,
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, body.to_string())
}
