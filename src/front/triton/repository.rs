//! The repository as Triton's clients see it: what is there, and loading and unloading it.

use crate::front::grpc::proto::ModelRepositoryParameter;
use crate::front::grpc::proto::model_repository_parameter::ParameterChoice;
use crate::front::grpc::proto::repository_index_response::ModelIndex;
use crate::front::reply::{ApiError, Cause};
use crate::front::serve::Front;
use crate::registry::{Catalog, Controlled, Slot, State, Upload, Verb, VersionStatus};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::HashMap;

/// What a request to load brings with it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// A model configuration as JSON.
    pub config: Option<String>,
    /// Files by their path in the model's directory.
    pub files: Vec<(String, Vec<u8>)>,
}

/// What stands before a file's path in a parameter's name.
const FILE: &str = "file:";

impl Given {
    /// From gRPC's parameters; those that are not known are ignored.
    pub fn from_message(parameters: HashMap<String, ModelRepositoryParameter>) -> Self {
        let mut given = Self::default();
        for (name, parameter) in parameters {
            match (name.strip_prefix(FILE), parameter.parameter_choice) {
                (Some(path), Some(ParameterChoice::BytesParam(bytes))) => {
                    given.files.push((path.to_owned(), bytes.to_vec()));
                }
                (None, Some(ParameterChoice::StringParam(text))) if name == "config" => given.config = Some(text),
                _ => {}
            }
        }
        given
    }

    /// From the body of a REST request: nothing, `{}`, or `{"parameters": {..}}` with files in base64.
    pub fn from_json(body: &[u8]) -> Result<Self, ApiError> {
        let mut given = Self::default();
        let Some(parameters) = parameters(body)? else { return Ok(given) };
        for (name, value) in parameters {
            match (name.strip_prefix(FILE), value) {
                (Some(path), Value::String(text)) => {
                    let bytes = STANDARD.decode(text).map_err(|error| {
                        ApiError::field(name.as_str(), format!("parameter '{name}' is not base64: {error}"))
                    })?;
                    given.files.push((path.to_owned(), bytes));
                }
                (None, Value::String(text)) if name == "config" => given.config = Some(text),
                (None, _) if name != "config" => {}
                _ => return Err(ApiError::field(name.as_str(), format!("parameter '{name}': expected text"))),
            }
        }
        Ok(given)
    }
}

/// The parameters in a body that may well be empty.
pub fn parameters(body: &[u8]) -> Result<Option<serde_json::Map<String, Value>>, ApiError> {
    match members(body)?.remove("parameters") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(parameters)) => Ok(Some(parameters)),
        Some(_) => Err(ApiError::field("parameters", "'parameters': expected an object")),
    }
}

/// The members of a body that may well be empty.
pub fn members(body: &[u8]) -> Result<serde_json::Map<String, Value>, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(serde_json::Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(ApiError::field("body", "expected an object, or nothing")),
        Err(error) => Err(ApiError::field("body", format!("malformed JSON: {error}"))),
    }
}

impl Front {
    /// Loads what the model's manifest wants, or loads it again, after the given files are in place. Answers
    /// when it serves.
    pub(in crate::front) async fn load_model(&self, model: &str, given: Given) -> Result<(), ApiError> {
        self.may_control()?;
        if given != Given::default() {
            let upload = Upload { model: model.to_owned(), config: given.config, files: given.files };
            self.registry.upload(upload).await?;
        }
        self.controlled(Verb::Load, model).await
    }

    /// Takes all versions of a model out of service. Answers when they are gone.
    pub(in crate::front) async fn unload_model(&self, model: &str) -> Result<(), ApiError> {
        self.may_control()?;
        self.controlled(Verb::Unload, model).await
    }

    fn may_control(&self) -> Result<(), ApiError> {
        if self.settings.control {
            return Ok(());
        }
        let words = "explicit model load / unload is not allowed on the data port: start the server with \
                     --model-control explicit, or ask the admin port (POST /api/models/NAME/load)";
        Err(ApiError { field: Some("path".into()), ..ApiError::new(Cause::Forbidden, words) })
    }

    async fn controlled(&self, verb: Verb, model: &str) -> Result<(), ApiError> {
        let Controlled { done, .. } = self.registry.control(verb, model, None).await?;
        match done {
            true => Ok(()),
            false => Err(ApiError::new(Cause::Deadline, format!("model '{model}' is still being worked on"))),
        }
    }
}

/// Every version that is known, or only those that serve.
pub fn index(catalog: &Catalog, ready: bool) -> Vec<ModelIndex> {
    let lines = catalog.sorted().into_iter().flat_map(|slot| lines(slot));
    lines.filter(|line| !ready || line.state == "READY").collect()
}

fn lines(slot: &Slot) -> Vec<ModelIndex> {
    let status = slot.status.load();
    // A generation that drains beside the one that has taken its place is none of the client's business.
    let replaced = |line: &VersionStatus| {
        line.state == State::Draining
            && status.versions.iter().any(|other| other.version == line.version && other.state == State::Ready)
    };
    let mut lines: Vec<ModelIndex> =
        status.versions.iter().filter(|line| !replaced(line)).map(|line| one_line(slot, line)).collect();
    if lines.is_empty() {
        let reason = status.problem.clone().unwrap_or_default();
        let state = "UNAVAILABLE".to_owned();
        lines.push(ModelIndex { name: slot.name.to_string(), version: String::new(), state, reason });
    }
    lines
}

fn one_line(slot: &Slot, line: &VersionStatus) -> ModelIndex {
    let state = match line.state {
        State::Loading => "LOADING",
        State::Ready => "READY",
        State::Draining => "UNLOADING",
        State::Failed | State::Unloaded => "UNAVAILABLE",
    };
    let reason = match (&line.reason, line.state) {
        (Some(reason), _) => reason.clone(),
        (None, State::Unloaded) => "unloaded".to_owned(),
        (None, _) => String::new(),
    };
    ModelIndex { name: slot.name.to_string(), version: line.version.to_string(), state: state.to_owned(), reason }
}

/// The index as JSON, each member where it is known.
pub fn to_json(index: &[ModelIndex]) -> Value {
    let line = |one: &ModelIndex| {
        let members = [("name", &one.name), ("version", &one.version), ("state", &one.state), ("reason", &one.reason)];
        let known = members.into_iter().filter(|(_, value)| !value.is_empty());
        Value::Object(known.map(|(name, value)| (name.to_owned(), Value::from(value.as_str()))).collect())
    };
    Value::Array(index.iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_brings_a_configuration_and_files() {
        for nothing in ["", "  ", "{}", r#"{"parameters": null}"#, r#"{"parameters": {"other": 1}}"#] {
            assert_eq!(Given::from_json(nothing.as_bytes()), Ok(Given::default()), "{nothing}");
        }
        let body = br#"{"parameters": {"config": "{}", "file:1/model.onnx": "AAEC"}}"#;
        let wanted = Given { config: Some("{}".into()), files: vec![("1/model.onnx".into(), vec![0, 1, 2])] };
        assert_eq!(Given::from_json(body), Ok(wanted));
        for (bad, field) in [
            ("[]", "body"),
            ("{", "body"),
            (r#"{"parameters": []}"#, "parameters"),
            (r#"{"parameters": {"config": {}}}"#, "config"),
            (r#"{"parameters": {"file:1/m": "%"}}"#, "file:1/m"),
        ] {
            assert_eq!(Given::from_json(bad.as_bytes()).map_err(|error| error.field), Err(Some(field.into())), "{bad}");
        }
    }
}
