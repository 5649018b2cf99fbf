//! The path of a request to what it asks for.

use super::reply::{ApiError, Cause};
use hyper::Method;
use std::borrow::Cow;

/// A model, and perhaps a version, as the path names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    pub model: Option<Cow<'a, str>>,
    pub version: Option<Cow<'a, str>>,
}

/// What a path of the data port asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    Live,
    Ready,
    OipLive,
    OipReady,
    OipServer,
    OipModels,
    OipModel(Named<'a>),
    OipModelReady(Named<'a>),
    OipInfer(Named<'a>),
    Config(Named<'a>),
    /// Without a model: of all of them.
    Stats(Named<'a>),
    Repository(Repository<'a>),
    V1Infer(Task, Named<'a>),
    V1(V1<'a>),
    /// MLflow's and SageMaker's predictions.
    Invocations,
    Ping,
    Version,
    OpenApi,
    Predict(Named<'a>),
}

/// What a model is asked to do by TF Serving's verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Predict,
    Classify,
    Regress,
}

/// Facts by the first protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum V1<'a> {
    Alive,
    Models,
    Status(Named<'a>),
    Metadata(Named<'a>),
}

/// What is asked of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repository<'a> {
    Index,
    Load(Cow<'a, str>),
    Unload(Cow<'a, str>),
}

impl Route<'_> {
    fn takes(&self) -> &'static str {
        match self {
            Self::OipInfer(_) | Self::Predict(_) | Self::Repository(_) | Self::V1Infer(..) | Self::Invocations => {
                "POST"
            }
            _ => "GET, HEAD",
        }
    }
}

/// Finds the route, or says which paths there are.
pub fn route<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, ApiError> {
    let route = find(path)?.ok_or_else(|| unknown(path))?;
    let fits = match route.takes() {
        "POST" => method == Method::POST,
        _ => method == Method::GET || method == Method::HEAD,
    };
    if fits {
        return Ok(route);
    }
    let words = format!("{method} is not allowed on {}: use {}", crate::text::shorten(path, 80), route.takes());
    Err(ApiError { allow: Some(route.takes()), field: Some("method".into()), ..ApiError::new(Cause::Method, words) })
}

fn find<'a>(path: &'a str) -> Result<Option<Route<'a>>, ApiError> {
    // The plain paths first: they are the common ones and need no splitting.
    match path {
        "/predict" => return Ok(Some(Route::Predict(Named { model: None, version: None }))),
        "/livez" => return Ok(Some(Route::Live)),
        "/readyz" | "/health" => return Ok(Some(Route::Ready)),
        "/invocations" => return Ok(Some(Route::Invocations)),
        "/ping" => return Ok(Some(Route::Ping)),
        "/version" => return Ok(Some(Route::Version)),
        "/openapi.json" => return Ok(Some(Route::OpenApi)),
        "/" => return Ok(Some(Route::V1(V1::Alive))),
        _ => {}
    }
    let mut parts = [""; 7];
    let mut count = 0;
    for part in path.strip_prefix('/').unwrap_or(path).split('/') {
        if count == parts.len() {
            return Ok(None);
        }
        parts[count] = part;
        count += 1;
    }
    let named = |model: &'a str, version: Option<&'a str>| -> Result<Named<'a>, ApiError> {
        Ok(Named { model: Some(decode(model)?), version: version.map(decode).transpose()? })
    };
    Ok(Some(match &parts[..count] {
        ["models", m, "predict"] => Route::Predict(named(m, None)?),
        ["models", m, "versions", v, "predict"] => Route::Predict(named(m, Some(v))?),
        ["v2"] | ["v2", ""] => Route::OipServer,
        ["v2", "health", "live"] => Route::OipLive,
        ["v2", "health", "ready"] => Route::OipReady,
        ["v2", "models"] => Route::OipModels,
        ["v2", "models", "stats"] => Route::Stats(Named { model: None, version: None }),
        ["v2", "models", m] => Route::OipModel(named(m, None)?),
        ["v2", "models", m, "ready"] => Route::OipModelReady(named(m, None)?),
        ["v2", "models", m, "config"] => Route::Config(named(m, None)?),
        ["v2", "models", m, "stats"] => Route::Stats(named(m, None)?),
        ["v2", "models", m, "infer"] => Route::OipInfer(named(m, None)?),
        ["v2", "models", m, "versions", v] => Route::OipModel(named(m, Some(v))?),
        ["v2", "models", m, "versions", v, "ready"] => Route::OipModelReady(named(m, Some(v))?),
        ["v2", "models", m, "versions", v, "config"] => Route::Config(named(m, Some(v))?),
        ["v2", "models", m, "versions", v, "stats"] => Route::Stats(named(m, Some(v))?),
        ["v2", "models", m, "versions", v, "infer"] => Route::OipInfer(named(m, Some(v))?),
        ["v1", "models"] | ["v1", "models", ""] => Route::V1(V1::Models),
        ["v1", "models", rest @ ..] => return first_protocol(rest),
        ["v2", "repository", "index"] => Route::Repository(Repository::Index),
        ["v2", "repository", "models", m, "load"] => Route::Repository(Repository::Load(decode(m)?)),
        ["v2", "repository", "models", m, "unload"] => Route::Repository(Repository::Unload(decode(m)?)),
        _ => return Ok(None),
    }))
}

/// `NAME`, `NAME/versions/V`, `NAME/labels/L`, each with `/metadata` or a verb behind a colon.
fn first_protocol<'a>(parts: &[&'a str]) -> Result<Option<Route<'a>>, ApiError> {
    let (last, before) = match parts.split_last() {
        Some((last, before)) => (*last, before),
        None => return Ok(None),
    };
    let (last, verb) = match last.rsplit_once(':') {
        Some((name, verb)) => (name, Some(verb)),
        None => (last, None),
    };
    let named = |parts: &[&'a str]| -> Result<Option<Named<'a>>, ApiError> {
        Ok(match parts {
            [m] => Some(Named { model: Some(decode(m)?), version: None }),
            [m, "versions" | "labels", v] => Some(Named { model: Some(decode(m)?), version: Some(decode(v)?) }),
            _ => None,
        })
    };
    if (last, verb) == ("metadata", None) && !before.is_empty() {
        return Ok(named(before)?.map(|named| Route::V1(V1::Metadata(named))));
    }
    let whole: Vec<&str> = before.iter().copied().chain([last]).collect();
    let Some(named) = named(&whole)? else { return Ok(None) };
    Ok(match verb {
        None => Some(Route::V1(V1::Status(named))),
        Some("predict") => Some(Route::V1Infer(Task::Predict, named)),
        Some("classify") => Some(Route::V1Infer(Task::Classify, named)),
        Some("regress") => Some(Route::V1Infer(Task::Regress, named)),
        Some(_) => None,
    })
}

fn unknown(path: &str) -> ApiError {
    let path = crate::text::shorten(path, 80);
    let words = format!(
        "no such path: {path}. The data port has POST /predict, POST /models/NAME[/versions/V]/predict, \
         /v2/models/NAME[/versions/V][/ready|/infer|/config|/stats], /v2/repository, /v2, \
         /v1/models/NAME[/versions/V][:predict|/metadata], POST /invocations, /ping, /version, /openapi.json, /livez, /readyz, /health"
    );
    ApiError { field: Some("path".into()), ..ApiError::new(Cause::NotFound, words) }
}

/// Percent-decoding of one path segment.
fn decode(segment: &str) -> Result<Cow<'_, str>, ApiError> {
    if !segment.contains('%') {
        return Ok(Cow::Borrowed(segment));
    }
    let bad =
        || ApiError::field("path", format!("'{}' is not percent-encoded UTF-8", crate::text::shorten(segment, 60)));
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(bad);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).map_err(|_| bad())?);
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Result<Route<'_>, ApiError> {
        route(&Method::GET, path)
    }

    #[test]
    fn paths_lead_where_they_say() {
        let named = |model: &'static str, version: Option<&'static str>| Named {
            model: Some(model.into()),
            version: version.map(Into::into),
        };
        assert_eq!(get("/v2"), Ok(Route::OipServer));
        assert_eq!(get("/v2/"), Ok(Route::OipServer));
        assert_eq!(get("/v2/models/a%20b"), Ok(Route::OipModel(named("a b", None))));
        assert_eq!(get("/v2/models/m/versions/champion/ready"), Ok(Route::OipModelReady(named("m", Some("champion")))));
        let infer = route(&Method::POST, "/v2/models/m/infer");
        assert_eq!(infer, Ok(Route::OipInfer(named("m", None))));
    }

    #[test]
    fn wrong_paths_and_methods_are_told_apart() {
        for path in ["/v3", "/v2/models/m/explain", "/models/m", "/a/b/c/d/e/f/g/h/i"] {
            assert_eq!(get(path).map_err(|error| error.cause), Err(Cause::NotFound), "{path}");
        }
        let error = get("/predict").expect_err("GET on a POST path");
        assert_eq!((error.cause, error.allow), (Cause::Method, Some("POST")));
        assert_eq!(get("/v2/models/%zz").map_err(|error| error.cause), Err(Cause::BadRequest));
        assert_eq!(get("/v2/models/%ff").map_err(|error| error.cause), Err(Cause::BadRequest));
    }
}
