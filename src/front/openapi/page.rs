//! The documents as a page: no script, and nothing from another host.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
    h2{margin-top:2.5rem}details{border:1px solid #ccc;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}\
    summary{cursor:pointer}code{font-family:ui-monospace,monospace}b{color:#05668d;display:inline-block;width:3.5rem}\
    pre{background:#f5f5f5;border-radius:6px;padding:.8rem;overflow:auto;font-size:13px}small{color:#555}";

/// Every document's paths, each with what it takes and answers.
pub fn page(documents: &[Value]) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Tidegate: the API" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Tidegate: the API" }
                p { "The same as OpenAPI 3.1: " code { "/openapi.json" } " on each port." }
                @for document in documents { (section(document)) }
            }
        }
    };
    markup.into_string()
}

fn section(document: &Value) -> Markup {
    let paths = document["paths"].as_object().into_iter().flatten();
    html! {
        h2 { (document["info"]["title"].as_str().unwrap_or_default()) }
        @for (path, item) in paths {
            @for method in ["get", "post", "put", "delete"] {
                @if let Some(operation) = item.get(method) { (entry(method, path, operation)) }
            }
        }
    }
}

fn entry(method: &str, path: &str, operation: &Value) -> Markup {
    let body = &operation["requestBody"]["content"]["application/json"];
    let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    html! {
        details {
            summary {
                b { (method.to_uppercase()) } code { (path) } " "
                small { (operation["summary"].as_str().unwrap_or_default()) }
            }
            @if let Some(example) = body.get("example") {
                p { "A request that works:" }
                pre { (pretty(example)) }
            }
            @if !answer.is_null() {
                p { "The answer's schema:" }
                pre { (pretty(answer)) }
            }
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
