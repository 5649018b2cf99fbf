//! What the data port needs to know.

/// Limits on what a request may be, and the model for requests that name none.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of a request's body.
    pub max_body: usize,
    /// Nested lists and objects in a JSON body.
    pub max_json_depth: usize,
    pub default_model: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_body: 64 << 20, max_json_depth: 64, default_model: None }
    }
}
