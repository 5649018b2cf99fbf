//! From the names in a request to one loaded version.

use crate::registry::{Catalog, Serving, Slot, State, Version};
use crate::text;
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

/// Chooses the version. `model` and `version` are names from the request, where it gives them.
pub fn choose(
    catalog: &Catalog,
    model: Option<&str>,
    version: Option<&str>,
    default_model: Option<&str>,
) -> Result<Arc<Version>, RouteError> {
    let slot = choose_slot(catalog, model.or(default_model))?;
    let serving = slot.serving.load();
    match version {
        Some(name) => serving.find(name).cloned().ok_or_else(|| no_version(slot, &serving, name)),
        None => serving.default.clone().ok_or_else(|| not_ready(slot)),
    }
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
                .map(move |name| choose(&catalog, name, None, None).err())
                .collect()
        };
        let early: Vec<_> = refused(false);
        assert_eq!(early, [Some(RouteError::Starting), Some(RouteError::Starting)]);
        let late: Vec<_> = refused(true);
        assert!(matches!(late[..], [Some(RouteError::UnknownModel { .. }), Some(RouteError::Ambiguous { .. })]));
    }
}
