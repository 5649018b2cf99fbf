pub mod engine;
pub mod json;
pub mod tensor;
