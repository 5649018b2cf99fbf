//! A chosen version, carried from the choice to the answer, with what a plan wants to know of it.

use super::glance::Glance;
use crate::batcher::Answer;
use crate::registry::{Routing, Target, VariantCells, Version};
use crate::traffic::tally::Outcome;
use crate::traffic::{Assignment, Mirror, Why};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A version, and why it was chosen.
pub struct Routed {
    version: Arc<Version>,
    /// The plan, for requests that left the choice to it.
    routing: Option<Arc<Routing>>,
    assigned: Option<(Assignment, Arc<VariantCells>)>,
    glance: OnceLock<Glance>,
}

impl Deref for Routed {
    type Target = Version;

    fn deref(&self) -> &Version {
        &self.version
    }
}

impl Routed {
    /// One that was named.
    pub(super) fn plain(version: Arc<Version>) -> Self {
        Self { version, routing: None, assigned: None, glance: OnceLock::new() }
    }

    /// The default one; the plan may have shadows.
    pub(super) fn by_default(version: Arc<Version>, routing: Option<&Arc<Routing>>) -> Self {
        Self { routing: routing.cloned(), ..Self::plain(version) }
    }

    pub(super) fn assigned(routing: &Arc<Routing>, to: Assignment, target: &Target) -> Self {
        let assigned = Some((to, target.cells.clone()));
        Self { assigned, ..Self::by_default(target.version.clone(), Some(routing)) }
    }

    pub fn version(&self) -> &Arc<Version> {
        &self.version
    }

    /// The name of the arm, where a split assigned one.
    pub fn variant(&self) -> Option<&str> {
        let (to, _) = self.assigned.as_ref()?;
        self.routing.as_ref()?.live.names.get(to.arm).map(AsRef::as_ref)
    }

    /// The shadows of this request, with their versions where these are in service.
    pub(super) fn shadows(&self) -> impl Iterator<Item = (&Arc<Mirror>, &Arc<Version>)> {
        let routing = self.routing.iter();
        let pairs = routing.flat_map(|routing| routing.live.mirrors.iter().zip(&routing.shadows));
        pairs.filter_map(|(mirror, version)| Some((mirror, version.as_ref()?)))
    }

    /// Looks at an answer on its way out, and counts its rows.
    pub(super) fn see(&self, answer: &Answer, rows: usize) {
        match &self.assigned {
            None => self.stats.rows.add(rows as u64),
            Some((_, cells)) => {
                cells.rows.add(rows as u64);
                let _ = self.glance.set(Glance::of(&self.version, &answer.outputs, rows));
            }
        }
    }

    /// The request has been answered with an HTTP status, `latency` after its last byte.
    pub fn ended(&self, status: u16, latency: Duration) {
        let (Some((to, cells)), Some(routing)) = (&self.assigned, &self.routing) else { return };
        let error = status != 200;
        if error {
            cells.bad.add(1);
        } else {
            cells.good.add(1);
        }
        let slow_over = routing.live.stage.as_ref().and_then(|stage| stage.slow_over);
        let glance = self.glance.get().copied().unwrap_or_default();
        let outcome = Outcome {
            latency,
            rows: glance.rows,
            error,
            slow: slow_over.is_some_and(|limit| latency > limit),
            nan: glance.nan,
            score: glance.score,
            class: glance.class,
        };
        routing.live.tally.record(*to, &outcome);
    }

    /// Whether the request had no unit though the plan is sticky.
    pub fn lacks_unit(&self) -> bool {
        self.assigned.as_ref().is_some_and(|(to, _)| to.why == Why::Missing)
    }
}
