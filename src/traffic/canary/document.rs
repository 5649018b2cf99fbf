//! A canary's part of the document.

use super::{Plan, Step, Webhook, webhook};
use crate::traffic::Fault;
use crate::traffic::document::{Members, steps};
use serde_json::{Value, json};
use std::time::Duration;

const MEMBERS: &[&str] =
    &["version", "steps", "check_every", "slo", "alpha", "max_drift", "bake", "max_hold", "webhooks"];
/// A check costs little, but not nothing.
const SHORTEST_CHECK: Duration = Duration::from_millis(10);

impl Plan {
    pub(in crate::traffic) fn read(members: &Members<'_>) -> Result<Option<Self>, Fault> {
        let Some(canary) = members.below("canary", MEMBERS)? else { return Ok(None) };
        let plain = Self::default();
        let given = steps(&canary)?;
        if canary.get("steps").is_some() && given.is_empty() {
            return Err(canary.fault("steps", "there are none: give at least one, or leave the member out"));
        }
        let alpha = canary.fraction("alpha")?.unwrap_or(plain.alpha);
        if !(1e-9..=0.2).contains(&alpha) {
            return Err(canary.fault("alpha", format!("expected a number from 1e-9 to 0.2, got {alpha}")));
        }
        let check_every = canary.duration("check_every")?.unwrap_or(plain.check_every);
        if check_every < SHORTEST_CHECK {
            return Err(canary.fault("check_every", "expected at least 10ms"));
        }
        let max_drift = canary.float("max_drift")?.unwrap_or(plain.max_drift);
        if max_drift < 0.0 {
            return Err(canary.fault("max_drift", "expected a number above 0, or 0 for no limit"));
        }
        Ok(Some(Self {
            version: canary.required_name("version")?,
            steps: if given.is_empty() { plain.steps } else { given },
            check_every,
            slo: canary.duration("slo")?,
            alpha,
            max_drift,
            bake: canary.duration("bake")?.unwrap_or(plain.bake),
            max_hold: canary.duration("max_hold")?,
            webhooks: webhook::read(&canary)?,
        }))
    }

    pub fn document(&self) -> Value {
        let time = |duration: Duration| humantime::format_duration(duration).to_string().replace(' ', "");
        json!({
            "version": self.version,
            "steps": self.steps.iter().map(|step| step.document(&time)).collect::<Vec<_>>(),
            "check_every": time(self.check_every),
            "slo": self.slo.map(time),
            "alpha": self.alpha,
            "max_drift": self.max_drift,
            "bake": time(self.bake),
            "max_hold": self.max_hold.map(time),
            "webhooks": self.webhooks.iter().map(Webhook::document).collect::<Vec<_>>(),
        })
    }
}

impl Step {
    fn document(&self, time: &dyn Fn(Duration) -> String) -> Value {
        json!({
            "weight": self.weight,
            "min_time": time(self.min_time),
            "min_requests": self.min_requests,
            "gate": self.manual.then_some("manual"),
        })
    }
}
