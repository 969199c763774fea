//! `models status --probe`: one tiny call a target of the default chain.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use serde_json::{Value, json};

use crate::catalog::DialectId;
use crate::config::settings::{Auth, Provider, Reference, Settings};
use crate::dialect::answer;
use crate::dialect::classify::{Refused, classify};
use crate::dialect::rewrite::AnswerPlan;
use crate::failure::{Failure, Reason};
use crate::record::{Attempt, Outcome};
use crate::relay::{Answer, ClientRequest, Refusal, Relay, headers};
use crate::upstream::oauth::{Logins, Sent};
use crate::upstream::{Call, Connector, read_whole, retry_after};
use crate::wire::face::Face;

/// For one tiny answer of a model that may think before it.
const ANSWER: Duration = Duration::from_secs(60);

/// More than any answer of one token, and any refusal.
const LARGEST: usize = 1 << 20;

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
                // Its chat face takes coding agents only, and we are none; its Messages face has no gate.
                DialectId::KimiCode if speaks_messages(&alone) => {
                    messaged(alone, reference, &Logins::new(connector.clone())).await
                }
                _ => called(settings, alone, reference, connector).await,
            };
            probed.key = if provider.auth == Auth::None { "none".to_owned() } else { provider.masked(key) };
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

fn speaks_messages(provider: &Provider) -> bool {
    provider.faces.iter().any(|(face, _)| *face == Face::Messages)
}

/// One call over the Messages face with one key.
async fn messaged(provider: Provider, reference: &Reference, logins: &Logins) -> Probed {
    let started = Instant::now();
    let asked = tokio::time::timeout(ANSWER, message(&Arc::new(provider), reference, logins)).await;
    let late = || Failure::new(Reason::Timeout, format!("no answer within {} s", ANSWER.as_secs()));
    let mut probed = match asked.unwrap_or_else(|_| Err(late())) {
        Ok(()) => Probed::of(reference, Outcome::Ok.as_str(), ""),
        Err(failure) => Probed::of(reference, failure.reason.as_str(), failure.message),
    };
    probed.took = started.elapsed();
    probed
}

async fn message(provider: &Arc<Provider>, reference: &Reference, logins: &Logins) -> Result<(), Failure> {
    let face = Face::Messages;
    let base = provider.faces.iter().find(|(served, _)| *served == face).map(|(_, base)| base.as_str());
    let base = base.ok_or_else(|| Failure::new(Reason::BadRequest, "it has no Messages face"))?;
    let body = json!({
        "model": provider.wire_model(&reference.model),
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "ping"}],
    });
    let call = |provider: &Arc<Provider>| {
        let mut headers =
            headers::of_our_own(provider, face).map_err(|why| Failure::new(Reason::BadRequest, why))?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        let body = vec![Bytes::from(body.to_string())];
        Ok(Call { method: Method::POST, url: format!("{base}{}", face.path()), headers, body })
    };
    let Sent { response, provider: called } = logins.send(provider, call).await?;
    let (status, now) = (response.status, SystemTime::now());
    let kind = response.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let waits = retry_after(&response.headers, now);
    let body = read_whole(response.body, LARGEST).await?;
    if status.is_success() {
        return answer::whole(provider.dialect, face, &AnswerPlan::default(), body).map(|_| ());
    }
    let status = status.as_u16();
    let refused = Refused { status, content_type: kind.as_deref(), retry_after: waits, now, body: &body };
    let mut failure = classify(provider.dialect, &refused);
    // Some providers repeat the key that they refuse.
    for key in called.keys.iter().map(|key| key.secret.expose()).filter(|key| !key.is_empty()) {
        failure.message = failure.message.replace(key, "…");
    }
    Err(failure)
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
