//! The shapes of what is sent and answered.

use crate::engine::TensorSpec;
use serde_json::{Value, json};

/// Schemas that several paths name.
pub fn shared() -> Value {
    json!({
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {"type": "string"},
                "code": {"type": "string"},
                "field": {"type": "string"},
                "limit": {"type": "string"},
                "limit_value": {"type": "integer"},
                "depth": {"type": "integer"},
                "retry_after_ms": {"type": "integer"},
                "request_id": {"type": "string"},
            },
        },
        "MlflowError": {
            "type": "object",
            "required": ["error_code", "message"],
            "properties": {
                "error_code": {"type": "string"},
                "message": {"type": "string"},
                "request_id": {"type": "string"},
            },
        },
        "Ready": {
            "type": "object",
            "required": ["live", "ready"],
            "properties": {
                "live": {"type": "boolean"},
                "ready": {"type": "boolean"},
                "degraded": {"type": "boolean"},
                "reason": {"type": ["string", "null"]},
            },
        },
    })
}

/// Any object.
pub fn object() -> Value {
    json!({"type": "object"})
}

/// A tensor of an inference request, under its only name and type.
pub fn input(spec: &TensorSpec) -> Value {
    json!({
        "type": "object",
        "required": ["name", "datatype", "shape", "data"],
        "properties": {
            "name": {"const": spec.name},
            "datatype": {"const": spec.dtype.name()},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "description": spec.shape_text()},
            "data": {"type": "array", "description": "flat, or nested to the shape"},
        },
    })
}

/// A tensor of an inference response.
pub fn output() -> Value {
    json!({
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": {"type": "string"},
            "datatype": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "data": {"type": "array"},
            "parameters": {"type": "object"},
        },
    })
}
