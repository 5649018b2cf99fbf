//! What documents are put together from: operations, step by step, and the paths that they stand under.

use serde_json::{Map, Value, json};

/// The content type of nearly everything.
const JSON: &str = "application/json";

/// What one method does on one path.
pub struct Operation(Value);

impl Operation {
    /// An operation that takes nothing. Its refusals are in the form that all have.
    pub fn new(id: impl Into<String>, summary: &str) -> Self {
        let refusal = json!({
            "description": "a refusal: `error` says why",
            "content": {JSON: {"schema": reference("Error")}},
        });
        Self(json!({
            "summary": summary,
            "operationId": id.into(),
            "responses": {"4XX": refusal, "5XX": refusal},
        }))
    }

    /// A good answer in JSON.
    pub fn gives(self, schema: Value) -> Self {
        self.answers("200", "the answer", JSON, schema)
    }

    /// An answer under a status of its own, such as `503` or `4XX`, in one content type more. `null` is for
    /// bodies that have no schema, since they are not JSON whatever their content type says.
    pub fn answers(mut self, status: &str, description: &str, kind: &str, schema: Value) -> Self {
        let response = &mut self.0["responses"][status];
        response["description"] = description.into();
        response["content"][kind] = if schema.is_null() { json!({}) } else { json!({"schema": schema}) };
        self
    }

    /// An answer in another content type than all refusals have.
    pub fn answers_only(mut self, status: &str, description: &str, kind: &str, schema: Value) -> Self {
        self.0["responses"][status] = json!({});
        self.answers(status, description, kind, schema)
    }

    /// A body of JSON, with a request that works.
    pub fn takes(mut self, schema: Value, example: Value) -> Self {
        self.0["requestBody"]["required"] = true.into();
        self.may_take(schema, example)
    }

    /// A body of JSON that may be left out.
    pub fn may_take(mut self, schema: Value, example: Value) -> Self {
        self.0["requestBody"]["content"][JSON] = json!({"schema": schema, "example": example});
        self
    }

    /// The body in another content type.
    pub fn or_takes(mut self, kind: &str, described: Value) -> Self {
        self.0["requestBody"]["required"] = true.into();
        self.0["requestBody"]["content"][kind] = described;
        self
    }

    /// A parameter in the path, the query or a header; those of the path have to be given.
    pub fn parameter(mut self, place: &str, name: &str, schema: Value, description: &str) -> Self {
        let parameter = json!({
            "name": name, "in": place, "required": place == "path", "schema": schema, "description": description,
        });
        match self.0["parameters"].as_array_mut() {
            Some(list) => list.push(parameter),
            None => self.0["parameters"] = json!([parameter]),
        }
        self
    }
}

/// The paths of a document, each with its operations by method.
#[derive(Default)]
pub struct Paths(Map<String, Value>);

impl Paths {
    pub fn get(&mut self, path: impl Into<String>, operation: Operation) {
        self.add("get", path, operation);
    }

    pub fn post(&mut self, path: impl Into<String>, operation: Operation) {
        self.add("post", path, operation);
    }

    pub fn add(&mut self, method: &str, path: impl Into<String>, operation: Operation) {
        let item = self.0.entry(path).or_insert_with(|| json!({}));
        item[method] = operation.0;
    }

    /// The document around the paths.
    pub fn document(self, title: &str, schemas: Value) -> Value {
        json!({
            "openapi": "3.1.0",
            "info": {"title": title, "version": env!("CARGO_PKG_VERSION")},
            "paths": self.0,
            "components": {"schemas": schemas},
        })
    }
}

/// A schema that the document has under this name.
pub fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}
