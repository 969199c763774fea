//! Owns the attempts of one request at one target, up to a whole response or the first meaningful event.

use std::time::SystemTime;

use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use tokio::time::{Duration, Instant, sleep};

use super::continuation::estimate_event_usage;
use super::failed_attempt::FailedAttempt;
use super::plan::{Plan, Target, describe_cooldown};
use super::request_bodies::{ClientBody, PreparedRequest, RequestBodies};
use super::shutdown::ShutdownPhase;
use super::state::{AdmissionGuard, SessionAffinity, State};
use super::stream::translator;
use super::timeout::Timeout;
use super::tracker::RequestTracker;
use super::{Answer, ClientRequest, RequestError, body_buffer, headers};
use crate::config::settings::Settings;
use crate::failure::{Failure, Reason, TimeoutKind};
use crate::policy::retry::{RetryDecision, RetryLimits, decide_retry};
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::translate::event::ResponseEvent;
use crate::protocol::translate::non_streaming;
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::{self, Meter, ReaderOutput, StreamReader};
use crate::provider::classify::ProviderError;
use crate::provider::rewrite::AnswerPlan;
use crate::record::{Attempt, AttemptOutcome};
use crate::upstream::oauth::{AuthenticatedConnector, AuthenticatedResponse};
use crate::upstream::{
    ByteStream, UpstreamRequest, UpstreamResponse, parse_retry_after, read_body, read_capped_body,
};

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
    pub(super) settings: std::sync::Arc<Settings>,
    pub(super) state: std::sync::Arc<State>,
    pub(super) logins: std::sync::Arc<AuthenticatedConnector>,
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
    pub(super) reference: String,
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

/// A stream up to its first meaningful event.
pub(super) struct OpenStream {
    pub(super) reader: StreamReader,
    pub(super) chunks: ByteStream,
    /// Events held back so far, in order.
    pub(super) withheld: Segments,
    pub(super) is_complete: bool,
}

impl RequestExecution {
    /// Handles a request that is not streamed, unless the process ends first.
    pub(super) async fn execute_until_shutdown(self) -> Result<Answer, RequestError> {
        let mut ending = self.state.watch_shutdown();
        tokio::select! {
            biased;
            answer = self.execute_complete() => answer,
            () = ending.wait_for(ShutdownPhase::Interrupting) => Err(self.interrupt()),
        }
    }

    /// The process is shutting down. The attempt causes no cooldown.
    pub(super) fn interrupt(&self) -> RequestError {
        self.tracker.mark_failed(Reason::Server);
        self.tracker.mark_finished();
        RequestError::ShuttingDown { attempts: self.tracker.attempts() }
    }

    /// Handles a request that is not streamed.
    async fn execute_complete(&self) -> Result<Answer, RequestError> {
        let opened = self.execute_chain().await?;
        let AnswerContent::Complete(body, meter) = opened.content else {
            return Err(self
                .fail_request(Failure::new(Reason::Server, "a stream was not asked for"), opened.reference));
        };
        self.tracker.record_usage(meter.usage);
        self.tracker.mark_finished();
        Ok(Answer::Complete {
            body,
            model: opened.reference,
            attempts: self.tracker.attempts(),
            headers: opened.headers,
        })
    }

    /// Runs all attempts at one target. `Err(None)`: the target was not tried.
    pub(super) async fn try_target(
        &self,
        target: &Target,
        anyway: bool,
    ) -> Result<Box<OpenAnswer>, Option<Failure>> {
        let reference = target.name.clone();
        let prepared = match self.bodies.prepare(target, self.settings.default_thinking) {
            Ok(prepared) => prepared,
            Err(failure) => return Err(Some(self.record_failure(&reference, Instant::now(), failure))),
        };
        let tries = if anyway { 1 } else { self.settings.failover.attempts_per_target };
        self.try_prepared(target, &prepared, tries, anyway).await
    }

    /// Like [`Self::try_target`], for a request that is ready to be sent.
    pub(super) async fn try_prepared(
        &self,
        target: &Target,
        prepared: &PreparedRequest<'_>,
        tries: u32,
        anyway: bool,
    ) -> Result<Box<OpenAnswer>, Option<Failure>> {
        let reference = target.name.clone();
        let failover = &self.settings.failover;
        let limits = RetryLimits {
            attempts: tries,
            initial_delay: failover.initial_backoff,
            max_delay: failover.max_backoff,
        };
        let user_agent = headers::user_agent(&self.request.headers);
        let mut pass = match self.state.admit(target, user_agent, anyway) {
            Ok(pass) => pass,
            Err(rest) => {
                let (skip, why) = describe_cooldown(rest);
                self.record_skip(target, skip, &why);
                return Err(None);
            }
        };
        let mut tries = 0;
        loop {
            let started = Instant::now();
            tries += 1;
            let trying = self.tracker.start_attempt(&reference, &self.bodies);
            let opened = self.open_answer(target, prepared, started).await;
            trying.disarm();
            let failure = match opened {
                Ok((content, headers)) => {
                    match &content {
                        AnswerContent::Complete(..) => pass.record_success(),
                        AnswerContent::Stream(_) => pass.record_answer_start(),
                    }
                    self.record_success(target, started, prepared);
                    let target = target.clone();
                    return Ok(Box::new(OpenAnswer { reference, headers, content, target, admission: pass }));
                }
                Err(fallen) => self.record_failure(&reference, started, fallen),
            };
            match decide_retry(&failure, tries, limits, fastrand::f64()) {
                RetryDecision::Retry(wait) if !failure.is_gateway_limit && self.has_time_for(wait) => {
                    sleep(wait).await
                }
                _ => {
                    pass.record_failure(&failure, failover);
                    return Err(Some(failure));
                }
            }
        }
    }

    fn record_success(&self, target: &Target, started: Instant, prepared: &PreparedRequest<'_>) {
        let reference = target.name.clone();
        if let Some(stay) = &self.affinity {
            self.state.record_affinity(stay, target);
        }
        self.tracker.record_answer(target, prepared);
        self.tracker.add_attempt(Attempt {
            reference,
            outcome: AttemptOutcome::Ok,
            detail: String::new(),
            timeout: None,
            start_offset: self.tracker.offset_of(started),
            duration: started.elapsed(),
            usage: None,
            cost: None,
        });
    }

    pub(super) fn record_failure(
        &self,
        reference: &str,
        started: Instant,
        fallen: impl Into<FailedAttempt>,
    ) -> Failure {
        let fallen = fallen.into();
        let usage = fallen.usage(|| self.bodies.prompt_tokens());
        let failure = fallen.failure;
        self.tracker.add_attempt(Attempt {
            reference: reference.to_owned(),
            outcome: AttemptOutcome::Failed(failure.reason),
            detail: failure.message.clone(),
            timeout: failure.timeout,
            start_offset: self.tracker.offset_of(started),
            duration: started.elapsed(),
            usage,
            cost: None,
        });
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
            let face = self.request.api;
            let headers = headers::build_request_headers(&self.request.headers, face, &target);
            let body =
                prepared.adapted.edits.clone().apply(&prepared.request_body.body().text).parts().to_vec();
            Ok(UpstreamRequest { method: http::Method::POST, url: target.url().clone(), headers, body })
        };
        let streamed = self.bodies.client_body().wants_stream();
        let mut answer_clock = self.answer_timeout(target, sent);
        let limit = self.settings.failover.response_header_timeout;
        let mut head_clock = (streamed && limit < answer_clock.limit())
            .then(|| Timeout::new(sent, limit, TimeoutKind::ResponseHeader, self.deadline));
        let head = head_clock.as_mut().unwrap_or(&mut answer_clock);
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
        let headers = headers::build_client_headers(&response.headers, called.redactor());
        let content = if streamed {
            let begun =
                answer_clock.run(read_first_event(&called, &prepared.adapted.answer_plan, response)).await;
            begun.map_err(FailedAttempt::after_sending)??
        } else {
            let read = answer_clock
                .run(body_buffer::read_within_budget(self.new_body_buffer(), response.body))
                .await;
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
        said: &ClientBody<'_>,
        usage: TokenUsage,
    ) -> Segments {
        if !said.is_translated() {
            return body;
        }
        let own = self.bodies.client_body();
        let echo = translator::add_tool_names(translator::build_echo(self.request.id, own), said);
        let mut events = non_streaming::decode_response(target.api, &body.to_bytes());
        if !events.iter().any(|event| matches!(event, ResponseEvent::Usage(_))) {
            events.push(ResponseEvent::Usage(usage));
        }
        Segments::from_bytes(non_streaming::encode_response(&events, own.api, &echo))
    }

    /// Estimates the usage of a whole response whose provider did not report it.
    fn estimate_answer_usage(&self, face: Api, body: &Segments) -> TokenUsage {
        estimate_event_usage(
            self.bodies.prompt_tokens(),
            &non_streaming::decode_response(face, &body.to_bytes()),
        )
    }

    /// The timeout of a whole response, and of a stream's first meaningful event.
    fn answer_timeout(&self, target: &Target, sent: Instant) -> Timeout {
        let (limit, kind) = match target.provider.first_token_timeout {
            Some(limit) => (limit, TimeoutKind::Provider),
            None => (self.settings.failover.first_token_timeout, TimeoutKind::FirstToken),
        };
        Timeout::new(sent, limit, kind, self.deadline)
    }

    fn new_body_buffer(&self) -> crate::protocol::memory_budget::BodyBuffer {
        self.state.memory_budget().start_body(self.settings.gateway.buffer_memory_limit())
    }

    /// The buffer for the part of a stream that is kept or held back.
    pub(super) fn new_reservation(&self) -> crate::protocol::memory_budget::MemoryReservation {
        self.state.memory_budget().start_reservation(self.settings.gateway.buffer_memory_limit())
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

async fn read_error(target: &Target, response: UpstreamResponse, patience: Duration) -> Failure {
    let content_type = content_type(&response);
    let now = SystemTime::now();
    let asked = parse_retry_after(&response.headers, now);
    let body = read_capped_body(&response.headers, response.body, MAX_ERROR_BODY_BYTES, patience).await;
    let refused = ProviderError {
        status: response.status.as_u16(),
        content_type: content_type.as_deref(),
        retry_after: asked,
        received_at: now,
        body: &body,
    };
    target.classifier().classify(&refused)
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
            Ok(_) => Failure::new(Reason::Server, "a whole answer where a stream was asked for"),
            Err(failure) => failure,
        };
        return Err(FailedAttempt::from_complete_body(failure, target.api, &bytes));
    }
    let mut reader = StreamReader::new(classifier, target.api, plan.clone());
    let mut held = Segments::default();
    let mut frames = 0;
    loop {
        let ReaderOutput {
            output: out,
            event_count: more,
            has_content: meaningful,
            is_complete: done,
            failure,
            ..
        } = match response.body.next().await {
            Some(Ok(chunk)) => reader.read_chunk(chunk),
            Some(Err(failure)) => return Err(FailedAttempt::from_stream(failure, &reader, frames)),
            None => reader.finish(None),
        };
        frames += more;
        held.append(out);
        // Nothing has been sent yet: events before the failure in the same read are dropped with it.
        if let Some(failure) = failure {
            return Err(FailedAttempt::from_stream(failure, &reader, frames));
        }
        if meaningful || frames > MAX_WITHHELD_EVENTS || held.len() > MAX_WITHHELD_BYTES {
            let bytes = response.body;
            return Ok(AnswerContent::Stream(Box::new(OpenStream {
                reader,
                chunks: bytes,
                withheld: held,
                is_complete: done,
            })));
        }
        if done {
            let failure = Failure::new(Reason::Server, "the answer was empty");
            return Err(FailedAttempt::from_stream(failure, &reader, frames));
        }
    }
}
