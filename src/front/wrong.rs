//! A mistake in a body on its way to becoming a reply.

use super::reply::ApiError;
use crate::engine::InputError;
use crate::json::JsonError;

/// What the readers of both protocols stop at.
pub enum Wrong {
    Json(JsonError),
    Reply(ApiError),
}

impl From<JsonError> for Wrong {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<ApiError> for Wrong {
    fn from(error: ApiError) -> Self {
        Self::Reply(error)
    }
}

impl From<InputError> for Wrong {
    fn from(error: InputError) -> Self {
        Self::Reply(error.into())
    }
}

impl From<Wrong> for ApiError {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Json(error) => Self::field("body", format!("malformed JSON {error}")),
            Wrong::Reply(error) => error,
        }
    }
}
