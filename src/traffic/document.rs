//! A plan as JSON: read with every mistake named, and written back.

use super::canary::{self, Step};
use super::hash::{BUCKETS, Hash};
use super::layout::MOST_ARMS;
use super::plan::{Arm, LAYER_SLOTS, Layer, Plan, Shadow};
use super::unit::Sticky;
use crate::text;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Units that may be forced.
const MOST_FORCED: usize = 1000;
/// Shadows of a plan: each has a thread of its own.
const MOST_SHADOWS: usize = 8;
/// Longest name, salt or unit in a plan.
const LONGEST: usize = 256;
const MEMBERS: &[&str] = &[
    "split", "control", "slots", "sticky", "hash", "salt", "phase", "coverage", "layer", "holdout", "forced", "shadow",
    "canary",
];

/// What is wrong with a plan, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {words}")]
pub struct Fault {
    pub field: String,
    pub words: String,
}

impl Fault {
    pub fn new(field: impl Into<String>, words: impl Into<String>) -> Self {
        Self { field: field.into(), words: words.into() }
    }
}

impl Plan {
    /// Reads a document. `is_default` tells whether a name means the version that answers requests
    /// that name none.
    pub fn read(document: &Value, is_default: impl Fn(&str) -> bool) -> Result<Self, Fault> {
        let members = Members::of(document, "", MEMBERS)?;
        let mut plan = Self {
            split: split(&members)?,
            slots: basis_points(&members, "slots")?,
            sticky: members
                .below("sticky", &["header", "pointer", "parameter"])?
                .map(|one| sticky(&one))
                .transpose()?,
            hash: hash(&members)?,
            salt: members.text("salt")?,
            phase: members.number("phase", 1..=u64::from(u32::MAX))?.map_or(1, |phase| phase as u32),
            coverage: members.number("coverage", 0..=u64::from(BUCKETS))?.map_or(BUCKETS, |part| part as u32),
            layer: members.below("layer", &["name", "slots"])?.map(|one| layer(&one)).transpose()?,
            holdout: members.number("holdout", 0..=u64::from(BUCKETS))?.unwrap_or(0) as u32,
            forced: forced(&members)?,
            shadow: shadows(&members)?,
            canary: canary::Plan::read(&members)?,
        };
        plan.settle(members.text("control")?.as_deref(), is_default)?;
        plan.check()?;
        Ok(plan)
    }

    /// What several members say together.
    fn check(&self) -> Result<(), Fault> {
        let sum: u32 = self.weights().iter().sum();
        if !self.split.is_empty() && sum != BUCKETS {
            let words = format!("the weights are {sum} in all: expected {BUCKETS} basis points, which is all traffic");
            return Err(Fault::new("split", words));
        }
        if let Some(name) = self.slots.keys().find(|name| !self.split.iter().skip(1).any(|arm| arm.name == **name)) {
            let words = "is no arm beside the control: the control has what the others leave and needs no slot";
            return Err(Fault::new(format!("slots.{name}"), words));
        }
        if self.slots.values().sum::<u32>() > BUCKETS {
            return Err(Fault::new("slots", format!("they are more than {BUCKETS} in all: make some smaller")));
        }
        if let Some((unit, arm)) = self.forced.iter().find(|(_, arm)| !self.split.iter().any(|one| one.name == **arm)) {
            let words = format!("'{arm}' is not in the split: name one of its members");
            return Err(Fault::new(format!("forced.{unit}"), words));
        }
        let needs_unit =
            [("forced", !self.forced.is_empty()), ("layer", self.layer.is_some()), ("holdout", self.holdout > 0)];
        if let Some((field, _)) = needs_unit.iter().find(|(_, used)| *used && self.sticky.is_none()) {
            let words = "needs to know the unit of a request: give 'sticky', for example {\"header\": \"x-user-id\"}";
            return Err(Fault::new(*field, words));
        }
        if self.hash.is_foreign() && self.sticky.is_none() {
            return Err(Fault::new("hash", "another system's hash needs its unit: give 'sticky'"));
        }
        if matches!(self.hash, Hash::Optimizely | Hash::Statsig) && self.coverage < BUCKETS {
            let words = format!("{} has no such thing: leave it out, and give the control the rest", self.hash.name());
            return Err(Fault::new("coverage", words));
        }
        if let Some(canary) = &self.canary {
            canary.check()?;
            if !self.split.is_empty() {
                let words = "a canary makes its own split, with the version that answers now: leave 'split' out, or \
                             'canary'";
                return Err(Fault::new("split", words));
            }
        }
        self.layout().map(drop)
    }

    /// The document that reads as this plan.
    pub fn document(&self) -> Value {
        let mut out = Map::new();
        if !self.split.is_empty() {
            let weights = self.split.iter().map(|arm| (arm.name.clone(), arm.weight.into()));
            out.insert("split".into(), Value::Object(weights.collect()));
            out.insert("control".into(), self.split.first().map(|arm| arm.name.as_str()).into());
        }
        let mut put = |name: &str, is: bool, value: Value| drop(is.then(|| out.insert(name.into(), value)));
        put("slots", !self.slots.is_empty(), json!(self.slots));
        put("sticky", self.sticky.is_some(), self.sticky.as_ref().map_or(Value::Null, Sticky::document));
        put("hash", self.hash != Hash::default(), self.hash.name().into());
        put("salt", self.salt.is_some(), self.salt.as_deref().into());
        put("phase", self.phase != 1, self.phase.into());
        put("coverage", self.coverage != BUCKETS, self.coverage.into());
        let layer = self.layer.as_ref();
        put("layer", layer.is_some(), json!(layer.map(|one| json!({"name": one.name, "slots": [one.start, one.end]}))));
        put("holdout", self.holdout > 0, self.holdout.into());
        put("forced", !self.forced.is_empty(), json!(self.forced));
        let shadows = self.shadow.iter().map(Shadow::document).collect();
        put("shadow", !self.shadow.is_empty(), Value::Array(shadows));
        put("canary", self.canary.is_some(), self.canary.as_ref().map_or(Value::Null, canary::Plan::document));
        Value::Object(out)
    }
}

impl Sticky {
    pub(super) fn document(&self) -> Value {
        match self {
            Self::Header(name) => json!({"header": name}),
            Self::Pointer(text, _) => json!({"pointer": text}),
            Self::Parameter(name) => json!({"parameter": name}),
        }
    }
}

impl Shadow {
    pub(super) fn document(&self) -> Value {
        json!({"version": self.version, "sample": self.sample, "threshold": self.threshold})
    }
}

fn split(members: &Members<'_>) -> Result<Vec<Arm>, Fault> {
    let weights = basis_points(members, "split")?;
    if weights.len() > MOST_ARMS {
        return Err(Fault::new("split", format!("has {} arms: at most {MOST_ARMS} are compared", weights.len())));
    }
    Ok(weights.into_iter().map(|(name, weight)| Arm { name, weight }).collect())
}

fn basis_points(members: &Members<'_>, name: &str) -> Result<BTreeMap<String, u32>, Fault> {
    let Some(value) = members.get(name) else { return Ok(BTreeMap::new()) };
    let Value::Object(map) = value else {
        return Err(Fault::new(name, "expected an object such as {\"1\": 9000, \"2\": 1000}, in basis points"));
    };
    let inner = Members { path: format!("{name}."), map };
    let weight = |arm: &String| {
        short(&format!("{name}.{arm}"), arm)?;
        Ok((arm.clone(), inner.number(arm, 0..=u64::from(BUCKETS))?.unwrap_or(0) as u32))
    };
    map.keys().map(weight).collect()
}

fn sticky(members: &Members<'_>) -> Result<Sticky, Fault> {
    let header = members.text("header")?;
    let (pointer, parameter) = (members.text("pointer")?, members.text("parameter")?);
    let wrong = |words: &str| Fault::new("sticky", words);
    match (header, pointer, parameter) {
        (Some(name), None, None) => {
            let good =
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            let words = "expected a header's name, such as x-user-id";
            good.then(|| Sticky::Header(name.to_ascii_lowercase())).ok_or_else(|| Fault::new("sticky.header", words))
        }
        (None, Some(text), None) => Sticky::pointer(&text)
            .ok_or_else(|| Fault::new("sticky.pointer", "expected a JSON pointer into the body, such as /user")),
        (None, None, Some(name)) => Ok(Sticky::Parameter(name)),
        _ => Err(wrong("expected one of {\"header\": ..}, {\"pointer\": ..}, {\"parameter\": ..}")),
    }
}

fn hash(members: &Members<'_>) -> Result<Hash, Fault> {
    let Some(name) = members.text("hash")? else { return Ok(Hash::default()) };
    let known = Hash::ALL.map(Hash::name);
    Hash::of_name(&name)
        .ok_or_else(|| Fault::new("hash", format!("'{name}' is not known: expected one of {}", known.join(", "))))
}

fn layer(members: &Members<'_>) -> Result<Layer, Fault> {
    let name = members.required("name")?;
    let slots = members.get("slots").and_then(Value::as_array).map(Vec::as_slice);
    let whole = |value: &Value| value.as_u64().and_then(|slot| u32::try_from(slot).ok());
    let both = match slots {
        Some([start, end]) => whole(start).zip(whole(end)),
        _ => None,
    };
    let fits = both.filter(|(start, end)| start < end && *end <= LAYER_SLOTS);
    let (start, end) = fits.ok_or_else(|| {
        Fault::new("layer.slots", format!("expected [START, END] with 0 <= START < END <= {LAYER_SLOTS}"))
    })?;
    Ok(Layer { name, start, end })
}

fn forced(members: &Members<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let Some(value) = members.get("forced") else { return Ok(BTreeMap::new()) };
    let wrong =
        || Fault::new("forced", format!("expected an object of at most {MOST_FORCED} units, each with its arm"));
    let map = value.as_object().filter(|map| map.len() <= MOST_FORCED).ok_or_else(wrong)?;
    let inner = Members { path: "forced.".into(), map };
    map.keys().map(|unit| Ok((unit.clone(), inner.required(unit)?))).collect()
}

fn shadows(members: &Members<'_>) -> Result<Vec<Shadow>, Fault> {
    let list = members.list("shadow", MOST_SHADOWS)?;
    let shadow = |(at, value): (usize, &Value)| {
        let inner = Members::of(value, &format!("shadow[{at}]."), &["version", "sample", "threshold"])?;
        let sample = inner.fraction("sample")?.unwrap_or(1.0);
        Ok(Shadow {
            version: inner.required_name("version")?,
            sample,
            threshold: inner.float("threshold")?.unwrap_or(0.5),
        })
    };
    let shadows: Vec<Shadow> = list.iter().enumerate().map(shadow).collect::<Result<_, Fault>>()?;
    for (at, one) in shadows.iter().enumerate() {
        if shadows.iter().take(at).any(|other| other.version == one.version) {
            return Err(Fault::new(format!("shadow[{at}].version"), "is a shadow already: leave one of the two out"));
        }
    }
    Ok(shadows)
}

fn short(field: &str, name: &str) -> Result<(), Fault> {
    let good = !name.is_empty() && name.len() <= LONGEST;
    good.then_some(()).ok_or_else(|| Fault::new(field, format!("expected 1 to {LONGEST} bytes, got {}", name.len())))
}

/// The members of an object, read with their path.
pub(super) struct Members<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    /// `path` ends in a point, or is empty.
    pub fn of(value: &'a Value, path: &str, known: &[&str]) -> Result<Self, Fault> {
        let here = || if path.is_empty() { "body".to_owned() } else { path.trim_end_matches('.').to_owned() };
        let map = value.as_object().ok_or_else(|| Fault::new(here(), "expected an object"))?;
        if let Some(name) = map.keys().find(|name| !known.contains(&name.as_str())) {
            let nearest = text::nearest(name, known.iter().copied());
            let hint = nearest
                .map_or_else(|| format!("expected {}", known.join(", ")), |near| format!("did you mean '{near}'?"));
            let shown = if name.is_empty() { "\"\"".to_owned() } else { text::shorten(name, 60) };
            return Err(Fault::new(format!("{path}{shown}"), format!("is not known: {hint}")));
        }
        Ok(Self { path: path.to_owned(), map })
    }

    /// A member that is there and not `null`.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub fn fault(&self, name: &str, words: impl Into<String>) -> Fault {
        Fault::new(format!("{}{name}", self.path), words)
    }

    fn read<T>(&self, name: &str, expected: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let got = || text::shorten(&value.to_string(), 60);
        read(value).map(Some).ok_or_else(|| self.fault(name, format!("expected {expected}, got {}", got())))
    }

    pub fn below(&self, name: &str, known: &[&str]) -> Result<Option<Self>, Fault> {
        self.get(name).map(|value| Self::of(value, &format!("{}{name}.", self.path), known)).transpose()
    }

    pub fn list(&self, name: &str, most: usize) -> Result<&'a [Value], Fault> {
        let short = |value: &'a Value| value.as_array().filter(|list| list.len() <= most).map(Vec::as_slice);
        Ok(self.read(name, &format!("a list of at most {most}"), short)?.unwrap_or_default())
    }

    pub fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        let short = |value: &Value| value.as_str().filter(|text| text.len() <= LONGEST).map(str::to_owned);
        self.read(name, &format!("a text of at most {LONGEST} bytes"), short)
    }

    pub fn required(&self, name: &str) -> Result<String, Fault> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| self.fault(name, "is missing: expected a text"))
    }

    /// A version or alias; a version may be given as a number.
    pub fn required_name(&self, name: &str) -> Result<String, Fault> {
        match self.get(name).and_then(Value::as_u64) {
            Some(number) => Ok(number.to_string()),
            None => self.required(name),
        }
    }

    pub fn number(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, Fault> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(name, &expected, |value| value.as_u64().filter(|number| range.contains(number)))
    }

    pub fn float(&self, name: &str) -> Result<Option<f64>, Fault> {
        self.read(name, "a number", |value| value.as_f64().filter(|number| number.is_finite()))
    }

    pub fn fraction(&self, name: &str) -> Result<Option<f64>, Fault> {
        self.read(name, "a number from 0 to 1", |value| value.as_f64().filter(|part| (0.0..=1.0).contains(part)))
    }

    pub fn duration(&self, name: &str) -> Result<Option<Duration>, Fault> {
        let read = |value: &Value| value.as_str().and_then(|text| text::duration(text).ok());
        self.read(name, "a duration such as 250ms, 30s or 5m", read)
    }
}

/// Of the steps of a canary.
pub(super) fn steps(members: &Members<'_>) -> Result<Vec<Step>, Fault> {
    const MOST: usize = 100;
    let list = members.list("steps", MOST)?;
    let step = |(at, value): (usize, &Value)| {
        let path = format!("{}steps[{at}].", members.path);
        let inner = Members::of(value, &path, &["weight", "min_time", "min_requests", "gate"])?;
        let weight = inner.number("weight", 1..=u64::from(BUCKETS))?;
        let gate = inner.text("gate")?;
        if gate.as_deref().is_some_and(|gate| gate != "manual") {
            return Err(inner.fault(
                "gate",
                "expected \"manual\": the step then waits for POST .../canary {\"action\": \"approve\"}",
            ));
        }
        Ok(Step {
            weight: weight.ok_or_else(|| inner.fault("weight", "is missing: expected basis points above 0"))? as u32,
            min_time: inner.duration("min_time")?.unwrap_or(canary::MIN_TIME),
            min_requests: inner.number("min_requests", 0..=u64::MAX)?.unwrap_or(canary::MIN_REQUESTS),
            manual: gate.is_some(),
        })
    };
    list.iter().enumerate().map(step).collect()
}

#[cfg(test)]
mod tests;
