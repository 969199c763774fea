//! The course of a streamed request: the first answer, its events, the rest of it where it broke off, its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Piece;
use super::pump::{Broke, estimated, pump, send};
use crate::failure::Reason;
use crate::record::{Attempt, attempt_lines, attempts_header, header_text};
use crate::relay::attempt::{Content, Opened, Run};
use crate::relay::continuation::{Broken, Joiner, Spent, Through};
use crate::relay::resume::Resumed;
use crate::wire::error::ErrorBody;
use crate::wire::face::Face;

/// After its last event an upstream closes at once; the wait for that lets its connection be used again.
const CLOSING: Duration = Duration::from_millis(50);

/// The whole request, piece by piece. A send fails only when the body is gone, and then nobody polls this.
pub(super) async fn drive(run: Arc<Run>, late: Arc<AtomicBool>, pieces: mpsc::Sender<Piece>) {
    let mut leg = match run.first_answer().await {
        Ok(opened) => opened,
        Err(refusal) => {
            let _ = pieces.send(Piece::Refused(refusal)).await;
            return comment(&run, None, &late, &pieces).await;
        }
    };
    let headers = std::mem::take(&mut leg.headers);
    let _ = pieces.send(Piece::Begun { model: leg.reference.clone(), headers }).await;
    let mut through = run.guard(&leg.target);
    let mut ended = pump(&run, &mut leg, &mut through, &pieces).await;
    if let Err(broke) = &ended
        && let Through::Guard(guard) = through
        && let Some(broken) = guard.broke()
    {
        match resume(&run, &mut leg, broke, broken, &late, &pieces).await {
            Ended::Well => ended = Ok(()),
            Ended::Broken(second) => ended = Err(second),
            Ended::AsItWas => {}
        }
    }
    if let Err(Broke { failure, leftover, reference }) = &ended {
        send(&pieces, leftover.clone()).await;
        run.track.failed(failure.reason);
        let message = format!("{reference} broke off: {}", failure.message);
        let _ = pieces.send(Piece::Data(error_event(&message, failure.reason, &run.track.attempts()))).await;
    }
    comment(&run, Some(&leg.reference), &late, &pieces).await;
    run.track.finished();
    if let (Ok(()), Content::Stream(stream)) = (&ended, &mut leg.content) {
        let _ = timeout(CLOSING, stream.bytes.next()).await;
    }
}

/// What became of the rest of an answer.
enum Ended {
    Well,
    /// It broke too.
    Broken(Broke),
    /// Nobody went on: the first failure is the one to tell of.
    AsItWas,
}

/// Goes on with an answer on another leg.
async fn resume(
    run: &Run,
    leg: &mut Opened,
    broke: &Broke,
    broken: Broken,
    late: &AtomicBool,
    pieces: &mpsc::Sender<Piece>,
) -> Ended {
    let Content::Stream(stream) = &leg.content else { return Ended::AsItWas };
    let (meter, said) = (stream.reader.meter(), stream.reader.volume());
    let spent = Spent::new(meter, said, broken.prefill().len(), run.bodies.own().text.len());
    let tries = run.track.attempts().len();
    let resumed = run.resume(&leg.target, &broke.failure, &broken, &spent).await;
    if run.track.attempts().len() > tries {
        // The head told of the first try only.
        late.store(true, Ordering::Relaxed);
    }
    run.track.amend_at(tries.saturating_sub(1), |attempt| attempt.usage = Some(spent.first(None)));
    match resumed {
        Resumed::Nowhere => Ended::AsItWas,
        Resumed::AtItsLimit => {
            let usage = spent.joined(None);
            run.track.told(Some(usage));
            let told = run.bodies.own().wants_usage().then(|| usage.to_json(Face::Chat));
            send(pieces, broken.end_with_length(told.as_deref())).await;
            Ended::Well
        }
        Resumed::By(opened) => {
            *leg = *opened;
            let mut through = Through::Joiner(Box::new(Joiner::new(broken, spent)));
            let ended = pump(run, leg, &mut through, pieces).await;
            if let Content::Stream(stream) = &leg.content {
                let second = stream.reader.meter().usage.unwrap_or_else(|| estimated(run, stream));
                run.track.told(Some(spent.joined(Some(&second))));
                run.track.amend_at(tries.saturating_sub(1), |attempt| {
                    attempt.usage = Some(spent.first(Some(&second)));
                });
            }
            match ended {
                Ok(()) => Ended::Well,
                Err(second) => {
                    // What was held back of its text is more of the first's.
                    let leftover = through.pass(second.leftover).0;
                    Ended::Broken(Broke { leftover, ..second })
                }
            }
        }
    }
}

/// The last events of a stream that failed.
pub(super) fn error_event(message: &str, reason: Reason, attempts: &[Attempt]) -> Bytes {
    let lines = attempt_lines(attempts);
    ErrorBody {
        message,
        kind: reason.as_str(),
        code: Some(reason.as_str()),
        attempts: &lines,
        ..ErrorBody::default()
    }
    .stream_end()
}

/// Where the head had to go out early, model and attempts stand in a last comment.
pub(super) async fn comment(run: &Run, model: Option<&str>, late: &AtomicBool, pieces: &mpsc::Sender<Piece>) {
    if !late.load(Ordering::Relaxed) {
        return;
    }
    let model = header_text(model.unwrap_or("none"));
    let attempts = attempts_header(&run.track.attempts());
    let text = format!(": x-moonrelay-model: {model}\n: x-moonrelay-attempts: {attempts}\n\n");
    let _ = pieces.send(Piece::Data(text.into())).await;
}
