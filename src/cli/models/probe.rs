//! `models status --probe`: one tiny call a target of the default chain.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue, USER_AGENT};
use serde_json::{Value, json};

use super::live;
use crate::catalog::DialectId;
use crate::config::settings::{Auth, Provider, Reference, Settings};
use crate::record::{Attempt, Outcome};
use crate::relay::{Answer, ClientRequest, Refusal, Relay};
use crate::upstream::Connector;

/// What a target answered.
#[derive(Debug, PartialEq)]
pub(super) struct Probed {
    reference: String,
    key: String,
    /// `ok`, or the reason as in `x-moonrelay-attempts`.
    result: &'static str,
    detail: String,
    took: Duration,
}

/// Calls each target: every key of every model of the default chain. A provider that is off is told as it is.
pub(super) async fn probe(settings: &Settings, connector: &Arc<dyn Connector>) -> Vec<Probed> {
    let mut all = Vec::new();
    for reference in &settings.default_chain.references {
        let Some(provider) = settings.providers.get(&reference.provider).filter(|p| p.off.is_none()) else {
            continue;
        };
        for key in &provider.keys {
            let alone = Provider { keys: vec![key.clone()], ..provider.as_ref().clone() };
            let mut probed = match provider.dialect {
                // Its chat face takes coding agents only, and we are none.
                DialectId::KimiCode => listed(&alone, reference, connector.as_ref()).await,
                _ => called(settings, alone, reference, connector).await,
            };
            probed.key = if provider.auth == Auth::None { "none".to_owned() } else { key.secret.masked() };
            all.push(probed);
        }
    }
    all
}

/// One chat call with one key.
async fn called(
    settings: &Settings,
    alone: Provider,
    reference: &Reference,
    connector: &Arc<dyn Connector>,
) -> Probed {
    let mut settings = settings.clone();
    settings.providers = BTreeMap::from([(alone.id.clone(), Arc::new(alone))]);
    settings.failover.attempts_per_target = 1;
    let relay = Relay::new(Arc::new(settings), connector.clone(), Arc::new(|_| {}));
    let own = HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION")));
    let body = json!({
        "model": reference.to_string(),
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "ping"}],
    });
    let request = ClientRequest {
        id: "probe".to_owned(),
        face: crate::wire::face::Face::Chat,
        client: None,
        headers: HeaderMap::from_iter([(USER_AGENT, own)]),
        body: Bytes::from(body.to_string()),
        first_target_only: true,
    };
    match relay.answer(request).await {
        Ok(Answer::Whole { attempts, .. } | Answer::Stream { attempts, .. })
        | Err(Refusal::Failed { attempts, .. } | Refusal::Unservable { attempts }) => attempts
            .last()
            .map_or_else(|| Probed::of(reference, "none", ""), |last| of_attempt(reference, last)),
        Err(refusal) => Probed::of(reference, "bad_request", refusal.to_string()),
    }
}

fn of_attempt(reference: &Reference, attempt: &Attempt) -> Probed {
    let detail = if attempt.outcome == Outcome::Ok { String::new() } else { attempt.detail.clone() };
    Probed { took: attempt.took, ..Probed::of(reference, attempt.outcome.as_str(), detail) }
}

/// Asks Kimi Code for its list, which shows whether the key is good and the model is on it.
async fn listed(provider: &Provider, reference: &Reference, connector: &dyn Connector) -> Probed {
    let started = std::time::Instant::now();
    let model = provider.wire_model(&reference.model);
    let mut probed = match live::ids(provider, connector).await {
        Ok(ids) if ids.contains(&model) => Probed::of(reference, "ok", "listed, not called"),
        Ok(_) => Probed::of(reference, "model_not_found", format!("{model} is not on the account's list")),
        Err(why) => Probed::of(reference, "failed", why),
    };
    probed.took = started.elapsed();
    probed
}

impl Probed {
    fn of(reference: &Reference, result: &'static str, detail: impl Into<String>) -> Self {
        Self {
            reference: reference.to_string(),
            key: String::new(),
            result,
            detail: detail.into(),
            took: Duration::ZERO,
        }
    }

    /// Whether the target answered.
    pub(super) fn is_ok(&self) -> bool {
        self.result == "ok"
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "model": self.reference,
            "key": self.key,
            "result": self.result,
            "detail": self.detail,
            "ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let took = format!("{} ms", self.took.as_millis());
        vec![self.reference.clone(), self.key.clone(), self.result.to_owned(), took, self.detail.clone()]
    }
}
