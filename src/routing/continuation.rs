//! Answers a streamed request: opens the first stream, feeds it to the client, and continues an interrupted response
//! with the next target.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use http::HeaderMap;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::attempt::{AnswerContent, OpenAnswer, RequestExecution};
use super::plan::PlannedTarget;
use super::request::{Answer, RequestError};
use super::target::Target;
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::StreamReader;
use crate::provider::rewrite::{ContinuationForm, PartialAnswer};
use crate::record::{AttemptOutcome, encode_header_value, render_attempts_header};
use crate::state::ShutdownPhase;
use crate::stream::{
    ClientEncoder, ClientStream, ContinuationSupport, Interrupted, InterruptedUsage, OpenStream, Pump,
    PumpFailure, ResponseTranslator, ResumeBuffer, ResumeConditions, SpliceStage, Splicer, StreamBody,
    build_echo, may_continue, may_continue_on_same_target, measure_usage,
};

/// After its last event a provider closes at once. The wait for that lets its connection be used again.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(50);

/// Answers a streamed request: as soon as the first meaningful event or the error is known, or when the client has
/// waited for `keepAliveSeconds`.
pub(super) async fn answer_stream(execution: RequestExecution) -> Result<Answer, RequestError> {
    let execution = Arc::new(execution);
    let keep_alive = execution.settings.failover.keep_alive_interval;
    let (head_sender, head) = oneshot::channel();
    let mut body = StreamBody::new(execution.new_encoder(), execution.request.api, keep_alive, |client| {
        let head = Some(head_sender);
        StreamedRequest { execution: execution.clone(), client, head, has_incomplete_head: false }
            .run_until_shutdown()
    });
    match body.run_until(head).await {
        Some(Ok(head)) => {
            let (model, headers) = head?;
            let (attempts, losses) = (execution.tracker.attempts(), execution.tracker.losses());
            Ok(Answer::Stream { model: Some(model), attempts, losses, headers, body })
        }
        Some(Err(_)) => Err(RequestError::NoUsableTarget { attempts: execution.tracker.attempts() }),
        None => {
            let attempts = execution.tracker.attempts();
            let losses = Vec::new();
            Ok(Answer::Stream { model: None, attempts, losses, headers: HeaderMap::new(), body })
        }
    }
}

/// The part of a response's head that the target determines: its name and headers.
type StreamHead = (String, HeaderMap);

/// A streamed request in progress.
struct StreamedRequest {
    execution: Arc<RequestExecution>,
    client: ClientStream,
    /// Gets the head or the error. Closed if the head had to be sent before.
    head: Option<oneshot::Sender<Result<StreamHead, RequestError>>>,
    /// The head does not contain the model or all attempts, so a comment at the end does.
    has_incomplete_head: bool,
}

/// The stream of one target was interrupted.
struct Interruption {
    failure: Failure,
    /// Text that was held back; as Chat Completions.
    withheld_text: Segments,
    reference: String,
}

/// The target that continues an interrupted response.
enum NextTarget {
    Opened(Box<OpenAnswer>),
    /// The client's output limit is used up.
    LimitReached,
    None,
}

impl StreamedRequest {
    /// Runs the request, unless the process ends first: then the response ends with an error event.
    async fn run_until_shutdown(mut self) {
        let execution = self.execution.clone();
        let mut shutdown = execution.state.watch_shutdown();
        tokio::select! {
            biased;
            () = self.run() => {}
            () = shutdown.wait_for(ShutdownPhase::Interrupting) => {
                // A complete response is not interrupted, though its provider may not have closed the stream.
                if execution.tracker.record().client_disconnected {
                    self.fail(execution.interrupt()).await;
                    let served_by = execution.tracker.record().served_by.clone();
                    self.send_comment(served_by.as_deref()).await;
                }
            }
        }
    }

    async fn run(&mut self) {
        let execution = self.execution.clone();
        let mut answer = match Box::pin(execution.execute_chain()).await {
            Ok(answer) => answer,
            Err(error) => {
                self.fail(error).await;
                return self.send_comment(None).await;
            }
        };
        let head = (answer.target.name.clone(), std::mem::take(&mut answer.headers));
        self.has_incomplete_head = self.head.take().is_none_or(|sender| sender.send(Ok(head)).is_err());
        let mut splice = execution.new_splice_stage(&answer.target);
        let mut result = self.pump(&mut answer, &mut splice).await;
        if let Err(interruption) = &result
            && let SpliceStage::Buffering(buffer) = splice
            && self.client.encoder.can_continue()
            && let Some(interrupted) = buffer.interrupt()
        {
            let continued = Box::pin(self.continue_answer(&mut answer, interruption, interrupted)).await;
            result = continued.unwrap_or(result);
        }
        if let Err(interruption) = &result {
            self.end_interrupted(interruption).await;
        }
        self.send_comment(Some(&answer.target.name)).await;
        execution.tracker.record().client_disconnected = false;
        if let (Ok(()), AnswerContent::Stream(stream)) = (&result, &mut answer.content) {
            let _ = timeout(CLOSE_TIMEOUT, stream.chunks.next()).await;
        }
    }

    /// Passes on a target's stream, and records how it ended.
    async fn pump(&mut self, answer: &mut OpenAnswer, splice: &mut SpliceStage) -> Result<(), Interruption> {
        let execution = &self.execution;
        let OpenAnswer { content: AnswerContent::Stream(stream), target, .. } = answer else {
            return Ok(());
        };
        let measure = |reader: &StreamReader| execution.measure_usage(reader);
        let metered = MeteredStream { execution, stream };
        let result = match execution.new_translator(target, splice) {
            Ok(mut translator) => {
                let pump = Pump {
                    client: &mut self.client,
                    translator: &mut translator,
                    splice,
                    reservation: execution.new_reservation(),
                    wants_usage: execution.bodies.client_body().wants_usage(),
                    measure_usage: &measure,
                    idle_limit: execution.settings.failover.idle_timeout,
                    deadline: execution.deadline,
                };
                let result = pump.run(&mut *metered.stream).await;
                execution.tracker.record_losses(translator.losses());
                if result.is_ok() {
                    execution.store_sealed_turn(translator.take_sealed_turn());
                }
                result
            }
            Err(failure) => Err(PumpFailure::of_gateway(failure)),
        };
        drop(metered);
        let Err(PumpFailure { failure, withheld_text, is_target_healthy }) = result else {
            answer.admission.record_success();
            return Ok(());
        };
        // The stream is no longer needed, and its provider may count it as an active request.
        stream.chunks = futures_util::stream::empty().boxed();
        if !is_target_healthy {
            answer.admission.record_failure(&failure, &execution.settings.failover);
        }
        let end = execution.tracker.offset_of(Instant::now());
        if let Some(attempt) = execution.tracker.record().attempts.last_mut() {
            attempt.outcome = AttemptOutcome::Failed(failure.reason);
            attempt.duration = end.saturating_sub(attempt.start_offset);
            attempt.detail.clone_from(&failure.message);
            attempt.timeout = failure.timeout;
        }
        Err(Interruption { failure, withheld_text, reference: answer.target.name.clone() })
    }

    /// Continues a response with another stream; returns how that ended. `None`: no target continued, so the first failure
    /// is the one to report.
    async fn continue_answer(
        &mut self,
        answer: &mut OpenAnswer,
        interruption: &Interruption,
        interrupted: Interrupted,
    ) -> Option<Result<(), Interruption>> {
        let execution = self.execution.clone();
        let AnswerContent::Stream(stream) = &answer.content else { return None };
        let (meter, content) = (stream.reader.meter(), stream.reader.content_bytes());
        let prompt_tokens = execution.bodies.prompt_tokens();
        let spent = InterruptedUsage::new(meter, content, interrupted.prefill().len(), prompt_tokens);
        let attempts = execution.tracker.attempts().len();
        let first_attempt = attempts.saturating_sub(1);
        let next = execution.open_next(&answer.target, &interruption.failure, &interrupted, &spent).await;
        // The head contains the first attempt only.
        self.has_incomplete_head |= execution.tracker.attempts().len() > attempts;
        let record_usage = |second: Option<&TokenUsage>| {
            if let Some(attempt) = execution.tracker.record().attempts.get_mut(first_attempt) {
                attempt.usage = Some(spent.first_usage(second));
            }
        };
        record_usage(None);
        match next {
            NextTarget::None => None,
            NextTarget::LimitReached => {
                let usage = spent.combined_usage(None);
                execution.tracker.record().usage = Some(usage);
                let is_wanted = execution.bodies.client_body().wants_usage();
                let rendered = is_wanted.then(|| usage.to_json(Api::ChatCompletions));
                self.client.encoder.start_continuation(None);
                // One finish needs no memory reservation.
                let _ = self.client.send_events(interrupted.render_length_finish(rendered.as_deref())).await;
                self.send_end(usage).await;
                Some(Ok(()))
            }
            NextTarget::Opened(opened) => {
                *answer = *opened;
                let body = execution.bodies.body_for_continuation(&answer.target).ok();
                self.client.encoder.start_continuation(body.as_ref().and_then(|body| body.client_tools()));
                let may_repeat = answer.target.continuation_form() == Some(ContinuationForm::Instruction);
                let mut splice =
                    SpliceStage::Splicing(Box::new(Splicer::new(interrupted, spent, may_repeat)));
                let mut result = self.pump(answer, &mut splice).await;
                let AnswerContent::Stream(stream) = &answer.content else { return None };
                let second = execution.measure_usage(&stream.reader);
                let usage = spent.combined_usage(Some(&second));
                execution.tracker.record().usage = Some(usage);
                record_usage(Some(&second));
                match &mut result {
                    Ok(()) => self.send_end(usage).await,
                    // The text that was held back continues the first stream's.
                    Err(second) => {
                        second.withheld_text = splice.process(std::mem::take(&mut second.withheld_text)).0;
                    }
                }
                Some(result)
            }
        }
    }

    /// Ends a continued response; Chat Completions needs no further end.
    async fn send_end(&mut self, usage: TokenUsage) {
        let end = self.client.encoder.encode_end(usage);
        self.client.send(end).await;
    }

    /// Ends an interrupted response with the text that was held back, and an error event.
    async fn end_interrupted(&mut self, interruption: &Interruption) {
        let Interruption { failure, withheld_text, reference } = interruption;
        if !withheld_text.is_empty() {
            self.client.encoder.start_continuation(None);
            // Without enough memory it is not sent.
            let _ = self.client.send_events(withheld_text.clone()).await;
        }
        let tracker = &self.execution.tracker;
        tracker.record().failure_reason = Some(failure.reason);
        let message = format!("{reference} was interrupted: {}", failure.message);
        let end = self.client.encoder.encode_error(&message, failure.reason, &tracker.attempts(), true);
        self.client.send(end).await;
    }

    /// Reports an error as the response's status, or as its last events if the head was sent.
    async fn fail(&mut self, error: RequestError) {
        let unsent = match self.head.take() {
            None => Err(error),
            Some(head) => match head.send(Err(error)) {
                Err(Err(error)) => {
                    self.has_incomplete_head = true;
                    Err(error)
                }
                Ok(()) | Err(Ok(_)) => Ok(()),
            },
        };
        if let Err(error) = unsent {
            let (message, attempts) = (error.to_string(), error.attempts());
            let end = self.client.encoder.encode_error(&message, error.reason(), attempts, false);
            self.client.send(end).await;
        }
    }

    /// Sends the model and the attempts as a comment if the head does not contain them.
    async fn send_comment(&self, model: Option<&str>) {
        if self.has_incomplete_head {
            let model = encode_header_value(model.unwrap_or("none"));
            let attempts = render_attempts_header(&self.execution.tracker.attempts());
            let text = format!(": x-moonrelay-model: {model}\n: x-moonrelay-attempts: {attempts}\n\n");
            self.client.send(text.into()).await;
        }
    }
}

/// A stream whose usage is recorded when it is dropped: at its end, and when the client disconnects before.
struct MeteredStream<'r> {
    execution: &'r RequestExecution,
    stream: &'r mut OpenStream,
}

impl Drop for MeteredStream<'_> {
    fn drop(&mut self) {
        let usage = self.execution.measure_usage(&self.stream.reader);
        self.execution.tracker.record_usage(Some(usage));
    }
}

impl RequestExecution {
    fn new_encoder(&self) -> ClientEncoder {
        let body = self.bodies.client_body();
        ClientEncoder::new(body.api, || build_echo(self.request.id, body, None), self.new_reservation())
    }

    /// The usage of a stream: as its provider reports it, otherwise as the gateway estimates it.
    fn measure_usage(&self, reader: &StreamReader) -> TokenUsage {
        measure_usage(reader, || self.bodies.prompt_tokens())
    }

    fn new_translator(&self, target: &Target, splice: &SpliceStage) -> Result<ResponseTranslator, Failure> {
        let body = self.bodies.client_body();
        // A continuation is spliced as Chat Completions.
        let (api, translated) = match splice {
            SpliceStage::Splicing(_) => (Api::ChatCompletions, self.bodies.body_for_continuation(target)?),
            _ => (body.api, self.bodies.body_for_target(target)?),
        };
        let is_for_client = api == body.api;
        let is_translated = target.api != api || is_for_client && translated.is_translated();
        let client_tools = translated.client_tools().filter(|_| is_for_client);
        let echo = || build_echo(self.request.id, body, client_tools);
        Ok(ResponseTranslator::new(target.api, api, is_translated, echo, || self.bodies.prompt_tokens()))
    }

    /// Creates the buffer that makes a stream of this target resumable, if the request allows a continuation.
    fn new_splice_stage(&self, target: &Target) -> SpliceStage {
        let buffer = || {
            let conditions = ResumeConditions::from_request(self.bodies.client_body(), &target.model.params)?;
            let mut usable = self.targets_after(target).filter(|planned| planned.skip_reason.is_none());
            let next = usable.next();
            let support = ContinuationSupport {
                can_restart: next.is_some(),
                can_continue_text: target.for_continuation().is_some()
                    || next.into_iter().chain(usable).any(|it| it.target.for_continuation().is_some()),
            };
            (support.can_restart || support.can_continue_text)
                .then(|| ResumeBuffer::new(self.request.api, conditions, support, self.new_reservation()))
        };
        match self.settings.failover.continues_interrupted_streams.then(buffer).flatten() {
            Some(buffer) => SpliceStage::Buffering(Box::new(buffer)),
            None => SpliceStage::Disabled,
        }
    }

    /// Opens the continuation of a response. Without text, the next targets are tried. With text, the same target
    /// is tried first if only the network path to it failed. Each target is tried once.
    async fn open_next(
        &self,
        target: &Target,
        failure: &Failure,
        interrupted: &Interrupted,
        spent: &InterruptedUsage,
    ) -> NextTarget {
        let text = interrupted.prefill();
        if !may_continue(failure) {
            return NextTarget::None;
        }
        // Without text there is nothing to continue: the request has no partial answer.
        let as_called =
            |target: &Target| if text.is_empty() { Some(target.clone()) } else { target.for_continuation() };
        let is_same_possible = !text.is_empty() && may_continue_on_same_target(failure);
        let same = is_same_possible.then(|| as_called(target)).flatten().map(|target| (target, true));
        let next = self
            .targets_after(target)
            .filter_map(|planned| Some((planned, as_called(&planned.target)?)))
            .filter_map(|(planned, target)| match &planned.skip_reason {
                Some((skip, why)) => {
                    self.record_skip(&planned.target, *skip, why);
                    None
                }
                None => Some((target, false)),
            });
        for (target, anyway) in same.into_iter().chain(next) {
            let partial = PartialAnswer { text, output_tokens: spent.counted_output_tokens() };
            let last_provider = self.last_provider(&target);
            let options = self.rewrite_options(last_provider.as_deref());
            let prepared = match self.bodies.prepare_continuation(&target, options, &partial) {
                Ok(Some(prepared)) => prepared,
                Ok(None) => return NextTarget::LimitReached,
                Err(failure) => {
                    self.record_failure(&target.name, Instant::now(), failure);
                    continue;
                }
            };
            match self.try_prepared(&target, &prepared, 1, anyway).await {
                Ok(opened) => return NextTarget::Opened(opened),
                Err(Some(failure)) if failure.is_gateway_limit => break,
                Err(_) => {}
            }
        }
        NextTarget::None
    }

    fn targets_after(&self, target: &Target) -> impl Iterator<Item = &PlannedTarget> {
        let is_it = |planned: &PlannedTarget| {
            planned.target.reference == target.reference && planned.target.key_index == target.key_index
        };
        let next = self.plan.targets.iter().position(is_it).map_or(0, |index| index + 1);
        self.plan.considered_targets(&self.request).iter().skip(next)
    }
}
