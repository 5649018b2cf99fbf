pub mod batcher;
pub mod engine;
pub mod json;
pub mod metrics;
pub mod tensor;
