//! Streamed answers, whatever face they come over.

use std::fmt::Debug;

use bytes::Bytes;

use super::chat::ChatStream;
use super::intake::Intake;
use super::messages::MessagesStream;
use super::output::Output;
use super::refusal::{self, NOT_JSON, server};
use super::responses::ResponsesStream;
use super::{Meter, Step, Volume};
use crate::failure::Failure;
use crate::protocol::edit::Segments;
use crate::protocol::face::Face;
use crate::protocol::object::Object;
use crate::protocol::pattern::{Found, Pattern};
use crate::protocol::sse::Frame;
use crate::protocol::usage::Usage;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

/// Reads one streamed answer.
///
/// Frames that need no change go on byte for byte. A finish without anything before it is kept back until the stream
/// ends: an empty answer is a failure, and the client must not have seen its finish.
#[derive(Debug)]
pub struct StreamReader {
    intake: Intake,
    reading: Box<dyn Reading>,
    /// The answer's end, the body's or a failure was read.
    closed: bool,
}

/// What differs between the faces.
pub(super) trait Reading: Debug + Send + Sync {
    /// Takes one frame.
    ///
    /// # Errors
    /// When the answer failed here.
    fn take(&mut self, frame: &Frame, out: &mut Output) -> Result<Flow, Failure>;

    /// What most frames look like, as far as it is known.
    fn pattern(&self) -> Option<&Pattern> {
        None
    }

    /// Takes a frame that looks so, where nothing but its text has to be known; tells whether it did.
    fn take_alike(&mut self, _frame: &Found, _out: &mut Output) -> bool {
        false
    }

    /// The body ended before the answer's own end: adds what is missing.
    ///
    /// # Errors
    /// When the answer may not end here.
    fn end(&mut self, usage: Option<Usage>, out: &mut Output) -> Result<(), Failure>;

    /// See [`StreamReader::conclude`].
    fn conclude(&self, usage: Option<Usage>) -> Option<Segments>;

    /// The answer failed: gives text that was held back, and forgets what was.
    fn give_up(&mut self) -> Segments;

    fn volume(&self) -> Volume;

    fn meter(&self) -> &Meter;
}

/// What a frame of a face with named events holds.
pub(super) enum Told<'p> {
    /// No event of the answer; a comment has gone on.
    Nothing,
    /// `data: [DONE]`, which neither of these faces has, and some servers send.
    Done,
    /// An event: its text, and what that says.
    Event(&'p Bytes, Object<'p>),
}

/// Reads a frame of the Messages or the Responses face; `payload` is its data.
///
/// # Errors
/// When it tells an error, or is no JSON.
pub(super) fn told<'p>(
    classifier: &Classifier,
    frame: &Frame,
    payload: Option<&'p Bytes>,
    out: &mut Output,
) -> Result<Told<'p>, Failure> {
    let Some(payload) = payload else {
        // A comment is no event. An event without data is nothing that an SDK could parse.
        if frame.event().is_none() {
            let events = out.step.frames;
            out.pass(frame);
            out.step.frames = events;
        }
        return Ok(Told::Nothing);
    };
    let text = payload.trim_ascii();
    if text.is_empty() {
        return Ok(Told::Nothing);
    }
    if text.starts_with(b"[DONE]") {
        return Ok(Told::Done);
    }
    if frame.event().is_some_and(|event| &*event == b"error") {
        return Err(refusal::of(classifier, payload));
    }
    let event = Object::whole(payload).map_err(|_| server(NOT_JSON))?;
    if event.word("type") == "error" || refusal::is_in(&event) {
        return Err(refusal::of(classifier, payload));
    }
    Ok(Told::Event(payload, event))
}

/// Whether more follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    Done,
}

impl StreamReader {
    /// At the start of an answer of a provider that was asked over this face; errors in it go through the classifier.
    #[must_use]
    pub fn new(classifier: Classifier, face: Face, plan: AnswerPlan) -> Self {
        let reading: Box<dyn Reading> = match face {
            Face::Chat => Box::new(ChatStream::new(classifier.clone(), plan)),
            Face::Messages => Box::new(MessagesStream::new(classifier.clone(), plan)),
            Face::Responses => Box::new(ResponsesStream::new(classifier.clone(), plan)),
        };
        Self { intake: Intake::new(classifier), reading, closed: false }
    }

    /// Takes bytes as they were read. After `done` or a failure nothing is read any more.
    pub fn push(&mut self, chunk: Bytes) -> Step {
        let mut out = Output::new(chunk.clone());
        if !self.closed
            && let Err(failure) = self.read(chunk, &mut out)
        {
            self.fail(failure, &mut out);
        }
        self.close(out)
    }

    /// The upstream closed. A stream that closed without a finish is [`crate::failure::Reason::Truncated`]; of one that
    /// did finish, what is missing is added: chat's usage, which the client gets as `usage` has it where the provider
    /// never told it, and `[DONE]`; of messages `message_stop`. Without `usage` there is none to add.
    pub fn end(&mut self, usage: Option<Usage>) -> Step {
        let mut out = Output::new(Bytes::new());
        if !self.closed
            && let Err(failure) = self.read_end(usage, &mut out)
        {
            self.fail(failure, &mut out);
        }
        self.closed = true;
        self.close(out)
    }

    /// After a failure behind the finish: what is missing of the end, as [`Self::end`] has it. `None` when no finish
    /// went out, or that of another choice is missing; over responses, where finish and end are one, always.
    #[must_use]
    pub fn conclude(&self, usage: Option<Usage>) -> Option<Segments> {
        self.reading.conclude(usage)
    }

    /// How much was read so far.
    #[must_use]
    pub fn volume(&self) -> Volume {
        self.reading.volume()
    }

    /// What was learned so far.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        self.reading.meter()
    }

    fn close(&self, out: Output) -> Step {
        let mut step = out.finish();
        step.done = self.closed && step.failure.is_none();
        step
    }

    fn fail(&mut self, failure: Failure, out: &mut Output) {
        self.closed = true;
        out.step.leftover = self.reading.give_up();
        out.step.failure = Some(failure);
    }

    fn read(&mut self, bytes: Bytes, out: &mut Output) -> Result<(), Failure> {
        self.intake.feed(bytes)?;
        loop {
            while let Some(frame) = self.reading.pattern().and_then(|pattern| self.intake.alike(pattern))
                && self.reading.take_alike(&frame, out)
            {
                self.intake.skip(&frame);
            }
            let Some(frame) = self.intake.next_frame()? else { break };
            if self.reading.take(&frame, out)? == Flow::Done {
                self.closed = true;
                break;
            }
        }
        Ok(())
    }

    fn read_end(&mut self, usage: Option<Usage>, out: &mut Output) -> Result<(), Failure> {
        if let Some(frame) = self.intake.end()?
            && self.reading.take(&frame, out)? == Flow::Done
        {
            return Ok(());
        }
        self.reading.end(usage, out)
    }
}
