//! Schemas in few words.

use serde_json::{Value, json};

/// An object with these members, all of them always there. More may be added later.
pub fn object(members: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let properties: serde_json::Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// The same with members that may be there.
pub fn and(mut object: Value, members: &[(&str, Value)]) -> Value {
    for (name, schema) in members {
        object["properties"][*name] = schema.clone();
    }
    object
}

pub fn text() -> Value {
    json!({"type": "string"})
}

pub fn truth() -> Value {
    json!({"type": "boolean"})
}

pub fn number() -> Value {
    json!({"type": "number"})
}

pub fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

pub fn listed(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

/// Anything under a name that is not known beforehand.
pub fn map(values: Value) -> Value {
    json!({"type": "object", "additionalProperties": values})
}

/// A value that may be missing.
pub fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}
