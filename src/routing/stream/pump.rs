//! One stream's events on their way to the client.

use futures_util::StreamExt;
use tokio::time::Instant;

use super::joined::Joined;
use super::speech::{Speech, echo, encoder, with_names};
use super::{Piece, Way};
use crate::failure::{Failure, TimeoutKind};
use crate::future::yielded;
use crate::protocol::edit::Segments;
use crate::protocol::face::Face;
use crate::protocol::held::{Full, Room};
use crate::protocol::usage::Usage;
use crate::provider::answer::{Step, StreamReader, Volume};
use crate::record::Outcome;
use crate::routing::attempt::{Content, OpenStream, Opened, Run};
use crate::routing::clock::Repeated;
use crate::routing::continuation::{Through, estimate, lets_pass};
use crate::routing::count::prompt_of;
use crate::routing::held;
use crate::routing::plan::Target;

/// How often what is kept of an answer stands in memory when it ends: kept, and in the events that close text, part,
/// item and answer.
const ENDING: usize = 5;

/// A stream that broke.
pub(super) struct Broke {
    pub(super) failure: Failure,
    /// Text for the client, where the answer ends here; as chat.
    pub(super) leftover: Segments,
    /// Who broke off.
    pub(super) reference: String,
}

/// Passes events on until the end, and tells target and record how it ended. `through` is what they go through; where there
/// is nothing yet, what stands over an answer's first stream, made behind its first words.
pub(super) async fn pump(way: &Way, leg: &mut Opened, through: &mut Option<Through>) -> Result<(), Broke> {
    let run = &way.run;
    let Opened { content: Content::Stream(stream), target, .. } = leg else { return Ok(()) };
    let mut metered = Metered::of(run, &stream.reader);
    let ended = match run.bodies.for_target(target) {
        Ok(said) => {
            let own = run.bodies.own();
            // What goes on with an answer is joined to it as chat.
            let to = if matches!(through, Some(Through::Joiner(_))) { Face::Chat } else { own.face };
            let echo = || with_names(echo(run.request.id, own), &said);
            let speech = Speech::new(target.face, to, || encoder(to, echo(), prompt_of(own)));
            let mut passage = Passage { way, target, speech, through, room: run.room() };
            read(&mut passage, stream, &mut metered).await
        }
        // It was sent, so it was said.
        Err(failure) => Err(Break::by_us(failure)),
    };
    metered.read(&stream.reader);
    drop(metered);
    let Err(Break { failure, leftover, is_astray }) = ended else {
        leg.pass.succeeded();
        return Ok(());
    };
    // Nothing of it is wanted any more, and its provider may count it as a request under way.
    stream.bytes = Box::pin(futures_util::stream::empty());
    if !is_astray {
        leg.pass.failed(&failure, &run.settings.failover);
    }
    run.track.amend(|attempt| {
        attempt.outcome = Outcome::Failed(failure.reason);
        attempt.took = run.track.since(Instant::now()).saturating_sub(attempt.began);
        attempt.detail.clone_from(&failure.message);
        attempt.timeout = failure.timeout;
    });
    Err(Broke { failure, leftover, reference: leg.reference.clone() })
}

/// What an answer used: as its provider says, else as we count.
pub(super) fn used(run: &Run, reader: &StreamReader) -> Usage {
    reader.meter().usage.unwrap_or_else(|| estimate(run.bodies.prompt_tokens(), reader.volume()))
}

/// What was read of an answer until now. Dropped, it goes to the record: also when the client goes away in the middle.
struct Metered<'r> {
    run: &'r Run,
    told: Option<Usage>,
    said: Volume,
}

impl<'r> Metered<'r> {
    fn of(run: &'r Run, reader: &StreamReader) -> Self {
        Self { run, told: reader.meter().usage, said: reader.volume() }
    }

    fn read(&mut self, reader: &StreamReader) {
        (self.told, self.said) = (reader.meter().usage, reader.volume());
    }
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        let used = self.told.unwrap_or_else(|| estimate(self.run.bodies.prompt_tokens(), self.said));
        self.run.track.used(Some(used));
    }
}

/// How a stream broke.
struct Break {
    failure: Failure,
    /// What was held back of the text.
    leftover: Segments,
    /// The target is well: what it said does not go on with the answer, or there is no room for it here.
    is_astray: bool,
}

impl Break {
    fn by_us(failure: Failure) -> Self {
        Self { failure, leftover: Segments::default(), is_astray: true }
    }
}

/// Reads a stream to its end.
async fn read(
    passage: &mut Passage<'_>,
    stream: &mut OpenStream,
    metered: &mut Metered<'_>,
) -> Result<(), Break> {
    let Way { run, pieces, .. } = passage.way;
    let wants_usage = run.bodies.own().wants_usage() || passage.speech.is_translated();
    let told = |reader: &StreamReader| wants_usage.then(|| used(run, reader));
    let mut step = Step { out: std::mem::take(&mut stream.held), done: stream.done, ..Step::default() };
    let mut bytes = Joined::new(&mut stream.bytes);
    let mut idle = Repeated::new(run.settings.failover.idle, TimeoutKind::Idle, run.deadline);
    loop {
        passage.take(step.out, step.done).await?;
        if let Some(failure) = step.failure {
            // Behind the finish nothing is missing but form.
            let Some(end) = stream.reader.conclude(told(&stream.reader)) else {
                let leftover = passage.speech.leave(step.leftover);
                return Err(Break { failure, leftover, is_astray: false });
            };
            let end = passage.speech.say(end);
            passage.pass(end).await?;
            step.done = true;
        }
        if step.done {
            return passage.end(told(&stream.reader)).await;
        }
        // First the client gets what there is: more of it is joined only with what is waiting then.
        pieces.taken().await;
        let next = match idle.run(bytes.next()).await {
            // What had come when the clock ran out counts.
            Err(late) => bytes.in_hand().map(|held| Some(Ok(held))).ok_or(late),
            next => next,
        };
        let broke = match next {
            Ok(Some(Ok(chunk))) => {
                step = stream.reader.push(chunk);
                metered.read(&stream.reader);
                continue;
            }
            Ok(Some(Err(failure))) | Err(failure) => Some(failure),
            Ok(None) => None,
        };
        let usage = told(&stream.reader);
        let end = stream.reader.end(usage);
        metered.read(&stream.reader);
        step = Step { failure: end.failure.map(|failure| broke.unwrap_or(failure)), ..end };
    }
}

/// What events go through between a stream and its client.
struct Passage<'p> {
    way: &'p Way,
    /// Who answers.
    target: &'p Target,
    speech: Speech,
    through: &'p mut Option<Through>,
    /// For what the speech keeps.
    room: Room,
}

impl Passage<'_> {
    /// Gives the client what it may have of a target's next events. Of an answer's first ones nothing is learned before it
    /// has them, where none is held back; one that `is_done` with them is at once known to be.
    async fn take(&mut self, out: Segments, is_done: bool) -> Result<(), Break> {
        let said = self.speech.say(out);
        held::keep(&mut self.room, self.speech.kept()).map_err(|Full| Break::by_us(held::full()))?;
        let Way { run, pieces, .. } = self.way;
        if self.through.is_some() || is_done || !lets_pass(run.request.face, &said) {
            return self.pass(said).await;
        }
        self.send(said.clone()).await?;
        pieces.taken().await;
        // hyper writes what it has before it asks again.
        yielded().await;
        let length = said.len();
        let (out, _) = self.through().pass(said);
        debug_assert_eq!(out.len(), length, "what the client has was held back");
        Ok(())
    }

    fn through(&mut self) -> &mut Through {
        let Self { way, target, .. } = self;
        self.through.get_or_insert_with(|| way.run.guard(target))
    }

    /// The end of an answer that is complete.
    async fn end(&mut self, usage: Option<Usage>) -> Result<(), Break> {
        // The events that end it say all of it again.
        self.room.resize(ENDING * self.speech.kept()).map_err(|Full| Break::by_us(held::full()))?;
        let end = self.speech.end(usage);
        self.pass(end).await
    }

    /// Gives the client what it may have of these events, which are in its face.
    async fn pass(&mut self, said: Segments) -> Result<(), Break> {
        let (out, astray) = self.through().pass(said);
        self.send(out).await?;
        astray.map_or(Ok(()), |failure| Err(Break::by_us(failure)))
    }

    async fn send(&self, out: Segments) -> Result<(), Break> {
        send(self.way, out).await.map_err(|Full| Break::by_us(held::full()))
    }
}

/// Gives the client these events.
pub(super) async fn send(way: &Way, out: Segments) -> Result<(), Full> {
    let out = way.outlet().pass(out)?;
    if !out.is_empty() {
        way.pieces.put(Piece::Data(out.to_bytes())).await;
    }
    Ok(())
}
