//! What the ports offer, as OpenAPI 3.1: every path, and for each model its real names, types and a request
//! that works.

mod admin;
mod data;
mod examples;
mod page;
mod schemas;

pub use admin::admin;
pub use data::data;
pub use page::page;

use serde_json::{Value, json};

/// A document around its paths.
fn document(title: &str, paths: serde_json::Map<String, Value>) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {"title": title, "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"schemas": schemas::shared()},
    })
}

/// An operation that takes nothing and answers JSON.
fn get(summary: &str, id: &str, schema: Value) -> Value {
    json!({"get": {"summary": summary, "operationId": id, "responses": answers(schema)}})
}

/// An operation that takes JSON and answers JSON.
fn post(summary: &str, id: &str, body: Value, schema: Value) -> Value {
    let mut operation = json!({"summary": summary, "operationId": id, "responses": answers(schema)});
    operation["requestBody"] = body;
    json!({"post": operation})
}

/// A good answer of one kind; every refusal in the one form that all have.
fn answers(schema: Value) -> Value {
    let refusal = json!({
        "description": "a refusal: `error` says why",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    });
    json!({
        "200": {"description": "the answer", "content": {"application/json": {"schema": schema}}},
        "4XX": refusal,
        "5XX": refusal,
    })
}

/// A body of JSON with an example.
fn body(schema: Value, example: Value) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": schema, "example": example}}})
}
