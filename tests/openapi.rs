//! The document of each port: every path that the server answers is in it, with the methods that it takes; what
//! it says is there is there, and its examples work.

mod common;

use common::client::{Client, Reply, Request};
use common::{Server, good, json, text};
use serde_json::Value;
use std::collections::BTreeSet;
use tidegate::registry::Control;

const ROUTES: [(&str, &str); 2] =
    [("data", include_str!("../src/front/route.rs")), ("admin", include_str!("../src/front/admin/serve.rs"))];
const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

/// Serves the bundled models, one of them for requests that name none, and loads when asked to.
fn server() -> Server {
    Server::with(|config| {
        config.front.default_model = Some("churn".into());
        config.registry.control = Control::Poll;
    })
}

fn document(client: &mut Client) -> Value {
    let document = good("the document", &client.ask(&Request::get("/openapi.json")));
    assert_eq!(text(&document, "/openapi"), "3.1.0");
    document
}

/// Each operation with its path and method.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            all.push((path.as_str(), method.as_str(), operation));
        }
    }
    all
}

/// A path with something that is there in the place of each parameter.
fn filled(path: &str, operation: &Value) -> String {
    let mut path = path.replace("{model}", "wine").replace("{alias}", "fresh");
    for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "path") {
        let any = parameter.pointer("/schema/enum/0").and_then(Value::as_str).unwrap_or_default();
        path = path.replace(&format!("{{{}}}", text(parameter, "/name")), any);
    }
    path
}

fn ask(client: &mut Client, method: &str, path: &str, operation: &Value) -> Reply {
    let example = &operation["requestBody"]["content"]["application/json"]["example"];
    let body = if example.is_null() { String::new() } else { example.to_string() };
    let request = Request::new(&method.to_uppercase(), path, body);
    client.ask(&if example.is_null() { request } else { request.with("content-type", "application/json") })
}

/// The answer has the content type and the members that the document tells of.
fn is_as_told(path: &str, operation: &Value, reply: &Reply) {
    let content = &operation["responses"]["200"]["content"];
    let kind = reply.header("content-type").unwrap_or_default();
    let told = &content[kind.split(';').next().unwrap_or_default()];
    assert!(!told.is_null(), "{path}: {kind} is not told of: {reply}");
    let required = told.pointer("/schema/required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        assert!(json(path, reply).get(name).is_some(), "{path} lacks {name}: {reply}");
    }
}

#[test]
fn every_path_answers_and_every_example_works() {
    let server = server();
    let mut client = server.client();
    let document = document(&mut client);
    let (mut examples, mut ids) = (0, BTreeSet::new());
    for (path, method, operation) in operations(&document) {
        assert!(ids.insert(text(operation, "/operationId")), "{path}: two operations of one name");
        if path.contains("/repository/models/") {
            // Only with --model-control explicit: tests/triton.rs.
            continue;
        }
        let reply = ask(&mut client, method, &filled(path, operation), operation);
        assert_eq!(reply.status, 200, "{method} {path}: {operation} {reply}");
        is_as_told(path, operation, &reply);
        examples += usize::from(method == "post");
    }
    assert!(examples > 30, "{examples}");
    let schema = document
        .pointer("/paths/~1v2~1models~1churn~1infer/post/requestBody/content/application~1json/schema")
        .expect("a schema");
    let inputs = schema.pointer("/properties/inputs/items/oneOf").and_then(Value::as_array).expect("inputs");
    let named = |input: &Value| {
        (text(input, "/properties/name/const").to_owned(), text(input, "/properties/datatype/const").to_owned())
    };
    let inputs: Vec<_> = inputs.iter().map(named).collect();
    assert!(inputs.contains(&("region".to_owned(), "BYTES".to_owned())), "{inputs:?}");
    drop(client);
    server.stop();
}

#[test]
fn every_path_of_the_admin_port_answers_and_every_example_works() {
    let server = server();
    let mut admin = server.admin();
    let document = document(&mut admin);
    // What is taken away last, so that everything else finds it.
    let last = |method: &str, path: &str| (method == "delete", path.ends_with("/unload"));
    let mut all = operations(&document);
    all.sort_by_key(|(path, method, _)| last(method, path));
    for (path, method, operation) in all {
        let reply = ask(&mut admin, method, &filled(path, operation), operation);
        // There is no canary, and too little was seen for a reference.
        let refused = path.ends_with("/canary") || path.ends_with("/reference");
        assert_eq!(reply.status, if refused { 409 } else { 200 }, "{method} {path}: {reply}");
        if !refused {
            is_as_told(path, operation, &reply);
        }
    }
    drop(admin);
    server.stop();
}

#[test]
fn every_method_that_a_path_takes_is_described() {
    let server = server();
    for (port, mut client) in [("data", server.client()), ("admin", server.admin())] {
        let document = document(&mut client);
        for (path, item) in document["paths"].as_object().expect("paths") {
            let described = |method: &str| item.get(method).is_some();
            for method in METHODS.into_iter().filter(|method| !described(method)) {
                let any = item.as_object().and_then(|item| item.values().next()).expect("an operation");
                let reply = client.ask(&Request::new(&method.to_uppercase(), &filled(path, any), ""));
                assert_eq!(reply.status, 405, "{port}: {method} {path} is answered and not described: {reply}");
                let allowed = reply.header("allow").unwrap_or_default().to_lowercase();
                let allowed: BTreeSet<&str> = allowed.split(", ").filter(|method| *method != "head").collect();
                assert_eq!(allowed, METHODS.into_iter().filter(|method| described(method)).collect(), "{port}: {path}");
            }
        }
        drop(client);
    }
    server.stop();
}

/// The paths that the code of a port matches, with `*` for every name in them.
fn routes(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    for line in code.lines().map(str::trim).filter(|line| line.contains("=>")) {
        let pattern = line.split("=>").next().unwrap_or_default();
        if let Some(parts) = pattern.trim().strip_prefix('[') {
            // ["v2", "models", m, "ready"] | ["v2", ""]
            for one in format!("[{parts}").split(" | [").map(|one| one.trim_matches(['[', ']', ' '])) {
                let parts =
                    one.split(", ").map(|part| part.strip_prefix('"').map_or("*", |part| part.trim_matches('"')));
                found.insert(format!("/{}", parts.collect::<Vec<_>>().join("/")));
            }
        } else if pattern.starts_with("\"/") {
            found.extend(pattern.split(" | ").map(|one| one.trim().trim_matches('"').to_owned()));
        } else if let Some((_, below)) = pattern.split_once("Some((model, \"") {
            found.insert(format!("/api/models/*/{}", below.split('"').next().unwrap_or_default()));
        } else if let Some((_, verb)) = pattern.split_once("Some(\"") {
            found.insert(format!("/v1/models/*:{}", verb.split('"').next().unwrap_or_default()));
        }
    }
    // What stands behind /v1/models is matched apart, without what is before it.
    found.retain(|path| !path.starts_with("/*"));
    found
}

/// A described path with `*` for the model and every parameter.
fn generic(path: &str, models: &[String]) -> String {
    let part = |part: &str| match part.split_once(':') {
        _ if part.starts_with('{') || models.iter().any(|model| model == part) => "*".to_owned(),
        Some((name, verb)) if models.iter().any(|model| model == name) => format!("*:{verb}"),
        _ => part.replace("{label}", "*").replace("{version}", "*"),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[test]
fn no_route_goes_undescribed() {
    let server = server();
    let models: Vec<String> = std::fs::read_dir(common::models())
        .expect("models")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    for ((port, source), mut client) in ROUTES.into_iter().zip([server.client(), server.admin()]) {
        let document = document(&mut client);
        let paths = document["paths"].as_object().expect("paths").keys();
        let described: BTreeSet<String> = paths.map(|path| generic(path, &models)).collect();
        let routes = routes(source);
        assert!(routes.len() > 15, "{port}: the code was not understood: {routes:?}");
        let missing: Vec<_> = routes.difference(&described).collect();
        assert!(missing.is_empty(), "{port}: {missing:?} are answered and not described: {described:?}");
        drop(client);
    }
    server.stop();
}

#[test]
fn the_admin_port_shows_both_documents_on_a_page_of_its_own() {
    let server = Server::start();
    let mut admin = server.admin();
    let reply = admin.ask(&Request::get("/docs"));
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    let page = String::from_utf8(reply.body).expect("text");
    for path in ["/v2/models/wine/infer", "/api/models/{model}/load", "/api/models/{model}/aliases/{alias}"] {
        assert!(page.contains(path), "{path}");
    }
    for elsewhere in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(elsewhere), "{elsewhere} leads to another host");
    }
    drop(admin);
    server.stop();
}
