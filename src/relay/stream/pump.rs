//! One stream's events on their way to the client.

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Piece, Way};
use crate::dialect::answer::Step;
use crate::failure::Failure;
use crate::record::Outcome;
use crate::relay::attempt::{Content, OpenStream, Opened, Run};
use crate::relay::clock::Clock;
use crate::relay::continuation::{Through, estimate};
use crate::relay::count::prompt_of;
use crate::wire::edit::Segments;
use crate::wire::usage::Usage;

/// A stream that broke.
pub(super) struct Broke {
    pub(super) failure: Failure,
    /// For the client, where the answer ends here.
    pub(super) leftover: Segments,
    /// Who broke off.
    pub(super) reference: String,
}

/// Passes events on until the end, and tells target and record how it ended.
pub(super) async fn pump(way: &Way, leg: &mut Opened, through: &mut Through) -> Result<(), Broke> {
    let run = &way.run;
    let Content::Stream(stream) = &mut leg.content else { return Ok(()) };
    let ended = match run.bodies.for_target(&leg.target) {
        Ok(said) => {
            way.speech().hear(leg.target.face, &said, prompt_of(run.bodies.own()));
            read(way, stream, through).await
        }
        // It was sent, so it was said.
        Err(failure) => Err(Break { failure, leftover: Segments::default(), is_astray: true }),
    };
    run.track.used(Some(stream.reader.meter().usage.unwrap_or_else(|| estimated(run, stream))));
    let Err(Break { failure, leftover, is_astray }) = ended else {
        leg.pass.succeeded();
        return Ok(());
    };
    // Nothing of it is wanted any more, and its provider may count it as a request under way.
    stream.bytes = Box::pin(futures_util::stream::empty());
    let failure = leg.target.scrub(failure);
    if !is_astray {
        leg.pass.failed(&failure, &run.settings.failover);
    }
    run.track.amend(|attempt| {
        attempt.outcome = Outcome::Failed(failure.reason);
        attempt.detail.clone_from(&failure.message);
    });
    Err(Broke { failure, leftover, reference: leg.reference.clone() })
}

/// What an answer used whose provider did not say.
pub(super) fn estimated(run: &Run, stream: &OpenStream) -> Usage {
    estimate(run.bodies.own().text.len(), stream.reader.volume())
}

/// How a stream broke.
struct Break {
    failure: Failure,
    /// What was held back of the text.
    leftover: Segments,
    /// It did not go on with the answer that it was asked to go on with; the target is well.
    is_astray: bool,
}

/// Reads a stream to its end.
async fn read(way: &Way, stream: &mut OpenStream, through: &mut Through) -> Result<(), Break> {
    let Way { run, pieces, .. } = way;
    let wants_usage = run.bodies.own().wants_usage() || way.speech().is_translated();
    let mut step = Step { out: std::mem::take(&mut stream.held), done: stream.done, ..Step::default() };
    loop {
        let said = way.speech().say(step.out);
        pass(said, through, pieces).await?;
        if let Some(failure) = step.failure {
            // Behind the finish nothing is missing but form.
            let usage = wants_usage.then(|| estimated(run, stream));
            let Some(end) = stream.reader.conclude(usage) else {
                let leftover = way.speech().say(step.leftover);
                return Err(Break { failure, leftover, is_astray: false });
            };
            let end = way.speech().say(end);
            send(pieces, through.pass(end).0).await;
            step.done = true;
        }
        if step.done {
            let usage = wants_usage.then(|| estimated(run, stream));
            let end = way.speech().end(usage);
            return pass(end, through, pieces).await;
        }
        let clock = Clock {
            started: Instant::now(),
            limit: run.settings.failover.idle,
            name: "failover.timeouts.idleSeconds",
            deadline: run.deadline,
        };
        let next = clock.run(stream.bytes.next()).await;
        let usage = wants_usage.then(|| estimated(run, stream));
        step = match next {
            Ok(Some(Ok(chunk))) => stream.reader.push(chunk),
            Ok(None) => stream.reader.end(usage),
            Ok(Some(Err(failure))) | Err(failure) => {
                let step = stream.reader.end(usage);
                Step { failure: step.failure.is_some().then_some(failure), ..step }
            }
        };
        run.track.used(stream.reader.meter().usage);
    }
}

/// Gives the client what it may have of these events.
async fn pass(said: Segments, through: &mut Through, pieces: &mpsc::Sender<Piece>) -> Result<(), Break> {
    let (out, astray) = through.pass(said);
    send(pieces, out).await;
    astray.map_or(Ok(()), |failure| Err(Break { failure, leftover: Segments::default(), is_astray: true }))
}

pub(super) async fn send(pieces: &mpsc::Sender<Piece>, out: Segments) {
    if !out.is_empty() {
        let _ = pieces.send(Piece::Data(out.to_bytes())).await;
    }
}
