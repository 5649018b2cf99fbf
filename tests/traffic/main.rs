//! Aliases, splits, shadows and canaries of a whole server, over sockets.

#[path = "../common/mod.rs"]
mod common;

mod aliases;
mod canary;
mod counts;
mod crash;
mod file;
mod load;
mod shadow;
mod shell;
mod split;
mod sticky;
mod webhook;

use common::client::{Client, Reply, Request};
use common::{Server, json, models};
use serde_json::Value;
use std::path::Path;
use tidegate::registry::Control;

pub const CUSTOMER: &str = r#"{"tenure_months": 3, "monthly_charges": 89.5, "support_calls": 4, "data_usage_gb": null,
    "contract": "month-to-month", "payment_method": "card", "region": "north"}"#;
pub const PREDICT: &str = "/models/churn/predict";
pub const TRAFFIC: &str = "/api/models/churn/traffic";

/// The bundled models, of which `churn` has versions 1 (champion) and 2 (challenger).
pub fn serve(state: Option<&Path>) -> Server {
    Server::with(|config| {
        config.registry.control = Control::Poll;
        config.registry.paths = vec![models()];
        config.traffic.state = state.map(Path::to_owned);
    })
}

/// Asks the admin port; answers status and body.
pub fn ask(server: &Server, method: &str, path: &str, body: impl ToString) -> (u16, Value) {
    let reply = server.admin().ask(&Request::new(method, path, body.to_string()));
    (reply.status, json(path, &reply))
}

/// The same for a change that must go well.
pub fn put(server: &Server, method: &str, path: &str, body: impl ToString) -> Value {
    let (status, answer) = ask(server, method, path, body);
    assert_eq!(status, 200, "{method} {path}: {answer}");
    answer
}

/// One prediction of a user.
pub fn predict(client: &mut Client, user: &str) -> Reply {
    client.ask(&Request::post(PREDICT, CUSTOMER).with("x-user-id", user))
}

/// Which version answered a user, as `(version, variant)`.
pub fn answered(client: &mut Client, user: &str) -> (String, Option<String>) {
    let reply = predict(client, user);
    assert_eq!(reply.status, 200, "{reply}");
    let body = json("predict", &reply);
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    (text("version").expect("a version"), text("variant"))
}

/// The versions that answer users `0..count`.
pub fn versions(server: &Server, count: usize) -> Vec<String> {
    let mut client = server.client();
    (0..count).map(|user| answered(&mut client, &format!("user-{user}")).0).collect()
}
