//! The webhooks of canaries: who is asked when, and what they have said.

use super::ramp::Moment;
use super::run::Desk;
use super::webhook::{Call, Told};
use crate::traffic::canary::{Plan, Webhook, When};
use serde_json::{Value, json};

/// An answer counts for two rounds of asking and this many milliseconds: what was said long ago may
/// not hold any more.
const LASTS: u64 = 2000;

/// What is known of the webhooks of one ramp, in the order of its plan.
#[derive(Default)]
pub struct Asked {
    about: u64,
    hooks: Vec<Hook>,
}

#[derive(Clone, Default)]
struct Hook {
    under_way: bool,
    asked: Option<u64>,
    answer: Option<(u64, Result<(), String>)>,
}

impl Hook {
    fn is_due(&self, now: u64, every: u64) -> bool {
        !self.under_way && self.asked.is_none_or(|asked| now.saturating_sub(asked) >= every)
    }
}

/// How often a canary's webhooks are asked, in milliseconds.
fn every(plan: &Plan) -> u64 {
    plan.check_every.as_millis() as u64
}

/// Flagger's word for where a canary stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Waiting,
    Progressing,
    WaitingPromotion,
    Succeeded,
    Failed,
}

impl Desk {
    /// Asks those who are to be asked now; the error says whom it still waits for.
    pub(super) fn confirmed(&mut self, at: &Moment<'_>, when: When, phase: Phase) -> Result<(), String> {
        let lasts = 2 * every(at.canary) + LASTS;
        let mut missing = None;
        for (place, webhook) in at.canary.webhooks.iter().enumerate().filter(|(_, webhook)| webhook.when == when) {
            self.ask(at, place, webhook, phase);
            let answer = self.hook(at, place).answer.clone();
            let fresh = answer.filter(|(told, _)| at.now.saturating_sub(*told) <= lasts);
            let words = match fresh {
                Some((_, Ok(()))) => continue,
                Some((_, Err(words))) => format!("waits for the webhook '{}': {words}", webhook.name),
                None => format!("asks the webhook '{}'", webhook.name),
            };
            missing.get_or_insert(words);
        }
        missing.map_or(Ok(()), Err)
    }

    /// Whether a webhook wants the canary back, in words.
    pub(super) fn recalled(&mut self, at: &Moment<'_>, phase: Phase) -> Option<String> {
        let hooks = at.canary.webhooks.iter().enumerate().filter(|(_, webhook)| webhook.when == When::Rollback);
        for (place, webhook) in hooks {
            self.ask(at, place, webhook, phase);
            if matches!(self.hook(at, place).answer, Some((_, Ok(())))) {
                return Some(format!("the webhook '{}' wants it back", webhook.name));
            }
        }
        None
    }

    /// Tells those who only want to know.
    pub(super) fn announce(&mut self, at: &Moment<'_>, phase: Phase, words: &str) {
        for (place, webhook) in at.canary.webhooks.iter().enumerate().filter(|(_, one)| one.when == When::Event) {
            let kind = if phase == Phase::Failed { "Warning" } else { "Normal" };
            let mut body = message(at, webhook, phase);
            body["metadata"]["eventMessage"] = words.into();
            body["metadata"]["eventType"] = kind.into();
            if !self.call(at, place, webhook, &body) {
                tracing::warn!(model = at.model, webhook = webhook.name, "too many webhooks wait: it is not told");
            }
        }
    }

    fn ask(&mut self, at: &Moment<'_>, place: usize, webhook: &Webhook, phase: Phase) {
        if !self.hook(at, place).is_due(at.now, every(at.canary)) {
            return;
        }
        let under_way = self.call(at, place, webhook, &message(at, webhook, phase));
        let hook = self.hook(at, place);
        (hook.under_way, hook.asked) = (under_way, Some(at.now));
    }

    fn call(&mut self, at: &Moment<'_>, place: usize, webhook: &Webhook, body: &Value) -> bool {
        let (url, timeout) = (webhook.url.clone(), webhook.timeout);
        let body = body.to_string();
        self.caller.call(Call { model: at.model.to_owned(), at: place, about: at.about(), url, timeout, body })
    }

    fn hook(&mut self, at: &Moment<'_>, place: usize) -> &mut Hook {
        let asked = self.gates.entry(at.model.to_owned()).or_default();
        if asked.about != at.about() || asked.hooks.len() <= place {
            let hooks = vec![Hook::default(); at.canary.webhooks.len().max(place + 1)];
            *asked = Asked { about: at.about(), hooks };
        }
        &mut asked.hooks[place]
    }

    /// Takes in what a webhook has said; an answer about a step that is over is passed over.
    pub(super) fn hear(&mut self, told: Told) {
        let Told { model, at, about, answer } = told;
        if let Err(words) = &answer {
            tracing::debug!(model, webhook = at, words, "a webhook did not say yes");
        }
        let asked = self.gates.get_mut(&model).filter(|asked| asked.about == about);
        if let Some(hook) = asked.and_then(|asked| asked.hooks.get_mut(at)) {
            (hook.under_way, hook.answer) = (false, Some((super::run::now(), answer)));
        }
    }

    /// What the webhooks of a ramp have said last, for people.
    pub(super) fn shown_webhooks(&self, at: &Moment<'_>) -> Value {
        let asked = self.gates.get(at.model).filter(|asked| asked.about == at.about());
        let shown = |(place, webhook): (usize, &Webhook)| {
            let answer = asked.and_then(|asked| asked.hooks.get(place)?.answer.as_ref());
            let answer = answer.map(|(_, answer)| answer.as_ref().map_or_else(Clone::clone, |()| "yes".to_owned()));
            json!({"name": webhook.name, "type": webhook.when.name(), "answer": answer})
        };
        at.canary.webhooks.iter().enumerate().map(shown).collect()
    }
}

/// The payload: Flagger's members, and beside them what a decision needs.
fn message(at: &Moment<'_>, webhook: &Webhook, phase: Phase) -> Value {
    let progress = &at.ramp.progress;
    json!({
        "name": at.model,
        "namespace": "tidegate",
        "phase": format!("{phase:?}"),
        "checksum": format!("{:x}", at.about()),
        "metadata": webhook.metadata,
        "type": webhook.when.name(),
        "version": at.canary.version,
        "control": at.ramp.control,
        "step": progress.step + 1,
        "steps": at.canary.steps.len(),
        "weight": progress.weight(at.canary),
        "requests": {"control": at.counts.requests[0], "canary": at.counts.requests[1]},
        "words": progress.words,
    })
}
