//! Owns the attempts of one request at one target, up to a whole response or the first meaningful event.

use std::hash::Hash;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use tokio::time::{Duration, Instant, sleep};

use super::affinity::find_conversation;
use super::headers;
use super::plan::{Plan, describe_cooldown};
use super::request::ClientRequest;
use super::request_bodies::{ClientBody, PreparedRequest, RequestBodies};
use super::retry::{RetryDecision, RetryLimits, decide_retry};
use super::target::Target;
use super::tracker::RequestTracker;
use crate::catalog::AdapterId;
use crate::config::settings::Settings;
use crate::failure::{Failure, Reason, TimeoutKind};
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::memory_budget::{BodyBuffer, MemoryReservation};
use crate::protocol::model::answer::ResponseEvent;
use crate::protocol::model::seal::SealedTurn;
use crate::protocol::object::ObjectView;
use crate::protocol::translate;
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::{self, ContentBytes, Meter, ReaderOutput, StreamReader};
use crate::provider::classify::ProviderError;
use crate::provider::rewrite::{AnswerPlan, RewriteOptions};
use crate::record::{Attempt, AttemptOutcome, SkipReason};
use crate::state::{AdmissionGuard, SessionAffinity, State};
use crate::stream::{
    OpenStream, Timeout, build_echo, estimate_event_usage, estimate_usage, read_within_budget,
};
use crate::upstream::oauth::{AuthenticatedConnector, AuthenticatedResponse};
use crate::upstream::{UpstreamRequest, UpstreamResponse, parse_retry_after, read_body, read_capped_body};

/// The limit on what is read of an error body: enough for every documented error and for an HTML page.
const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;
/// The status already reports an error; its message is worth this much waiting.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// The limit on events held back before the first meaningful event (role chunks and the like). Beyond it, the
/// stream counts as begun.
const MAX_WITHHELD_EVENTS: usize = 64;
const MAX_WITHHELD_BYTES: usize = 256 * 1024;

/// One request in progress.
pub(super) struct RequestExecution {
    pub(super) settings: Arc<Settings>,
    pub(super) state: Arc<State>,
    pub(super) logins: Arc<AuthenticatedConnector>,
    pub(super) request: ClientRequest,
    pub(super) bodies: RequestBodies,
    pub(super) plan: Plan,
    /// The conversation, if it has session affinity.
    pub(super) affinity: Option<SessionAffinity>,
    pub(super) tracker: RequestTracker,
    pub(super) deadline: Option<Instant>,
}

/// A response that has begun.
pub(super) struct OpenAnswer {
    pub(super) headers: http::HeaderMap,
    pub(super) content: AnswerContent,
    /// The target that responds.
    pub(super) target: Target,
    /// The target's admission, for a stream that is interrupted later.
    pub(super) admission: AdmissionGuard,
}

/// The response itself.
pub(super) enum AnswerContent {
    Complete(Segments, Meter),
    Stream(Box<OpenStream>),
}

impl RequestExecution {
    /// Runs all attempts at one target. `Err(None)`: the target was not tried.
    pub(super) async fn try_target(
        &self,
        target: &Target,
        anyway: bool,
    ) -> Result<Box<OpenAnswer>, Option<Failure>> {
        let last_provider = self.last_provider(target);
        let prepared = match self.bodies.prepare(target, self.rewrite_options(last_provider.as_deref())) {
            Ok(prepared) => prepared,
            Err(failure) => return Err(Some(self.record_failure(&target.name, Instant::now(), failure))),
        };
        let attempts = if anyway { 1 } else { self.settings.failover.attempts_per_target };
        self.try_prepared(target, &prepared, attempts, anyway).await
    }

    /// Like [`Self::try_target`], for a request that is ready to be sent.
    pub(super) async fn try_prepared(
        &self,
        target: &Target,
        prepared: &PreparedRequest<'_>,
        attempts: u32,
        anyway: bool,
    ) -> Result<Box<OpenAnswer>, Option<Failure>> {
        let failover = &self.settings.failover;
        let limits = RetryLimits {
            attempts,
            initial_delay: failover.initial_backoff,
            max_delay: failover.max_backoff,
        };
        let user_agent = headers::user_agent(&self.request.headers);
        let mut admission = match self.state.admit(target.identity(), user_agent, anyway) {
            Ok(admission) => admission,
            Err(cooldown) => {
                let (skip, why) = describe_cooldown(cooldown);
                self.record_skip(target, skip, &why);
                return Err(None);
            }
        };
        let mut failed = 0;
        loop {
            let started = Instant::now();
            failed += 1;
            let active = self.tracker.start_attempt(&target.name, &self.bodies);
            let opened = self.open_answer(target, prepared, started).await;
            active.disarm();
            let failure = match opened {
                Ok((content, headers)) => {
                    let meter = match &content {
                        AnswerContent::Complete(_, meter) => {
                            admission.record_success();
                            meter
                        }
                        AnswerContent::Stream(stream) => {
                            admission.record_answer_start();
                            stream.reader.meter()
                        }
                    };
                    self.record_last_provider(target, meter.provider.as_deref());
                    self.record_success(target, started, prepared);
                    let target = target.clone();
                    return Ok(Box::new(OpenAnswer { headers, content, target, admission }));
                }
                Err(failed) => self.record_failure(&target.name, started, failed),
            };
            match decide_retry(&failure, failed, limits, fastrand::f64()) {
                RetryDecision::Retry(wait) if !failure.is_gateway_limit && self.has_time_for(wait) => {
                    sleep(wait).await
                }
                _ => {
                    admission.record_failure(&failure, failover);
                    return Err(Some(failure));
                }
            }
        }
    }

    pub(super) fn rewrite_options<'o>(&self, last_provider: Option<&'o str>) -> RewriteOptions<'o> {
        RewriteOptions { default_thinking: self.settings.default_thinking, last_provider }
    }

    /// The provider behind OpenRouter that answered the conversation last.
    pub(super) fn last_provider(&self, target: &Target) -> Option<String> {
        let conversation = self.openrouter_conversation(target)?;
        self.state.find_last_provider(conversation)
    }

    fn record_last_provider(&self, target: &Target, provider: Option<&str>) {
        if let Some(provider) = provider
            && let Some(conversation) = self.openrouter_conversation(target)
        {
            self.state.record_last_provider(conversation, provider);
        }
    }

    /// The conversation with one of OpenRouter's models, if the request names a conversation.
    fn openrouter_conversation(&self, target: &Target) -> Option<impl Hash> {
        let request = Some(&self.request).filter(|_| target.provider.adapter == AdapterId::OpenRouter)?;
        let conversation = find_conversation(request, self.bodies.client_body())?;
        Some((&request.client, &target.reference, conversation))
    }

    fn record_success(&self, target: &Target, started: Instant, prepared: &PreparedRequest<'_>) {
        if let Some(session) = &self.affinity {
            self.state.record_affinity(session, target.identity());
        }
        self.tracker.record_answer(target, prepared);
        let attempt = self.tracker.new_attempt(&target.name, started, AttemptOutcome::Ok, String::new());
        self.tracker.add_attempt(attempt);
    }

    /// Records a failed attempt.
    pub(super) fn record_failure(
        &self,
        reference: &str,
        started: Instant,
        failed: impl Into<FailedAttempt>,
    ) -> Failure {
        let failed = failed.into();
        let usage = failed.usage(|| self.bodies.prompt_tokens());
        let failure = failed.failure;
        let (outcome, detail) = (AttemptOutcome::Failed(failure.reason), failure.message.clone());
        let attempt = self.tracker.new_attempt(reference, started, outcome, detail);
        self.tracker.add_attempt(Attempt { timeout: failure.timeout, usage, ..attempt });
        failure
    }

    /// Runs one call, up to a whole response or the first meaningful event.
    async fn open_answer(
        &self,
        target: &Target,
        prepared: &PreparedRequest<'_>,
        sent: Instant,
    ) -> Result<(AnswerContent, http::HeaderMap), FailedAttempt> {
        let call = |provider: &_| {
            let target = target.with_provider(provider);
            let headers = target.request_headers(&self.request.headers, self.request.api);
            let body =
                prepared.adapted.edits.clone().apply(&prepared.request_body.body().text).parts().to_vec();
            let url = if self.request.is_compaction { target.compaction_url() } else { target.url() };
            Ok(UpstreamRequest { method: http::Method::POST, url, headers, body })
        };
        let is_streaming = self.bodies.client_body().wants_stream();
        let answer_timeout = self.answer_timeout(target, sent);
        let limit = self.settings.failover.response_header_timeout;
        let head_timeout = (is_streaming && limit < answer_timeout.limit())
            .then(|| Timeout::new(sent, limit, TimeoutKind::ResponseHeader, self.deadline));
        let head = head_timeout.as_ref().unwrap_or(&answer_timeout);
        // One of the gateway's timeouts expired: the target may still be processing the request.
        let sent = head
            .run(self.logins.send(&target.provider, call))
            .await
            .map_err(FailedAttempt::after_sending)??;
        let AuthenticatedResponse { response, provider } = sent;
        // Uses the key that was sent: the key of a login is known only now.
        let called = target.with_provider(&provider);
        if !response.status.is_success() {
            return Err(read_error(&called, response, self.remaining_time(ERROR_BODY_TIMEOUT)).await.into());
        }
        let headers = headers::build_client_headers(&response.headers, &called.redactor());
        let content = if is_streaming {
            let begun =
                answer_timeout.run(read_first_event(&called, &prepared.adapted.answer_plan, response)).await;
            begun.map_err(FailedAttempt::after_sending)??
        } else {
            let read = answer_timeout.run(read_within_budget(self.new_body_buffer(), response.body)).await;
            let bytes = read.flatten().map_err(FailedAttempt::after_sending)?;
            let plan = &prepared.adapted.answer_plan;
            let (body, mut meter) =
                answer::read_complete(&called.classifier(), target.api, plan, bytes.clone())
                    .map_err(|failure| FailedAttempt::from_complete_body(failure, target.api, &bytes))?;
            let usage = *meter.usage.get_or_insert_with(|| self.estimate_answer_usage(target.api, &body));
            AnswerContent::Complete(self.translate_answer(body, target, &prepared.request_body, usage), meter)
        };
        Ok((content, headers))
    }

    /// Translates a target's whole response to the client's API.
    fn translate_answer(
        &self,
        body: Segments,
        target: &Target,
        sent: &ClientBody<'_>,
        usage: TokenUsage,
    ) -> Segments {
        if !sent.is_translated() {
            return body;
        }
        let own = self.bodies.client_body();
        let echo = build_echo(self.request.id, own, sent.client_tools());
        let (mut events, losses) = translate::decode_response_with_losses(target.api, &body.to_bytes());
        self.tracker.record_losses(&losses);
        let mut turn = SealedTurn::default();
        events.iter().for_each(|event| turn.push(event));
        self.store_sealed_turn(Some(turn).filter(SealedTurn::is_needed));
        if !events.iter().any(|event| matches!(event, ResponseEvent::Usage(_))) {
            events.push(ResponseEvent::Usage(usage));
        }
        Segments::from_bytes(translate::encode_response(&events, own.api, &echo))
    }

    /// Keeps the sealed reasoning of an answer for clients whose API does not return it. Messages clients return it.
    pub(super) fn store_sealed_turn(&self, turn: Option<SealedTurn>) {
        if let Some(turn) = turn.filter(|_| self.request.api != Api::Messages) {
            self.state.store_sealed_turn(self.request.client.as_deref(), turn);
        }
    }

    /// Estimates the usage of a whole response whose provider did not report it.
    fn estimate_answer_usage(&self, api: Api, body: &Segments) -> TokenUsage {
        estimate_event_usage(self.bodies.prompt_tokens(), &translate::decode_response(api, &body.to_bytes()))
    }

    /// The timeout of a whole response, and of a stream's first meaningful event.
    fn answer_timeout(&self, target: &Target, sent: Instant) -> Timeout {
        let (limit, kind) = match target.provider.first_token_timeout {
            Some(limit) => (limit, TimeoutKind::Provider),
            None => (self.settings.failover.first_token_timeout, TimeoutKind::FirstToken),
        };
        Timeout::new(sent, limit, kind, self.deadline)
    }

    fn new_body_buffer(&self) -> BodyBuffer {
        self.state.memory_budget().start_body(self.settings.gateway.buffer_memory_limit())
    }

    /// A reservation for the part of a stream that is kept or held back.
    pub(super) fn new_reservation(&self) -> MemoryReservation {
        self.state.memory_budget().start_reservation(self.settings.gateway.buffer_memory_limit())
    }

    /// Records a target that was not tried.
    pub(super) fn record_skip(&self, target: &Target, skip: SkipReason, why: &str) {
        let outcome = AttemptOutcome::Skipped(skip);
        let attempt = self.tracker.new_attempt(&target.name, Instant::now(), outcome, why.to_owned());
        self.tracker.add_attempt(attempt);
    }

    fn has_time_for(&self, wait: Duration) -> bool {
        self.deadline.is_none_or(|deadline| Instant::now() + wait < deadline)
    }

    /// Whether the request's deadline has passed.
    pub(super) fn is_past_deadline(&self) -> bool {
        !self.has_time_for(Duration::ZERO)
    }

    /// Limits a duration to the time that remains until the request's deadline.
    fn remaining_time(&self, time: Duration) -> Duration {
        self.deadline.map_or(time, |deadline| deadline.saturating_duration_since(Instant::now()).min(time))
    }
}

/// A failed attempt with its usage: a provider may bill the part of a response that it sent.
#[derive(Debug)]
pub(super) struct FailedAttempt {
    failure: Failure,
    consumed: ConsumedUsage,
}

#[derive(Debug)]
enum ConsumedUsage {
    /// The provider refused it, or was not reached.
    Nothing,
    /// The provider reported it.
    Reported(TokenUsage),
    /// The provider read the prompt and produced this much output, as far as the gateway knows.
    Estimated(ContentBytes),
}

impl From<Failure> for FailedAttempt {
    fn from(failure: Failure) -> Self {
        Self { failure, consumed: ConsumedUsage::Nothing }
    }
}

impl FailedAttempt {
    /// An attempt that the provider was processing, or may have been processing.
    fn after_sending(failure: Failure) -> Self {
        Self { failure, consumed: ConsumedUsage::Estimated(ContentBytes::default()) }
    }

    /// An invalid whole response: empty, truncated, or an error instead of one.
    fn from_complete_body(failure: Failure, api: Api, body: &Bytes) -> Self {
        let Ok(top) = ObjectView::parse_strict(body) else {
            // A truncated body was a response; a web page is not billed.
            let is_page = body.trim_ascii_start().starts_with(b"<");
            return if is_page { failure.into() } else { Self::after_sending(failure) };
        };
        let reported = top.value("usage").and_then(|usage| TokenUsage::from_json(api, usage));
        if let Some(usage) = reported.filter(TokenUsage::is_nonzero) {
            return Self { failure, consumed: ConsumedUsage::Reported(usage) };
        }
        let is_answer = ["choices", "content", "output"].iter().any(|key| top.value(key).is_some());
        if is_answer { Self::after_sending(failure) } else { failure.into() }
    }

    /// A stream that failed before its first meaningful event, after this many events.
    fn from_stream(failure: Failure, reader: &StreamReader, events: usize) -> Self {
        let content = reader.content_bytes();
        let was_interrupted = matches!(failure.reason, Reason::Truncated | Reason::Timeout | Reason::Network);
        let consumed = match reader.meter().usage.filter(TokenUsage::is_nonzero) {
            Some(usage) => ConsumedUsage::Reported(usage),
            None if was_interrupted || events > 0 || content != ContentBytes::default() => {
                ConsumedUsage::Estimated(content)
            }
            None => ConsumedUsage::Nothing,
        };
        Self { failure, consumed }
    }

    /// The attempt's usage, for a prompt of this many tokens.
    fn usage(&self, prompt: impl FnOnce() -> u64) -> Option<TokenUsage> {
        match self.consumed {
            ConsumedUsage::Nothing => None,
            ConsumedUsage::Reported(usage) => Some(usage),
            ConsumedUsage::Estimated(content) => Some(estimate_usage(prompt(), content)),
        }
    }
}

async fn read_error(target: &Target, response: UpstreamResponse, limit: Duration) -> Failure {
    let content_type = content_type(&response);
    let now = SystemTime::now();
    let retry_after = parse_retry_after(&response.headers, now);
    let body = read_capped_body(&response.headers, response.body, MAX_ERROR_BODY_BYTES, limit).await;
    let error = ProviderError {
        status: response.status.as_u16(),
        content_type: content_type.as_deref(),
        retry_after,
        received_at: now,
        body: &body,
    };
    target.classifier().classify(&error)
}

fn content_type(response: &UpstreamResponse) -> Option<String> {
    response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Reads up to the first meaningful event. JSON instead of a stream is an error in a 200, or an unexpected
/// response.
async fn read_first_event(
    target: &Target,
    plan: &AnswerPlan,
    mut response: UpstreamResponse,
) -> Result<AnswerContent, FailedAttempt> {
    let classifier = target.classifier();
    if content_type(&response).is_some_and(|kind| kind.starts_with("application/json")) {
        let bytes = read_body(response.body, MAX_ERROR_BODY_BYTES).await?;
        let failure = match answer::read_complete(&classifier, target.api, plan, bytes.clone()) {
            Ok(_) => Failure::new(Reason::Server, "the provider sent a whole response instead of a stream"),
            Err(failure) => failure,
        };
        return Err(FailedAttempt::from_complete_body(failure, target.api, &bytes));
    }
    let mut reader = StreamReader::new(classifier, target.api, plan.clone());
    let mut withheld = Segments::default();
    let mut events = 0;
    loop {
        let ReaderOutput { output, event_count, has_content, is_complete, failure, .. } =
            match response.body.next().await {
                Some(Ok(chunk)) => reader.read_chunk(chunk),
                Some(Err(failure)) => return Err(FailedAttempt::from_stream(failure, &reader, events)),
                None => reader.finish(None),
            };
        events += event_count;
        withheld.append(output);
        // Nothing has been sent yet: events before the failure in the same read are dropped with it.
        if let Some(failure) = failure {
            return Err(FailedAttempt::from_stream(failure, &reader, events));
        }
        if has_content || events > MAX_WITHHELD_EVENTS || withheld.len() > MAX_WITHHELD_BYTES {
            return Ok(AnswerContent::Stream(Box::new(OpenStream {
                reader,
                chunks: response.body,
                withheld,
                is_complete,
            })));
        }
        if is_complete {
            let failure = Failure::new(Reason::Server, "the answer was empty");
            return Err(FailedAttempt::from_stream(failure, &reader, events));
        }
    }
}
