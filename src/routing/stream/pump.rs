//! Passes one stream's events to the client.

use futures_util::StreamExt;
use tokio::time::Instant;

use super::coalescer::ChunkCoalescer;
use super::translator::{ResponseTranslator, add_tool_names, build_echo, new_encoder};
use super::{StreamContext, StreamItem};
use crate::failure::{Failure, TimeoutKind};
use crate::future::yield_once;
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::memory_budget::{BudgetExceeded, MemoryReservation};
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::{ContentBytes, ReaderOutput, StreamReader};
use crate::record::AttemptOutcome;
use crate::routing::attempt::{AnswerContent, OpenAnswer, OpenStream, RequestExecution};
use crate::routing::body_buffer;
use crate::routing::continuation::{Continuation, estimate_usage, withholds_nothing};
use crate::routing::plan::Target;
use crate::routing::timeout::IdleTimeout;
use crate::routing::token_count::estimate_prompt_tokens;

/// How many copies of the kept answer are in memory when it ends: the kept one, and those in the events that
/// close text, part, item and answer.
const END_COPIES: usize = 5;

/// A stream that broke.
pub(super) struct InterruptedStream {
    pub(super) failure: Failure,
    /// Text for the client, where the answer ends here; as chat.
    pub(super) withheld_text: Segments,
    /// The target that broke off.
    pub(super) reference: String,
}

/// Passes events on until the end, and reports to target and record how it ended. `through` is the continuation
/// that they pass through. For an answer's first stream it is empty at first, and is created after the first
/// words.
pub(super) async fn pump_stream(
    way: &StreamContext,
    leg: &mut OpenAnswer,
    through: &mut Option<Continuation>,
) -> Result<(), InterruptedStream> {
    let run = &way.execution;
    let OpenAnswer { content: AnswerContent::Stream(stream), target, .. } = leg else { return Ok(()) };
    let mut metered = UsageRecorder::new(run, &stream.reader);
    let ended = match run.bodies.body_for_target(target) {
        Ok(said) => {
            let own = run.bodies.client_body();
            // What goes on with an answer is joined to it as chat.
            let to = if matches!(through, Some(Continuation::Splicing(_))) {
                Api::ChatCompletions
            } else {
                own.api
            };
            let echo = || add_tool_names(build_echo(run.request.id, own), &said);
            let speech = ResponseTranslator::new(target.api, to, || {
                new_encoder(to, echo(), estimate_prompt_tokens(own))
            });
            let mut passage = StreamPipeline {
                context: way,
                target,
                translator: speech,
                continuation: through,
                reservation: run.new_reservation(),
            };
            read_stream(&mut passage, stream, &mut metered).await
        }
        // It was sent, so it was said.
        Err(failure) => Err(PumpFailure::local(failure)),
    };
    metered.update(&stream.reader);
    drop(metered);
    let Err(PumpFailure { failure, withheld_text: leftover, is_target_healthy: is_astray }) = ended else {
        leg.admission.record_success();
        return Ok(());
    };
    // The stream is no longer needed, and its provider may count it as a request in progress.
    stream.chunks = Box::pin(futures_util::stream::empty());
    if !is_astray {
        leg.admission.record_failure(&failure, &run.settings.failover);
    }
    run.tracker.amend_last(|attempt| {
        attempt.outcome = AttemptOutcome::Failed(failure.reason);
        attempt.duration = run.tracker.offset_of(Instant::now()).saturating_sub(attempt.start_offset);
        attempt.detail.clone_from(&failure.message);
        attempt.timeout = failure.timeout;
    });
    Err(InterruptedStream { failure, withheld_text: leftover, reference: leg.reference.clone() })
}

/// What an answer used: as its provider says, else as we count.
pub(super) fn measure_usage(run: &RequestExecution, reader: &StreamReader) -> TokenUsage {
    reader.meter().usage.unwrap_or_else(|| estimate_usage(run.bodies.prompt_tokens(), reader.content_bytes()))
}

/// What was read of an answer until now. Dropped, it goes to the record: also when the client goes away in the middle.
struct UsageRecorder<'r> {
    execution: &'r RequestExecution,
    reported: Option<TokenUsage>,
    content_bytes: ContentBytes,
}

impl<'r> UsageRecorder<'r> {
    fn new(execution: &'r RequestExecution, reader: &StreamReader) -> Self {
        Self { execution, reported: reader.meter().usage, content_bytes: reader.content_bytes() }
    }

    fn update(&mut self, reader: &StreamReader) {
        (self.reported, self.content_bytes) = (reader.meter().usage, reader.content_bytes());
    }
}

impl Drop for UsageRecorder<'_> {
    fn drop(&mut self) {
        let used = self
            .reported
            .unwrap_or_else(|| estimate_usage(self.execution.bodies.prompt_tokens(), self.content_bytes));
        self.execution.tracker.record_usage(Some(used));
    }
}

/// How a stream broke.
struct PumpFailure {
    failure: Failure,
    /// What was held back of the text.
    withheld_text: Segments,
    /// The target is healthy: its output does not continue the answer, or the gateway has no memory for it.
    is_target_healthy: bool,
}

impl PumpFailure {
    fn local(failure: Failure) -> Self {
        Self { failure, withheld_text: Segments::default(), is_target_healthy: true }
    }
}

/// Reads a stream to its end.
async fn read_stream(
    passage: &mut StreamPipeline<'_>,
    stream: &mut OpenStream,
    metered: &mut UsageRecorder<'_>,
) -> Result<(), PumpFailure> {
    let StreamContext { execution: run, slot: pieces, .. } = passage.context;
    let wants_usage = run.bodies.client_body().wants_usage() || passage.translator.is_translated();
    let told = |reader: &StreamReader| wants_usage.then(|| measure_usage(run, reader));
    let mut step = ReaderOutput {
        output: std::mem::take(&mut stream.withheld),
        is_complete: stream.is_complete,
        ..ReaderOutput::default()
    };
    let mut bytes = ChunkCoalescer::new(&mut stream.chunks);
    let mut idle = IdleTimeout::new(run.settings.failover.idle_timeout, TimeoutKind::Idle, run.deadline);
    loop {
        passage.forward(step.output, step.is_complete).await?;
        if let Some(failure) = step.failure {
            // Behind the finish nothing is missing but form.
            let Some(end) = stream.reader.render_missing_end(told(&stream.reader)) else {
                let leftover = passage.translator.translate_withheld(step.withheld_text);
                return Err(PumpFailure { failure, withheld_text: leftover, is_target_healthy: false });
            };
            let end = passage.translator.translate(end);
            passage.forward_translated(end).await?;
            step.is_complete = true;
        }
        if step.is_complete {
            return passage.forward_end(told(&stream.reader)).await;
        }
        // First the client gets what there is: more of it is joined only with what is waiting then.
        pieces.wait_until_empty().await;
        let next = match idle.run(bytes.next()).await {
            // What had come when the clock ran out counts.
            Err(late) => bytes.take_buffered().map(|held| Some(Ok(held))).ok_or(late),
            next => next,
        };
        let broke = match next {
            Ok(Some(Ok(chunk))) => {
                step = stream.reader.read_chunk(chunk);
                metered.update(&stream.reader);
                continue;
            }
            Ok(Some(Err(failure))) | Err(failure) => Some(failure),
            Ok(None) => None,
        };
        let usage = told(&stream.reader);
        let end = stream.reader.finish(usage);
        metered.update(&stream.reader);
        step = ReaderOutput { failure: end.failure.map(|failure| broke.unwrap_or(failure)), ..end };
    }
}

/// What events go through between a stream and its client.
struct StreamPipeline<'p> {
    context: &'p StreamContext,
    /// The target that answers.
    target: &'p Target,
    translator: ResponseTranslator,
    continuation: &'p mut Option<Continuation>,
    /// For what the speech keeps.
    reservation: MemoryReservation,
}

impl StreamPipeline<'_> {
    /// Gives the client what it may have of a target's next events. Of an answer's first ones nothing is learned before it
    /// has them, where none is held back; one that `is_done` with them is at once known to be.
    async fn forward(&mut self, out: Segments, is_done: bool) -> Result<(), PumpFailure> {
        let said = self.translator.translate(out);
        body_buffer::reserve(&mut self.reservation, self.translator.buffered_bytes())
            .map_err(|BudgetExceeded| PumpFailure::local(body_buffer::budget_exceeded()))?;
        let StreamContext { execution: run, slot: pieces, .. } = self.context;
        if self.continuation.is_some() || is_done || !withholds_nothing(run.request.api, &said) {
            return self.forward_translated(said).await;
        }
        self.send(said.clone()).await?;
        pieces.wait_until_empty().await;
        // hyper writes what it has before it polls again.
        yield_once().await;
        let length = said.len();
        let (out, _) = self.continuation().process(said);
        debug_assert_eq!(out.len(), length, "what the client has was held back");
        Ok(())
    }

    fn continuation(&mut self) -> &mut Continuation {
        let Self { context: way, target, .. } = self;
        self.continuation.get_or_insert_with(|| way.execution.new_continuation(target))
    }

    /// The end of an answer that is complete.
    async fn forward_end(&mut self, usage: Option<TokenUsage>) -> Result<(), PumpFailure> {
        // The events that end it say all of it again.
        self.reservation
            .resize(END_COPIES * self.translator.buffered_bytes())
            .map_err(|BudgetExceeded| PumpFailure::local(body_buffer::budget_exceeded()))?;
        let end = self.translator.translate_end(usage);
        self.forward_translated(end).await
    }

    /// Sends the client what it may have of these events, which are in its API format.
    async fn forward_translated(&mut self, said: Segments) -> Result<(), PumpFailure> {
        let (out, astray) = self.continuation().process(said);
        self.send(out).await?;
        astray.map_or(Ok(()), |failure| Err(PumpFailure::local(failure)))
    }

    async fn send(&self, out: Segments) -> Result<(), PumpFailure> {
        send_events(self.context, out)
            .await
            .map_err(|BudgetExceeded| PumpFailure::local(body_buffer::budget_exceeded()))
    }
}

/// Gives the client these events.
pub(super) async fn send_events(way: &StreamContext, out: Segments) -> Result<(), BudgetExceeded> {
    let out = way.client_encoder().encode(out)?;
    if !out.is_empty() {
        way.slot.put(StreamItem::Data(out.to_bytes())).await;
    }
    Ok(())
}
