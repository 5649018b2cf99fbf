//! Triton's extensions over REST.

use super::config::{config, to_json as config_json};
use super::repository::{Given, index, members, parameters, to_json as index_json};
use super::stats::to_json as stats_json;
use crate::front::context::Context;
use crate::front::incoming::Incoming;
use crate::front::reply::{ApiError, Reply, json};
use crate::front::route::{Named, Repository};
use crate::front::serve::Front;
use hyper::{HeaderMap, StatusCode};
use serde_json::Value;

impl Front {
    pub(in crate::front) fn model_config(&self, named: &Named<'_>) -> Result<Reply, ApiError> {
        let version = self.choose(named)?;
        Ok(json(StatusCode::OK, config_json(&config(&version)).to_string()))
    }

    pub(in crate::front) fn model_stats(&self, named: &Named<'_>) -> Result<Reply, ApiError> {
        Ok(json(StatusCode::OK, stats_json(&self.statistics(named)?).to_string()))
    }

    /// The index, and loading and unloading.
    pub(in crate::front) async fn repository(
        &self,
        asked: Repository<'_>,
        headers: &HeaderMap,
        incoming: &mut Incoming,
        context: &mut Context,
    ) -> Result<Reply, ApiError> {
        let body = self.body(headers, incoming, context).await?;
        let answer = match asked {
            Repository::Index => {
                let ready = match members(&body)?.get("ready") {
                    Some(Value::Bool(ready)) => *ready,
                    None | Some(Value::Null) => false,
                    Some(_) => return Err(ApiError::field("ready", "'ready': expected true or false")),
                };
                index_json(&index(&self.registry.catalog(), ready))
            }
            Repository::Load(model) => {
                self.load_model(&model, Given::from_json(&body)?).await?;
                // As KServe answers; Triton's clients look at the status alone.
                serde_json::json!({"name": model, "load": true})
            }
            Repository::Unload(model) => {
                parameters(&body)?;
                self.unload_model(&model).await?;
                serde_json::json!({"name": model, "unload": true})
            }
        };
        Ok(json(StatusCode::OK, answer.to_string()))
    }
}
