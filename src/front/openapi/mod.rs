//! What the ports offer, as OpenAPI 3.1: every path, and for each model its real names, types and a request
//! that works.

mod admin;
mod control;
mod data;
mod examples;
mod model;
mod operation;
mod page;
mod schemas;
mod shapes;
mod tensors;

pub use admin::admin;
pub use data::data;
pub use page::page;
