//! Drives a streamed request: the first answer, its events, its continuation if it broke off, its end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use super::pump::{InterruptedStream, measure_usage, pump_stream, send_events};
use super::{StreamContext, StreamItem};
use crate::future::box_in_place;
use crate::protocol::api::Api;
use crate::protocol::usage::TokenUsage;
use crate::record::{encode_header_value, render_attempts_header};
use crate::routing::attempt::{AnswerContent, OpenAnswer};
use crate::routing::continuation::{Continuation, Interrupted, InterruptedUsage, Splicer};
use crate::routing::resume::ResumeOutcome;

/// After its last event an upstream closes at once; the wait for that lets its connection be used again.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(50);

/// The whole request, piece by piece.
pub(super) async fn drive_stream(way: &StreamContext) {
    let StreamContext { execution: run, slot: pieces, .. } = way;
    // Boxed, here and below: what only the beginning and a break need is not kept while the answer runs.
    let begun = box_in_place(|| run.execute_chain()).await.map_err(Box::new);
    let mut leg = match begun {
        Ok(opened) => opened,
        Err(refusal) => {
            pieces.put(StreamItem::Failed(refusal)).await;
            return send_comment(way, None).await;
        }
    };
    let headers = Box::new(std::mem::take(&mut leg.headers));
    pieces.put(StreamItem::Started { model: leg.reference.clone(), headers }).await;
    let mut through = None;
    let mut ended = pump_stream(way, &mut leg, &mut through).await;
    if let Err(broke) = &ended
        && let Some(Continuation::Buffering(guard)) = through
        && way.client_encoder().can_continue()
        && let Some(broken) = guard.interrupt()
    {
        match Box::pin(continue_answer(way, &mut leg, broke, broken)).await {
            ContinuationOutcome::Completed => ended = Ok(()),
            ContinuationOutcome::Interrupted(second) => ended = Err(second),
            ContinuationOutcome::NotContinued => {}
        }
    }
    if let Err(InterruptedStream { failure, withheld_text: leftover, reference }) = &ended {
        if !leftover.is_empty() {
            way.client_encoder().start_continuation(None);
            // Without enough memory it is not sent.
            let _ = send_events(way, leftover.clone()).await;
        }
        run.tracker.mark_failed(failure.reason);
        let message = format!("{reference} broke off: {}", failure.message);
        let end = way.client_encoder().encode_error(&message, failure.reason, &run.tracker.attempts(), true);
        pieces.put(StreamItem::Data(end)).await;
    }
    send_comment(way, Some(&leg.reference)).await;
    run.tracker.mark_finished();
    if let (Ok(()), AnswerContent::Stream(stream)) = (&ended, &mut leg.content) {
        let _ = timeout(CLOSE_TIMEOUT, stream.chunks.next()).await;
    }
}

/// The result of a continuation.
enum ContinuationOutcome {
    Completed,
    /// It broke too.
    Interrupted(InterruptedStream),
    /// No target continued: the first failure is the one to report.
    NotContinued,
}

/// Goes on with an answer on another leg.
async fn continue_answer(
    way: &StreamContext,
    leg: &mut OpenAnswer,
    broke: &InterruptedStream,
    broken: Interrupted,
) -> ContinuationOutcome {
    let StreamContext { execution: run, is_head_early: late, .. } = way;
    let AnswerContent::Stream(stream) = &leg.content else { return ContinuationOutcome::NotContinued };
    let (meter, said) = (stream.reader.meter(), stream.reader.content_bytes());
    let spent = InterruptedUsage::new(meter, said, broken.prefill().len(), run.bodies.prompt_tokens());
    let tries = run.tracker.attempts().len();
    let resumed = run.resume_answer(&leg.target, &broke.failure, &broken, &spent).await;
    if run.tracker.attempts().len() > tries {
        // The head reported the first attempt only.
        late.store(true, Ordering::Relaxed);
    }
    run.tracker.amend_at(tries.saturating_sub(1), |attempt| attempt.usage = Some(spent.first_usage(None)));
    match resumed {
        ResumeOutcome::Failed => ContinuationOutcome::NotContinued,
        ResumeOutcome::LimitReached => {
            let usage = spent.combined_usage(None);
            run.tracker.record_client_usage(Some(usage));
            let told = run.bodies.client_body().wants_usage().then(|| usage.to_json(Api::ChatCompletions));
            way.client_encoder().start_continuation(None);
            // One finish needs no memory reservation.
            let _ = send_events(way, broken.render_length_finish(told.as_deref())).await;
            send_end(way, usage).await;
            ContinuationOutcome::Completed
        }
        ResumeOutcome::Continued(opened) => {
            *leg = *opened;
            let joiner = Box::new(Splicer::new(broken, spent));
            let mut through = Some(Continuation::Splicing(joiner));
            way.client_encoder().start_continuation(run.bodies.body_for_target(&leg.target).ok().as_ref());
            let ended = pump_stream(way, leg, &mut through).await;
            let AnswerContent::Stream(stream) = &leg.content else {
                return ContinuationOutcome::NotContinued;
            };
            let second = measure_usage(run, &stream.reader);
            let usage = spent.combined_usage(Some(&second));
            run.tracker.record_client_usage(Some(usage));
            run.tracker.amend_at(tries.saturating_sub(1), |attempt| {
                attempt.usage = Some(spent.first_usage(Some(&second)));
            });
            match ended {
                Ok(()) => {
                    send_end(way, usage).await;
                    ContinuationOutcome::Completed
                }
                Err(second) => {
                    // What was held back of its text is more of the first's.
                    let leftover = through
                        .map(|mut through| through.process(second.withheld_text).0)
                        .unwrap_or_default();
                    ContinuationOutcome::Interrupted(InterruptedStream { withheld_text: leftover, ..second })
                }
            }
        }
    }
}

/// Ends an answer that went on, where the end of a chat stream is none.
async fn send_end(way: &StreamContext, usage: TokenUsage) {
    let end = way.client_encoder().encode_end(usage);
    if !end.is_empty() {
        way.slot.put(StreamItem::Data(end)).await;
    }
}

/// Where the head had to go out early, model and attempts stand in a last comment.
pub(super) async fn send_comment(way: &StreamContext, model: Option<&str>) {
    let StreamContext { execution: run, slot: pieces, .. } = way;
    if !way.is_head_early.load(Ordering::Relaxed) {
        return;
    }
    let model = encode_header_value(model.unwrap_or("none"));
    let attempts = render_attempts_header(&run.tracker.attempts());
    let text = format!(": x-moonrelay-model: {model}\n: x-moonrelay-attempts: {attempts}\n\n");
    pieces.put(StreamItem::Data(text.into())).await;
}
