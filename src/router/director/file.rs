//! Plans from a file that somebody else writes: a mounted ConfigMap, say.
//!
//! `{"models": {NAME: {"aliases": {ALIAS: VERSION}, "traffic": PLAN}}}`, as JSON, or as TOML where the
//! name ends so. Everything that is decided from it is decided from its text alone, so that all
//! replicas that read one file agree.

use super::state::{Desired, ModelState, State};
use crate::registry::VersionNumber;
use crate::traffic::{Fault, Plan};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// More than any plan has.
const LARGEST: u64 = 4 << 20;

/// A file that is looked at again and again.
pub struct Watched {
    pub path: PathBuf,
    seen: Option<(u64, SystemTime)>,
    /// What is wrong with it now; what it said before stays in force.
    pub problem: Option<String>,
}

impl Watched {
    pub fn new(path: PathBuf) -> Self {
        Self { path, seen: None, problem: None }
    }

    /// What it says, if that is new and good. A file that is gone, or wrong, changes nothing.
    pub fn look(&mut self) -> Option<State> {
        let stamp = fs::metadata(&self.path).and_then(|data| Ok((data.len(), data.modified()?))).ok();
        if stamp.is_some() && stamp == self.seen {
            return None;
        }
        let read = match stamp {
            Some((length, _)) if length > LARGEST => Err(format!("has {length} bytes: expected at most {LARGEST}")),
            Some(_) => fs::read_to_string(&self.path).map_err(|error| error.to_string()),
            None => Err("is not there".to_owned()),
        };
        let first = self.seen != stamp;
        self.seen = stamp;
        let state = read.and_then(|text| parse(&text, self.path.extension().is_some_and(|end| end == "toml")));
        match state {
            Ok(state) => {
                self.problem = None;
                Some(state)
            }
            Err(words) => {
                let words = format!("{}: {words}", self.path.display());
                if first || self.problem.as_ref() != Some(&words) {
                    tracing::error!(reason = words, "the file of plans is not used; what was in force stays");
                }
                self.problem = Some(words);
                None
            }
        }
    }
}

/// Reads the text; the error names the member at fault.
fn parse(text: &str, toml: bool) -> Result<State, String> {
    let document: Value = match toml {
        true => toml::from_str(text).map_err(|error| error.message().replace('\n', " "))?,
        false => serde_json::from_str(text).map_err(|error| error.to_string())?,
    };
    let models = members(&document, "", &["models"])?.get("models");
    let models = models.and_then(Value::as_object).ok_or("models: expected an object by model")?;
    let state = models.iter().map(|(name, value)| Ok((name.clone(), model(name, value)?)));
    let state = State { models: state.collect::<Result<_, String>>()? };
    super::layers::check(state.models.iter().map(|(name, model)| (name.as_str(), model.desired.plan.as_deref())))
        .map_err(|(model, fault)| format!("models.{model}.traffic.{fault}"))?;
    Ok(state)
}

fn model(name: &str, value: &Value) -> Result<ModelState, String> {
    let at = format!("models.{name}");
    let members = members(value, &at, &["aliases", "traffic"])?;
    let aliases = aliases(members.get("aliases"), &at)?;
    let champion = aliases.get("champion").copied();
    let number = |name: &str| aliases.get(name).copied().or_else(|| name.parse().ok());
    let read = |document: &Value| Plan::read(document, |name| champion.is_some() && number(name) == champion);
    let plan = members.get("traffic").map(read).transpose().map_err(|fault| format!("{at}.traffic.{fault}"))?;
    if plan.as_ref().is_some_and(|plan| plan.canary.is_some()) {
        let words = "a canary is run by one server, and a file is read by many: write the split of each step here, or \
                     use the API of a server without --traffic-file";
        return Err(format!("{at}.traffic.{}", Fault::new("canary", words)));
    }
    let aliases = aliases.into_iter().map(|(alias, to)| (alias, Some(to))).collect();
    Ok(ModelState { desired: Desired { aliases, plan: plan.map(Arc::new) }, ..ModelState::default() })
}

fn members<'a>(value: &'a Value, at: &str, known: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let place = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let map = value.as_object().ok_or_else(|| format!("{at}: expected an object"))?;
    match map.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("{}: is not known: expected {}", place(name), known.join(", "))),
        None => Ok(map),
    }
}

/// Aliases may mean each other here; a circle of them means nothing.
fn aliases(value: Option<&Value>, at: &str) -> Result<BTreeMap<String, VersionNumber>, String> {
    let empty = Map::new();
    let written = match value {
        None => &empty,
        Some(value) => value.as_object().ok_or_else(|| format!("{at}.aliases: expected an object by alias"))?,
    };
    let text =
        |value: &Value| value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|number| number.to_string()));
    let resolve = |alias: &String| {
        let mut name = alias.clone();
        for _ in 0..=written.len() {
            let Some(to) = written.get(&name) else { break };
            name = text(to).ok_or_else(|| format!("{at}.aliases.{alias}: expected a version or an alias"))?;
        }
        if written.contains_key(&name) {
            return Err(format!("{at}.aliases.{alias}: goes round in a circle: let one of them name a version"));
        }
        let wrong = || format!("{at}.aliases.{alias}: '{name}' is neither a version's number nor an alias given here");
        Ok((alias.clone(), name.parse().map_err(|_| wrong())?))
    };
    written.keys().map(resolve).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_aliases_and_plans() {
        let json = r#"{"models": {"m": {"aliases": {"champion": 2, "live": "champion"},
            "traffic": {"split": {"1": 1000, "2": 9000}, "sticky": {"header": "u"}}}}}"#;
        let toml = "[models.m.aliases]\nchampion = 2\nlive = 'champion'\n[models.m.traffic.split]\n1 = 1000\n2 = 9000\n\
                    [models.m.traffic.sticky]\nheader = 'u'\n";
        let state = parse(json, false).expect("good");
        assert_eq!(parse(toml, true), Ok(state.clone()));
        let desired = &state.models["m"].desired;
        assert_eq!(desired.aliases["live"], Some(VersionNumber(2)));
        assert_eq!(desired.plan.as_ref().expect("a plan").split[0].name, "2", "the champion is the control");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, words) in [
            ("[]", "expected an object"),
            (r#"{"model": {}}"#, "model: is not known"),
            (r#"{"models": {"m": {"aliases": {"a": "b", "b": "a"}}}}"#, "models.m.aliases.a: goes round in a circle"),
            (r#"{"models": {"m": {"aliases": {"a": "a"}}}}"#, "models.m.aliases.a: goes round in a circle"),
            (r#"{"models": {"m": {"aliases": {"a": "b"}}}}"#, "models.m.aliases.a: 'b' is neither"),
            (r#"{"models": {"m": {"traffic": {"split": {"1": 1}}}}}"#, "models.m.traffic.split: the weights are 1"),
            (
                r#"{"models": {"m": {"traffic": {"canary": {"version": "1"}}}}}"#,
                "models.m.traffic.canary: a canary is run by one",
            ),
        ] {
            assert!(parse(text, false).expect_err("wrong").contains(words), "{text}: {:?}", parse(text, false));
        }
    }

    #[test]
    fn what_was_said_stays_while_the_file_is_wrong() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut file = Watched::new(dir.path().join("plans.json"));
        assert!(file.look().is_none() && file.problem.is_some());
        fs::write(&file.path, r#"{"models": {}}"#).expect("written");
        assert_eq!(file.look(), Some(State::default()));
        assert!(file.look().is_none() && file.problem.is_none(), "nothing new");
        fs::write(&file.path, "{").expect("written");
        assert!(file.look().is_none() && file.problem.is_some());
    }
}
