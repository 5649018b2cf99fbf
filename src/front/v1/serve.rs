//! One request to its answer.

use super::answer::{classified, regressed, write};
use super::facts;
use super::request::{examples, parse};
use crate::front::context::Context;
use crate::front::incoming::Incoming;
use crate::front::reply::{ApiError, Reply};
use crate::front::route::{Named, Task, V1};
use crate::front::serve::{Front, Terms, accept_json};
use crate::router::Routed;
use crate::tensor::Tensor;
use hyper::HeaderMap;

impl Front {
    pub(in crate::front) async fn v1(
        &self,
        version: &Routed,
        task: Task,
        headers: &HeaderMap,
        incoming: &mut Incoming,
        context: &mut Context,
    ) -> Result<Reply, ApiError> {
        accept_json(headers)?;
        let bytes = self.body(headers, incoming, context).await?;
        let depth = self.settings.max_json_depth;
        let (inputs, form) = match task {
            Task::Predict => {
                let parsed = parse(&bytes, version, depth)?;
                (parsed.inputs, Some(parsed.form))
            }
            Task::Classify | Task::Regress => (examples(&bytes, version, depth)?, None),
        };
        let rows = inputs.first().map_or(1, Tensor::rows);
        let answer = self.compute(version, inputs, Terms::default(), context).await?;
        let nan = self.settings.non_finite;
        let body = match (task, form) {
            (Task::Classify, _) => classified(version, &answer.outputs, nan)?,
            (Task::Regress, _) => regressed(version, &answer.outputs, nan)?,
            (Task::Predict, form) => {
                write(version, &answer.outputs, form.unwrap_or(super::request::Form::Rows), rows, nan)
            }
        };
        Ok(context.success(version, answer.timing, body))
    }

    /// Liveness, names, states and metadata.
    pub(in crate::front) fn v1_facts(&self, asked: V1<'_>) -> Result<Reply, ApiError> {
        match asked {
            V1::Alive => Ok(facts::alive()),
            V1::Models => Ok(facts::models(&self.registry.catalog())),
            V1::Status(named) => {
                let found = self.choose(&named).map(drop);
                let Named { model, version } = named;
                let catalog = self.registry.catalog();
                facts::status(&catalog, model.as_deref().unwrap_or_default(), version.as_deref(), found)
            }
            V1::Metadata(named) => Ok(facts::metadata(self.choose(&named)?.as_ref())),
        }
    }
}
