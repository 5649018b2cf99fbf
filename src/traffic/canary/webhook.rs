//! Webhooks of a canary: others are asked before it goes on, or told that it did.
//!
//! Kinds, payload and the meaning of an answer are those of Flagger's webhooks, so that what was
//! written for them can be asked here: a `POST` of a small JSON, and 2xx means yes.

use crate::text;
use crate::traffic::Fault;
use crate::traffic::document::Members;
use hyper::Uri;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const MEMBERS: &[&str] = &["name", "type", "url", "timeout", "metadata"];
/// Webhooks of a canary, and entries of the metadata of one.
const MOST: usize = 8;
const MOST_METADATA: usize = 16;
const TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// When a webhook is called, and what its answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before the canary gets its first traffic: it has none until the answer is yes.
    ConfirmRollout,
    /// Before every step but the first.
    ConfirmTrafficIncrease,
    /// Before the promotion.
    ConfirmPromotion,
    /// All the while: yes takes the canary back.
    Rollback,
    /// Told of the beginning, of each step and of the end; the answer means nothing.
    Event,
}

impl When {
    const ALL: [Self; 5] =
        [Self::ConfirmRollout, Self::ConfirmTrafficIncrease, Self::ConfirmPromotion, Self::Rollback, Self::Event];

    pub fn name(self) -> &'static str {
        match self {
            Self::ConfirmRollout => "confirm-rollout",
            Self::ConfirmTrafficIncrease => "confirm-traffic-increase",
            Self::ConfirmPromotion => "confirm-promotion",
            Self::Rollback => "rollback",
            Self::Event => "event",
        }
    }
}

/// One webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub name: String,
    pub when: When,
    /// With the scheme `http` and a host.
    pub url: Uri,
    /// For the whole exchange, from looking up the name to the end of the answer.
    pub timeout: Duration,
    /// Handed on as it is: a token, say.
    pub metadata: BTreeMap<String, String>,
}

/// Those of a canary.
pub(super) fn read(canary: &Members<'_>) -> Result<Vec<Webhook>, Fault> {
    let mut webhooks: Vec<Webhook> = Vec::new();
    for (at, value) in canary.list("webhooks", MOST)?.iter().enumerate() {
        let webhook = Webhook::read(&Members::of(value, &format!("canary.webhooks[{at}]."), MEMBERS)?)?;
        if webhooks.iter().any(|other| other.name == webhook.name) {
            let words = format!("'{}' is the name of another one: give each its own", webhook.name);
            return Err(Fault::new(format!("canary.webhooks[{at}].name"), words));
        }
        webhooks.push(webhook);
    }
    Ok(webhooks)
}

impl Webhook {
    fn read(members: &Members<'_>) -> Result<Self, Fault> {
        let kind = members.required("type")?;
        let when = When::ALL.into_iter().find(|when| when.name() == kind).ok_or_else(|| {
            let known = When::ALL.map(When::name).join(", ");
            members.fault("type", format!("'{}' is not known: expected one of {known}", text::shorten(&kind, 40)))
        })?;
        let url = members.required("url")?;
        let timeout = members.duration("timeout")?.unwrap_or(TIMEOUT);
        if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
            return Err(members.fault("timeout", "expected a duration above 0 and at most 60s"));
        }
        Ok(Self {
            name: members.required("name")?,
            when,
            url: address(&url).map_err(|words| members.fault("url", words))?,
            timeout,
            metadata: metadata(members)?,
        })
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.when.name(),
            "url": self.url.to_string(),
            "timeout": humantime::format_duration(self.timeout).to_string().replace(' ', ""),
            "metadata": self.metadata,
        })
    }
}

/// An address that can be called. TLS is left to whoever stands between.
fn address(url: &str) -> Result<Uri, String> {
    let shown = text::shorten(url, 60);
    let uri: Uri = url.parse().map_err(|_| format!("'{shown}' is no URL: expected http://HOST[:PORT][/PATH]"))?;
    if uri.scheme_str() == Some("https") {
        return Err(format!("'{shown}': only http is spoken; put a proxy that speaks TLS in between"));
    }
    let authority = uri.authority().map(|authority| authority.as_str());
    match (uri.scheme_str(), authority) {
        (Some("http"), Some(authority)) if authority.contains('@') => {
            Err(format!("'{shown}': a name and a password have no place here; put a token into 'metadata'"))
        }
        (Some("http"), Some(_)) if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        _ => Err(format!("expected http://HOST[:PORT][/PATH], got '{shown}'")),
    }
}

fn metadata(members: &Members<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let empty = Map::new();
    let map = match members.get("metadata") {
        None => &empty,
        Some(value) => value.as_object().filter(|map| map.len() <= MOST_METADATA).ok_or_else(|| {
            members.fault("metadata", format!("expected an object of at most {MOST_METADATA} texts by name"))
        })?,
    };
    let short = |value: &Value| value.as_str().filter(|text| text.len() <= 1024).map(str::to_owned);
    let entry = |(name, value): (&String, &Value)| {
        let wrong = || members.fault("metadata", "expected texts of at most 1024 bytes, by name");
        Ok((name.clone(), short(value).ok_or_else(wrong)?))
    };
    map.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use crate::traffic::Plan;
    use serde_json::{Value, json};

    fn plan(webhook: Value) -> Result<Plan, String> {
        let document = json!({"canary": {"version": "2", "webhooks": [webhook]}});
        Plan::read(&document, |_| false).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_webhook_is_read_as_it_is_written() {
        let webhook = json!({"name": "gate", "type": "confirm-rollout", "url": "http://gate.test:8080/gate/check",
            "timeout": "5s", "metadata": {"token": "x"}});
        let plan = plan(webhook.clone()).expect("a good plan");
        assert_eq!(plan.document()["canary"]["webhooks"][0], webhook);
        assert_eq!(Plan::read(&plan.document(), |_| false), Ok(plan));
    }

    #[test]
    fn what_could_not_be_called_is_refused_with_its_place() {
        for (member, value, words) in [
            ("type", json!("confirm"), "canary.webhooks[0].type: 'confirm' is not known"),
            ("url", json!("https://gate/x"), "only http is spoken"),
            ("url", json!("http://me:secret@gate/x"), "put a token into 'metadata'"),
            ("url", json!("gate/check"), "expected http://HOST"),
            ("url", json!("http:///x"), "canary.webhooks[0].url"),
            ("url", json!("ftp://gate/x"), "expected http://HOST"),
            ("url", json!("http://a b/"), "is no URL"),
            ("timeout", json!("61s"), "at most 60s"),
            ("timeout", json!("0s"), "above 0"),
            ("metadata", json!({"a": 1}), "expected texts"),
            ("nmae", json!("x"), "did you mean 'name'?"),
        ] {
            let mut webhook = json!({"name": "gate", "type": "event", "url": "http://gate/x"});
            assert!(plan(webhook.clone()).is_ok());
            webhook[member] = value;
            let told = plan(webhook.clone()).expect_err("wrong");
            assert!(told.contains(words), "{webhook}: {told}");
        }
    }
}
