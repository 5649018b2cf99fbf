//! From the names in a request to one loaded version.

use super::routed::Routed;
use crate::registry::{Catalog, Routing, Serving, Slot, State};
use crate::text;
use crate::traffic::{Sticky, Unit};
use hyper::HeaderMap;
use std::sync::Arc;

/// Why no version answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("Request for unknown model: '{name}' is not found{}", .nearest.as_ref().map(|near| format!(": did you mean '{near}'?")).unwrap_or_default())]
    UnknownModel { name: String, nearest: Option<String> },
    #[error("no model is named and there is not exactly one: name it in the path (POST /models/NAME/predict) or set --default-model; the models are: {}", .models.join(", "))]
    Ambiguous { models: Vec<String> },
    #[error("Request for unknown version: '{version}' of model '{model}' is not found; it has: {}", .known.join(", "))]
    UnknownVersion { model: String, version: String, known: Vec<String> },
    #[error("the server has just started and has not looked for its models yet")]
    Starting,
    #[error("model '{model}' is not ready: {reason}")]
    NotReady { model: String, reason: String },
}

/// The names of a request, where it gives them, and the model for requests that name none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    pub model: Option<&'a str>,
    pub version: Option<&'a str>,
    pub default_model: Option<&'a str>,
}

/// What a traffic plan may want to know of a request.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    pub headers: &'a HeaderMap,
    /// The request's own id: the unit where the plan is not sticky.
    pub id: &'a [u8],
    pub body: Body<'a>,
}

/// A request's body, as far as a unit may stand in it.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// It has not been read yet, and need not be unless the plan wants it.
    Unread,
    Json {
        bytes: &'a [u8],
        max_depth: usize,
    },
    /// Read by the protocol: its parameters by name.
    Parameters(&'a dyn Fn(&str) -> Option<Vec<u8>>),
}

/// What came of a choice.
pub enum Choice {
    Version(Routed),
    /// The plan wants to see the body first.
    NeedsBody,
}

/// Chooses the version: the one that is named, else the arm that the traffic plan gives the request's
/// unit, else the default. The plan is loaded once, with the versions of its arms.
pub fn choose(catalog: &Catalog, names: Names<'_>, asker: &Asker<'_>) -> Result<Choice, RouteError> {
    let slot = choose_slot(catalog, names.model.or(names.default_model))?;
    let serving = slot.serving.load();
    if let Some(name) = names.version {
        let found = serving.find(name).cloned().ok_or_else(|| no_version(slot, &serving, name))?;
        return Ok(Choice::Version(Routed::plain(found)));
    }
    if let Some(routing) = &serving.routing {
        let Ok(unit) = unit(routing, asker) else { return Ok(Choice::NeedsBody) };
        if let Some((to, target)) = routing.choose(unit.as_ref().map(Unit::bytes)) {
            return Ok(Choice::Version(Routed::assigned(routing, to, target)));
        }
    }
    let version = serving.default.clone().ok_or_else(|| not_ready(slot))?;
    Ok(Choice::Version(Routed::by_default(version, serving.routing.as_ref())))
}

/// The version that is named, else the default one; no plan is asked.
pub fn choose_without_plan(catalog: &Catalog, names: Names<'_>) -> Result<Routed, RouteError> {
    let slot = choose_slot(catalog, names.model.or(names.default_model))?;
    let serving = slot.serving.load();
    let found = match names.version {
        Some(name) => serving.find(name).cloned().ok_or_else(|| no_version(slot, &serving, name))?,
        None => serving.default.clone().ok_or_else(|| not_ready(slot))?,
    };
    Ok(Routed::plain(found))
}

/// The body has to be read first.
struct NeedsBody;

/// The unit of a request: without a sticky plan the request itself. A request that has none is no
/// mistake: it gets the control.
fn unit<'a>(routing: &Arc<Routing>, asker: &Asker<'a>) -> Result<Option<Unit<'a>>, NeedsBody> {
    let Some(sticky) = &routing.live.plan.sticky else { return Ok(Unit::new(asker.id)) };
    Ok(match (sticky, asker.body) {
        (Sticky::Header(name), _) => asker.headers.get(name).and_then(|value| Unit::new(value.as_bytes())),
        (_, Body::Unread) => return Err(NeedsBody),
        (sticky, Body::Json { bytes, max_depth }) => sticky.find(bytes, max_depth),
        (Sticky::Parameter(name), Body::Parameters(find)) => find(name).and_then(Unit::new),
        (Sticky::Pointer(..), Body::Parameters(_)) => None,
    })
}

fn choose_slot<'a>(catalog: &'a Catalog, model: Option<&str>) -> Result<&'a Arc<Slot>, RouteError> {
    let names = || catalog.sorted().iter().map(|slot| slot.name.to_string()).collect::<Vec<_>>();
    match model {
        _ if !catalog.looked => Err(RouteError::Starting),
        Some(name) => catalog.get(name).ok_or_else(|| {
            let nearest = text::nearest(name, names().iter().map(String::as_str)).map(str::to_owned);
            RouteError::UnknownModel { name: text::shorten(name, 60), nearest }
        }),
        None => catalog.only().ok_or_else(|| RouteError::Ambiguous { models: names() }),
    }
}

/// A version that is not there: known but not loaded, or not known at all.
fn no_version(slot: &Slot, serving: &Serving, name: &str) -> RouteError {
    let status = slot.status.load();
    let number = serving.aliases.get(name).copied().or_else(|| name.parse().ok());
    let known = status.versions.iter().find(|line| Some(line.version) == number && line.state != State::Unloaded);
    if let Some(line) = known {
        let reason = line.reason.as_ref().map(|words| format!(" ({words})")).unwrap_or_default();
        let state = if line.state == State::Failed { "has failed" } else { "is not ready yet" };
        let reason = format!("version {} {state}{reason}", line.version);
        return RouteError::NotReady { model: slot.name.to_string(), reason };
    }
    let versions = serving.versions.keys().map(ToString::to_string);
    let aliases = serving.aliases.iter().filter(|(_, number)| serving.versions.contains_key(number));
    RouteError::UnknownVersion {
        model: slot.name.to_string(),
        version: text::shorten(name, 60),
        known: versions.chain(aliases.map(|(alias, _)| alias.clone())).collect(),
    }
}

fn not_ready(slot: &Slot) -> RouteError {
    let status = slot.status.load();
    let failed = status.versions.iter().find(|line| line.state == State::Failed);
    let reason = match (&status.problem, failed) {
        (Some(problem), _) => problem.clone(),
        (None, Some(line)) => format!("version {} failed: {}", line.version, line.reason.clone().unwrap_or_default()),
        (None, None) => "no version is loaded yet".to_owned(),
    };
    RouteError::NotReady { model: slot.name.to_string(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_first_look_no_name_is_unknown() {
        let refused = |looked| {
            let catalog = Catalog { looked, ..Catalog::default() };
            ["churn"]
                .map(Some)
                .into_iter()
                .chain([None])
                .map(move |model| choose_without_plan(&catalog, Names { model, ..Names::default() }).err())
                .collect()
        };
        let early: Vec<_> = refused(false);
        assert_eq!(early, [Some(RouteError::Starting), Some(RouteError::Starting)]);
        let late: Vec<_> = refused(true);
        assert!(matches!(late[..], [Some(RouteError::UnknownModel { .. }), Some(RouteError::Ambiguous { .. })]));
    }
}
