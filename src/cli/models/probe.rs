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

use crate::catalog::AdapterId;
use crate::cli::progress::Progress;
use crate::config::settings::{Auth, Provider, ProviderKey, Reference, Settings};
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::provider::answer;
use crate::provider::classify::{Classifier, ProviderError};
use crate::provider::rewrite::AnswerPlan;
use crate::record::{Attempt, AttemptOutcome, RequestId};
use crate::routing::{Answer, ClientRequest, Engine, RequestError, headers};
use crate::upstream::oauth::{AuthenticatedConnector, AuthenticatedResponse};
use crate::upstream::{Connector, UpstreamRequest, parse_retry_after, read_body};

/// For one target: a tiny answer, of a model that may think before it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// Concurrent calls. A chain has a few providers; more calls would only make a slow connection look like slow
/// targets.
const MAX_CONCURRENT: usize = 4;

/// More than any answer of one token, and any refusal.
const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// Result of a probe.
#[derive(Debug, PartialEq)]
pub(super) struct ProbeResult {
    reference: String,
    key: String,
    /// `ok`, or the reason as in `x-moonrelay-attempts`.
    result: &'static str,
    detail: String,
    elapsed: Duration,
}

/// Probes every key of every model of the default chain, several at once. The results are in chain order;
/// `progress` shows each one on arrival. A disabled provider is reported without a call.
pub(super) async fn probe_chain(
    settings: &Settings,
    connector: &Arc<dyn Connector>,
    progress: &Progress,
) -> Vec<ProbeResult> {
    let targets = list_targets(settings);
    let (total, ended) = (targets.len(), Cell::new(0_usize));
    progress.show(&format!("asking {total} targets"));
    // The next target of a lane starts when the previous one has ended; a hanging lane delays no other.
    let asked = group_by_account(targets).into_iter().map(async |lane| {
        let mut answers = Vec::with_capacity(lane.len());
        for (place, target) in lane {
            let probed = target.probe(settings, connector).await;
            ended.set(ended.get() + 1);
            progress.show(&format!("{} of {total}: {} {}", ended.get(), probed.reference, probed.result));
            answers.push((place, probed));
        }
        answers
    });
    let answers: Vec<Vec<(usize, ProbeResult)>> =
        stream::iter(asked).buffer_unordered(MAX_CONCURRENT).collect().await;
    progress.clear();
    let mut all: Vec<(usize, ProbeResult)> = answers.into_iter().flatten().collect();
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, probed)| probed).collect()
}

/// A model with one key of its provider.
struct ProbeTarget {
    reference: Reference,
    single_key_provider: Provider,
}

/// In the order of the chain.
fn list_targets(settings: &Settings) -> Vec<ProbeTarget> {
    let of = |reference: &Reference| {
        let provider =
            settings.providers.get(&reference.provider).filter(|provider| provider.disabled_reason.is_none());
        let keys =
            provider.into_iter().flat_map(|provider| provider.keys.iter().map(move |key| (provider, key)));
        let target = |(provider, key): (&Arc<Provider>, &ProviderKey)| ProbeTarget {
            reference: reference.clone(),
            single_key_provider: Provider { keys: vec![key.clone()], ..provider.as_ref().clone() },
        };
        keys.map(target).collect::<Vec<_>>()
    };
    settings.default_chain.references.iter().flat_map(of).collect()
}

/// Targets that are probed one after the other, with their positions. A Moonshot account of the lowest tier
/// allows one request at a time (platform.kimi.ai, limits, 2026-09): concurrent probes would be rate-limited.
fn group_by_account(targets: Vec<ProbeTarget>) -> Vec<Vec<(usize, ProbeTarget)>> {
    let mut lanes: Vec<Vec<(usize, ProbeTarget)>> = Vec::new();
    for (place, target) in targets.into_iter().enumerate() {
        let is_narrow = target.single_key_provider.adapter == AdapterId::Moonshot;
        let same = |lane: &&mut Vec<(usize, ProbeTarget)>| {
            lane.first()
                .is_some_and(|(_, first)| first.single_key_provider.id == target.single_key_provider.id)
        };
        match lanes.iter_mut().filter(|_| is_narrow).find(same) {
            Some(lane) => lane.push((place, target)),
            None => lanes.push(vec![(place, target)]),
        }
    }
    lanes
}

impl ProbeTarget {
    /// One call, within its own time.
    async fn probe(self, settings: &Settings, connector: &Arc<dyn Connector>) -> ProbeResult {
        let Self { reference, single_key_provider: alone } = self;
        let started = Instant::now();
        let key = match (alone.auth, alone.keys.first()) {
            (Auth::None, _) | (_, None) => "none".to_owned(),
            (_, Some(key)) => alone.mask_key(key),
        };
        let asked = async {
            match alone.adapter {
                // Its Chat Completions API accepts coding agents only, and Moonrelay is not one; its Messages
                // API has no gate.
                AdapterId::KimiCode if uses_messages_api(&alone) => {
                    probe_messages(alone, &reference, &AuthenticatedConnector::new(connector.clone())).await
                }
                _ => probe_chat_completions(settings, alone, &reference, connector).await,
            }
        };
        let late = || format!("no answer within {} s", PROBE_TIMEOUT.as_secs());
        let probed = match tokio::time::timeout(PROBE_TIMEOUT, asked).await {
            Ok(probed) => probed,
            Err(_) => ProbeResult {
                elapsed: started.elapsed(),
                ..ProbeResult::new(&reference, Reason::Timeout.as_str(), late())
            },
        };
        ProbeResult { key, ..probed }
    }
}

/// One chat call with one key.
async fn probe_chat_completions(
    settings: &Settings,
    alone: Provider,
    reference: &Reference,
    connector: &Arc<dyn Connector>,
) -> ProbeResult {
    let mut settings = settings.clone();
    settings.providers = BTreeMap::from([(alone.id.clone(), Arc::new(alone))]);
    settings.failover.attempts_per_target = 1;
    let relay = Engine::new(Arc::new(settings), connector.clone(), Arc::new(|_| {}));
    let own = HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION")));
    let body = json!({
        "model": reference.to_string(),
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "ping"}],
    });
    let request = ClientRequest {
        id: RequestId::now(),
        api: crate::protocol::api::Api::ChatCompletions,
        client: None,
        headers: HeaderMap::from_iter([(USER_AGENT, own)]),
        body: Bytes::from(body.to_string()),
        is_fallback_disabled: true,
    };
    match relay.answer(request).await {
        Ok(Answer::Complete { attempts, .. } | Answer::Stream { attempts, .. })
        | Err(RequestError::AttemptsFailed { attempts, .. } | RequestError::NoUsableTarget { attempts }) => {
            attempts.last().map_or_else(
                || ProbeResult::new(reference, "none", ""),
                |last| result_from_attempt(reference, last),
            )
        }
        Err(refusal) => ProbeResult::new(reference, "bad_request", refusal.to_string()),
    }
}

fn result_from_attempt(reference: &Reference, attempt: &Attempt) -> ProbeResult {
    let detail = if attempt.outcome == AttemptOutcome::Ok { String::new() } else { attempt.detail.clone() };
    ProbeResult { elapsed: attempt.duration, ..ProbeResult::new(reference, attempt.outcome.as_str(), detail) }
}

fn uses_messages_api(provider: &Provider) -> bool {
    provider.apis.iter().any(|(face, _)| *face == Api::Messages)
}

/// One call of the Messages API with one key.
async fn probe_messages(
    provider: Provider,
    reference: &Reference,
    logins: &AuthenticatedConnector,
) -> ProbeResult {
    let started = Instant::now();
    let mut probed = match send_message(&Arc::new(provider), reference, logins).await {
        Ok(()) => ProbeResult::new(reference, AttemptOutcome::Ok.as_str(), ""),
        Err(failure) => ProbeResult::new(reference, failure.reason.as_str(), failure.message),
    };
    probed.elapsed = started.elapsed();
    probed
}

async fn send_message(
    provider: &Arc<Provider>,
    reference: &Reference,
    logins: &AuthenticatedConnector,
) -> Result<(), Failure> {
    let face = Api::Messages;
    let base = provider.apis.iter().find(|(served, _)| *served == face).map(|(_, base)| base.as_str());
    let base = base.ok_or_else(|| Failure::new(Reason::BadRequest, "it has no Messages face"))?;
    let body = json!({
        "model": provider.upstream_model_id(&reference.model),
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "ping"}],
    });
    let call = |provider: &Arc<Provider>| {
        let mut headers = headers::build_gateway_headers(provider, face)
            .map_err(|why| Failure::new(Reason::BadRequest, why))?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        let body = vec![Bytes::from(body.to_string())];
        Ok(UpstreamRequest {
            method: Method::POST,
            url: format!("{base}{}", face.path()).into(),
            headers,
            body,
        })
    };
    let AuthenticatedResponse { response, provider: called } = logins.send(provider, call).await?;
    let (status, now) = (response.status, SystemTime::now());
    let kind = response.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let waits = parse_retry_after(&response.headers, now);
    let body = read_body(response.body, MAX_RESPONSE_BYTES).await?;
    let classifier = Classifier::new(called.adapter, called.redactor());
    if status.is_success() {
        return answer::read_complete(&classifier, face, &AnswerPlan::default(), body).map(|_| ());
    }
    let status = status.as_u16();
    let refused = ProviderError {
        status,
        content_type: kind.as_deref(),
        retry_after: waits,
        received_at: now,
        body: &body,
    };
    Err(classifier.classify(&refused))
}

impl ProbeResult {
    fn new(reference: &Reference, result: &'static str, detail: impl Into<String>) -> Self {
        Self {
            reference: reference.to_string(),
            key: String::new(),
            result,
            detail: detail.into(),
            elapsed: Duration::ZERO,
        }
    }

    /// Whether the target answered.
    pub(super) fn is_ok(&self) -> bool {
        self.result == "ok"
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "model": self.reference,
            "key": self.key,
            "result": self.result,
            "detail": self.detail,
            "ms": u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
        })
    }

    pub(super) fn to_cells(&self) -> Vec<String> {
        let took = format!("{} ms", self.elapsed.as_millis());
        vec![self.reference.clone(), self.key.clone(), self.result.to_owned(), took, self.detail.clone()]
    }
}
