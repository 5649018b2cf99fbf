//! The parameters of a request: the same in JSON and in gRPC.

use crate::batcher::Rank;
use crate::front::reply::ApiError;
use crate::front::serve::Terms;
use crate::text::shorten;
use std::time::Duration;

/// A parameter's value, however it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    /// A list or an object, which no parameter that is read here is.
    Other,
}

impl Value {
    fn words(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(text) => format!("the string \"{}\"", shorten(text, 40)),
            Self::Other => "a list or an object".to_owned(),
        }
    }
}

/// What a request's parameters ask for. Those that are not known are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    pub timeout: Option<Duration>,
    /// 1 is the highest; 0 leaves it to the server.
    pub priority: u64,
    /// Whether outputs come as raw bytes where they do not say so themselves.
    pub binary_output: bool,
}

impl Parameters {
    pub fn terms(&self) -> Terms {
        Terms { timeout: self.timeout, rank: Rank::new(self.priority) }
    }

    pub fn set(&mut self, name: &str, value: &Value) -> Result<(), ApiError> {
        match name {
            "timeout" => {
                let micros = whole(name, "microseconds", value)?;
                // As in Triton, 0 leaves it to the server.
                self.timeout = (micros > 0).then(|| Duration::from_micros(micros));
            }
            "priority" => self.priority = whole(name, "1 is the highest", value)?,
            "binary_data_output" => self.binary_output = truth(name, value)?,
            // Triton's own load generator always sends it; each answer here is its request's last.
            "triton_enable_empty_final_response" => drop(truth(name, value)?),
            "headers" => return Err(reserved(name)),
            name if name.starts_with("triton_") => return Err(reserved(name)),
            _ => {}
        }
        Ok(())
    }
}

fn whole(name: &str, meaning: &str, value: &Value) -> Result<u64, ApiError> {
    let wrong = || {
        let words =
            format!("parameter '{name}' ({meaning}): expected a whole number, 0 or more, got {}", value.words());
        ApiError::field(name, words)
    };
    match value {
        Value::Integer(number) => u64::try_from(*number).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

pub fn truth(name: &str, value: &Value) -> Result<bool, ApiError> {
    match value {
        Value::Bool(value) => Ok(*value),
        other => {
            Err(ApiError::field(name, format!("parameter '{name}': expected true or false, got {}", other.words())))
        }
    }
}

/// A number of bytes, of classes: a count that fits into memory.
pub fn count(name: &str, value: &Value) -> Result<usize, ApiError> {
    let number = whole(name, "a count", value)?;
    usize::try_from(number).map_err(|_| ApiError::field(name, format!("parameter '{name}': {number} is too large")))
}

fn reserved(name: &str) -> ApiError {
    let words = format!("parameter '{}' is reserved for the server's own use", shorten(name, 60));
    ApiError::field(shorten(name, 60), words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parameters_are_read_and_checked() {
        let mut parameters = Parameters::default();
        parameters.set("timeout", &Value::Integer(1500)).expect("microseconds");
        parameters.set("priority", &Value::Integer(2)).expect("a number");
        parameters.set("binary_data_output", &Value::Bool(true)).expect("a truth value");
        parameters.set("sequence_id", &Value::Text("s".into())).expect("ignored");
        let wanted = Parameters { timeout: Some(Duration::from_micros(1500)), priority: 2, binary_output: true };
        assert_eq!(parameters, wanted);
        for (name, value) in [
            ("timeout", Value::Integer(-1)),
            ("timeout", Value::Text("soon".into())),
            ("priority", Value::Float(1.5)),
            ("binary_data_output", Value::Integer(1)),
            ("headers", Value::Integer(1)),
            ("triton_enable_empty_final_response", Value::Integer(1)),
            ("triton_final_response", Value::Bool(true)),
        ] {
            let error = parameters.set(name, &value).expect_err(name);
            assert_eq!(error.field.as_deref(), Some(name));
        }
    }
}
