//! `models status --probe`: one tiny call a target of the default chain, several at once.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use serde_json::{Value, json};

use crate::catalog::DialectId;
use crate::cli::progress::Progress;
use crate::config::settings::{Auth, Key, Provider, Reference, Settings};
use crate::failure::{Failure, Reason};
use crate::protocol::face::Face;
use crate::provider::answer;
use crate::provider::classify::{Classifier, Refused};
use crate::provider::rewrite::AnswerPlan;
use crate::record::{Attempt, Outcome, RequestId};
use crate::routing::{Answer, ClientRequest, Refusal, Relay, headers};
use crate::upstream::oauth::{Logins, Sent};
use crate::upstream::{Call, Connector, read_whole, retry_after};

/// For one target: a tiny answer, of a model that may think before it.
const ANSWER: Duration = Duration::from_secs(30);

/// Calls under way at once. A chain has a few providers; more would only make a slow line look like slow targets.
const AT_ONCE: usize = 4;

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

/// Calls each target, several at once: every key of every model of the default chain. The answers are in the order of
/// the chain; `progress` tells each as it comes. A provider that is off is told as it is.
pub(super) async fn probe(
    settings: &Settings,
    connector: &Arc<dyn Connector>,
    progress: &Progress,
) -> Vec<Probed> {
    let targets = targets(settings);
    let (total, ended) = (targets.len(), Cell::new(0_usize));
    progress.show(&format!("asking {total} targets"));
    // Of one lane the next begins when the last one has ended; a lane that hangs holds nobody else.
    let asked = lanes(targets).into_iter().map(async |lane| {
        let mut answers = Vec::with_capacity(lane.len());
        for (place, target) in lane {
            let probed = target.ask(settings, connector).await;
            ended.set(ended.get() + 1);
            progress.show(&format!("{} of {total}: {} {}", ended.get(), probed.reference, probed.result));
            answers.push((place, probed));
        }
        answers
    });
    let answers: Vec<Vec<(usize, Probed)>> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
    progress.clear();
    let mut all: Vec<(usize, Probed)> = answers.into_iter().flatten().collect();
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, probed)| probed).collect()
}

/// A model with one key of its provider.
struct Target {
    reference: Reference,
    alone: Provider,
}

/// In the order of the chain.
fn targets(settings: &Settings) -> Vec<Target> {
    let of = |reference: &Reference| {
        let provider = settings.providers.get(&reference.provider).filter(|provider| provider.off.is_none());
        let keys =
            provider.into_iter().flat_map(|provider| provider.keys.iter().map(move |key| (provider, key)));
        let target = |(provider, key): (&Arc<Provider>, &Key)| Target {
            reference: reference.clone(),
            alone: Provider { keys: vec![key.clone()], ..provider.as_ref().clone() },
        };
        keys.map(target).collect::<Vec<_>>()
    };
    settings.default_chain.references.iter().flat_map(of).collect()
}

/// Targets that are asked one after the other, with their places. A Moonshot account of the lowest tier answers one
/// request at a time (platform.kimi.ai, limits, 2026-09): asked at once, its own targets would refuse each other.
fn lanes(targets: Vec<Target>) -> Vec<Vec<(usize, Target)>> {
    let mut lanes: Vec<Vec<(usize, Target)>> = Vec::new();
    for (place, target) in targets.into_iter().enumerate() {
        let is_narrow = target.alone.dialect == DialectId::Moonshot;
        let same = |lane: &&mut Vec<(usize, Target)>| {
            lane.first().is_some_and(|(_, first)| first.alone.id == target.alone.id)
        };
        match lanes.iter_mut().filter(|_| is_narrow).find(same) {
            Some(lane) => lane.push((place, target)),
            None => lanes.push(vec![(place, target)]),
        }
    }
    lanes
}

impl Target {
    /// One call, within its own time.
    async fn ask(self, settings: &Settings, connector: &Arc<dyn Connector>) -> Probed {
        let Self { reference, alone } = self;
        let started = Instant::now();
        let key = match (alone.auth, alone.keys.first()) {
            (Auth::None, _) | (_, None) => "none".to_owned(),
            (_, Some(key)) => alone.masked(key),
        };
        let asked = async {
            match alone.dialect {
                // Its chat face takes coding agents only, and we are none; its Messages face has no gate.
                DialectId::KimiCode if speaks_messages(&alone) => {
                    messaged(alone, &reference, &Logins::new(connector.clone())).await
                }
                _ => called(settings, alone, &reference, connector).await,
            }
        };
        let late = || format!("no answer within {} s", ANSWER.as_secs());
        let probed = match tokio::time::timeout(ANSWER, asked).await {
            Ok(probed) => probed,
            Err(_) => {
                Probed { took: started.elapsed(), ..Probed::of(&reference, Reason::Timeout.as_str(), late()) }
            }
        };
        Probed { key, ..probed }
    }
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
        id: RequestId::now(),
        face: crate::protocol::face::Face::Chat,
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
    let mut probed = match message(&Arc::new(provider), reference, logins).await {
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
        Ok(Call { method: Method::POST, url: format!("{base}{}", face.path()).into(), headers, body })
    };
    let Sent { response, provider: called } = logins.send(provider, call).await?;
    let (status, now) = (response.status, SystemTime::now());
    let kind = response.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let waits = retry_after(&response.headers, now);
    let body = read_whole(response.body, LARGEST).await?;
    let classifier = Classifier::new(called.dialect, called.redactor());
    if status.is_success() {
        return answer::whole(&classifier, face, &AnswerPlan::default(), body).map(|_| ());
    }
    let status = status.as_u16();
    let refused = Refused { status, content_type: kind.as_deref(), retry_after: waits, now, body: &body };
    Err(classifier.classify(&refused))
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
