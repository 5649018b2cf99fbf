//! The JSON is as `docs/reference/drift.schema.json` says, and the schema says all of it.

use super::report;
use serde_json::Value;

const SCHEMA: &str = include_str!("../../../../docs/reference/drift.schema.json");

/// What is wrong with a value, by the part of JSON Schema that our schema uses. A keyword that is not
/// known here is an error, so that none goes unchecked.
fn faults(value: &Value, schema: &Value, root: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, wanted) in schema.as_object().expect("a schema") {
        let fault = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => None,
            "$ref" => {
                let pointer = wanted.as_str().and_then(|text| text.strip_prefix('#')).expect("a pointer");
                found.extend(faults(value, root.pointer(pointer).expect(pointer), root, place));
                None
            }
            "type" => (!is_any(value, wanted)).then(|| format!("{place}: {value} is not of type {wanted}")),
            "const" => (value != wanted).then(|| format!("{place}: {value} is not {wanted}")),
            "enum" => (!wanted.as_array().expect("a list").contains(value)).then(|| format!("{place}: {value}")),
            "minimum" => {
                value.as_f64().filter(|x| Some(*x) < wanted.as_f64()).map(|x| format!("{place}: {x} is too low"))
            }
            "maximum" => {
                value.as_f64().filter(|x| Some(*x) > wanted.as_f64()).map(|x| format!("{place}: {x} is too high"))
            }
            "anyOf" => {
                let fits = |one: &Value| faults(value, one, root, place).is_empty();
                (!wanted.as_array().expect("a list").iter().any(fits)).then(|| format!("{place}: {value} fits none"))
            }
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                found.extend(items.flat_map(|(at, item)| faults(item, wanted, root, &format!("{place}[{at}]"))));
                None
            }
            "required" => {
                let names = wanted.as_array().expect("a list").iter().filter_map(Value::as_str);
                let missing: Vec<&str> = names.filter(|name| value.is_object() && value.get(name).is_none()).collect();
                (!missing.is_empty()).then(|| format!("{place}: {missing:?} missing"))
            }
            "properties" => {
                // Others may meet members that are added later; ours must all be told of.
                for (name, member) in value.as_object().into_iter().flatten() {
                    match wanted.get(name) {
                        Some(wanted) => found.extend(faults(member, wanted, root, &format!("{place}.{name}"))),
                        None => found.push(format!("{place}: the schema does not know '{name}'")),
                    }
                }
                None
            }
            other => Some(format!("{place}: keyword '{other}' is not checked")),
        };
        found.extend(fault);
    }
    found
}

fn is_any(value: &Value, types: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_u64() || value.is_i64(),
        _ => false,
    };
    types.as_array().map_or_else(|| is(types), |types| types.iter().any(is))
}

#[test]
fn reports_are_as_the_schema_says() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    for drifted in [&[][..], &[0, 3, 4]] {
        let report: Value = serde_json::from_str(&report(8, drifted).to_json()).expect("JSON");
        assert_eq!(faults(&report, &schema, &schema, "report"), Vec::<String>::new());
    }
}

#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let good: Value = serde_json::from_str(&report(8, &[0]).to_json()).expect("JSON");
    for (pointer, put) in [
        ("/schema", Value::from("tidegate.drift/2")),
        ("/summary/status", Value::from("bad")),
        ("/summary/share", Value::from(1.5)),
        ("/features/0/primary", Value::from(1)),
        ("/features/0/hist/cur/0", Value::Null),
        ("/quality", Value::Null),
    ] {
        let mut report = good.clone();
        *report.pointer_mut(pointer).expect(pointer) = put;
        assert!(!faults(&report, &schema, &schema, "report").is_empty(), "{pointer}");
    }
}
