//! The document of each port: what it says is there is there, and its examples work.

mod common;

use common::client::Request;
use common::{Server, good, json, text};
use serde_json::Value;

#[test]
fn every_path_answers_and_every_example_works() {
    let server = Server::start();
    let mut client = server.client();
    let document = good("the document", &client.ask(&Request::get("/openapi.json")));
    assert_eq!(text(&document, "/openapi"), "3.1.0");
    let (mut examples, mut ids) = (0, Vec::new());
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            ids.push(text(operation, "/operationId").to_owned());
            let example = &operation["requestBody"]["content"]["application/json"]["example"];
            let request = match method.as_str() {
                "get" => Request::get(path),
                _ => Request::post(path, example.to_string()).with("content-type", "application/json"),
            };
            let reply = client.ask(&request);
            assert_eq!(reply.status, 200, "{method} {path} {example}: {reply}");
            examples += usize::from(example.is_object());
            let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            if let Some(required) = schema["required"].as_array() {
                let answer = json(path, &reply);
                let lacks = required.iter().filter_map(Value::as_str).find(|name| answer.get(name).is_none());
                assert_eq!(lacks, None, "{path}: {reply}");
            }
        }
    }
    assert_eq!(examples, 1 + 3 * 5, "the index, and three for each of five models");
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "operations have names of their own");
    let schema =
        document.pointer("/paths/~1v2~1models~1churn~1infer/post/requestBody/content/application~1json/schema");
    let inputs = schema.and_then(|schema| schema.pointer("/properties/inputs/items/oneOf")).expect("inputs");
    let named = |input: &Value| {
        (text(input, "/properties/name/const").to_owned(), text(input, "/properties/datatype/const").to_owned())
    };
    let inputs: Vec<_> = inputs.as_array().expect("a list").iter().map(named).collect();
    assert!(inputs.contains(&("region".to_owned(), "BYTES".to_owned())), "{inputs:?}");
    drop(client);
    server.stop();
}

#[test]
fn the_admin_port_shows_both_documents_on_a_page_of_its_own() {
    let server = Server::start();
    let mut admin = server.admin();
    let document = good("the document", &admin.ask(&Request::get("/openapi.json")));
    for (path, item) in document["paths"].as_object().expect("paths") {
        if item.get("get").is_some() && !path.ends_with("drift") {
            let reply = admin.ask(&Request::get(&path.replace("{model}", "wine")));
            assert_eq!(reply.status, 200, "{path}: {reply}");
        }
    }
    let reply = admin.ask(&Request::get("/docs"));
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    let page = String::from_utf8(reply.body).expect("text");
    assert!(page.contains("/v2/models/wine/infer") && page.contains("/api/models/{model}/load"));
    for elsewhere in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(elsewhere), "{elsewhere} leads to another host");
    }
    drop(admin);
    server.stop();
}
