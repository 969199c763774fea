//! The course of a streamed request: the first answer, its events, the rest of it where it broke off, its end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use super::pump::{Broke, pump, send, used};
use super::{Piece, Way};
use crate::future::boxed;
use crate::protocol::face::Face;
use crate::protocol::usage::Usage;
use crate::record::{attempts_header, header_text};
use crate::routing::attempt::{Content, Opened};
use crate::routing::continuation::{Broken, Joiner, Spent, Through};
use crate::routing::resume::Resumed;

/// After its last event an upstream closes at once; the wait for that lets its connection be used again.
const CLOSING: Duration = Duration::from_millis(50);

/// The whole request, piece by piece.
pub(super) async fn drive(way: &Way) {
    let Way { run, pieces, .. } = way;
    // Boxed, here and below: what only the beginning and a break need is not kept while the answer runs.
    let begun = boxed(|| run.first_answer()).await.map_err(Box::new);
    let mut leg = match begun {
        Ok(opened) => opened,
        Err(refusal) => {
            pieces.put(Piece::Refused(refusal)).await;
            return comment(way, None).await;
        }
    };
    let headers = Box::new(std::mem::take(&mut leg.headers));
    pieces.put(Piece::Begun { model: leg.reference.clone(), headers }).await;
    let mut through = None;
    let mut ended = pump(way, &mut leg, &mut through).await;
    if let Err(broke) = &ended
        && let Some(Through::Guard(guard)) = through
        && way.outlet().can_go_on()
        && let Some(broken) = guard.broke()
    {
        match Box::pin(resume(way, &mut leg, broke, broken)).await {
            Ended::Well => ended = Ok(()),
            Ended::Broken(second) => ended = Err(second),
            Ended::AsItWas => {}
        }
    }
    if let Err(Broke { failure, leftover, reference }) = &ended {
        if !leftover.is_empty() {
            way.outlet().go_on(None);
            // Without room it is not said.
            let _ = send(way, leftover.clone()).await;
        }
        run.track.failed(failure.reason);
        let message = format!("{reference} broke off: {}", failure.message);
        let end = way.outlet().fail(&message, failure.reason, &run.track.attempts(), true);
        pieces.put(Piece::Data(end)).await;
    }
    comment(way, Some(&leg.reference)).await;
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
async fn resume(way: &Way, leg: &mut Opened, broke: &Broke, broken: Broken) -> Ended {
    let Way { run, late, .. } = way;
    let Content::Stream(stream) = &leg.content else { return Ended::AsItWas };
    let (meter, said) = (stream.reader.meter(), stream.reader.volume());
    let spent = Spent::new(meter, said, broken.prefill().len(), run.bodies.prompt_tokens());
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
            way.outlet().go_on(None);
            // One finish takes no room.
            let _ = send(way, broken.end_with_length(told.as_deref())).await;
            end(way, usage).await;
            Ended::Well
        }
        Resumed::By(opened) => {
            *leg = *opened;
            let joiner = Box::new(Joiner::new(broken, spent));
            let mut through = Some(Through::Joiner(joiner));
            way.outlet().go_on(run.bodies.for_target(&leg.target).ok().as_ref());
            let ended = pump(way, leg, &mut through).await;
            let Content::Stream(stream) = &leg.content else { return Ended::AsItWas };
            let second = used(run, &stream.reader);
            let usage = spent.joined(Some(&second));
            run.track.told(Some(usage));
            run.track.amend_at(tries.saturating_sub(1), |attempt| {
                attempt.usage = Some(spent.first(Some(&second)));
            });
            match ended {
                Ok(()) => {
                    end(way, usage).await;
                    Ended::Well
                }
                Err(second) => {
                    // What was held back of its text is more of the first's.
                    let leftover =
                        through.map(|mut through| through.pass(second.leftover).0).unwrap_or_default();
                    Ended::Broken(Broke { leftover, ..second })
                }
            }
        }
    }
}

/// Ends an answer that went on, where the end of a chat stream is none.
async fn end(way: &Way, usage: Usage) {
    let end = way.outlet().end(usage);
    if !end.is_empty() {
        way.pieces.put(Piece::Data(end)).await;
    }
}

/// Where the head had to go out early, model and attempts stand in a last comment.
pub(super) async fn comment(way: &Way, model: Option<&str>) {
    let Way { run, pieces, .. } = way;
    if !way.late.load(Ordering::Relaxed) {
        return;
    }
    let model = header_text(model.unwrap_or("none"));
    let attempts = attempts_header(&run.track.attempts());
    let text = format!(": x-moonrelay-model: {model}\n: x-moonrelay-attempts: {attempts}\n\n");
    pieces.put(Piece::Data(text.into())).await;
}
