//! Streamed answers.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::delta;
use super::leak::{LeakFilter, LeakedCall, Piece, may_leak};
use super::output::{self, Output};
use super::{Meter, Step, Volume, calls, refusal};
use crate::catalog::DialectId;
use crate::dialect::rewrite::AnswerPlan;
use crate::failure::{Failure, Reason};
use crate::wire::chunk::{Choice, Chunk};
use crate::wire::edit::{Edits, Segments};
use crate::wire::sse::{DONE, Frame, FrameReader};
use crate::wire::usage::Usage;

/// A body that is no event stream is read up to here, in bytes, for the error that it may hold.
const MAX_BODY: usize = 256 << 10;

/// Reads one streamed answer.
///
/// Frames that need no change go on byte for byte. A finish without anything before it is kept back until the stream
/// ends: an empty answer is a failure, and the client must not have seen its finish.
#[derive(Debug)]
pub struct StreamReader {
    dialect: DialectId,
    plan: AnswerPlan,
    meter: Meter,
    frames: FrameReader,
    opening: Opening,
    /// The choices that have begun, by index, and whether their `finish_reason` was read.
    choices: BTreeMap<u64, bool>,
    /// A role went out.
    named: bool,
    /// Content, reasoning, a tool call or a refusal was read.
    has_substance: bool,
    /// `[DONE]`, the end or a failure was read.
    closed: bool,
    /// The finish of an answer that is empty so far, and the frames after it.
    withheld: Option<(Segments, usize)>,
    leak: LeakFilter,
    /// The chunk whose text is held back.
    held_from: Bytes,
    /// The number of the next tool call that is found in text.
    next_call: usize,
    /// The number of the first one that was.
    first_leaked: usize,
    /// How many were.
    leaked: usize,
    volume: Volume,
    /// The chunk with the finish, once it went out.
    finish: Option<Bytes>,
    /// A chunk with the usage went out after it.
    told_usage: bool,
}

/// What the first bytes tell of the body.
#[derive(Debug)]
enum Opening {
    /// Nothing but white space came.
    Unknown,
    Events,
    /// A JSON body, although a stream was asked for.
    Json(Vec<u8>),
}

impl StreamReader {
    /// At the start of an answer.
    #[must_use]
    pub fn new(dialect: DialectId, plan: AnswerPlan) -> Self {
        Self {
            dialect,
            plan,
            meter: Meter::default(),
            frames: FrameReader::new(),
            opening: Opening::Unknown,
            choices: BTreeMap::new(),
            named: false,
            has_substance: false,
            closed: false,
            withheld: None,
            leak: LeakFilter::default(),
            held_from: Bytes::new(),
            next_call: 0,
            first_leaked: 0,
            leaked: 0,
            volume: Volume::default(),
            finish: None,
            told_usage: false,
        }
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

    /// The upstream closed. A stream that closed without a finish is [`Reason::Truncated`]; of one that did finish,
    /// what is missing is added: the usage, which the client gets as `usage` has it where the provider never told it,
    /// and `[DONE]`. Without `usage` there is none to add.
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
    /// went out, or that of another choice is missing.
    pub fn conclude(&self, usage: Option<Usage>) -> Option<Segments> {
        let finish = self.finish.as_ref().filter(|_| self.is_finished())?;
        let mut out = Segments::default();
        if let Some(usage) = self.meter.usage.or(usage).filter(|_| usage.is_some())
            && !self.told_usage
            && !self.plan.hide_usage
        {
            out.append(delta::usage_like(finish, &usage));
        }
        out.push(Bytes::from_static(DONE));
        Some(out)
    }

    /// How much was read so far.
    #[must_use]
    pub const fn volume(&self) -> Volume {
        self.volume
    }

    /// What was learned so far.
    #[must_use]
    pub const fn meter(&self) -> &Meter {
        &self.meter
    }

    fn close(&self, out: Output) -> Step {
        let mut step = out.finish();
        step.done = self.closed && step.failure.is_none();
        step
    }

    fn fail(&mut self, failure: Failure, out: &mut Output) {
        self.closed = true;
        self.withheld = None;
        let held = self.leak.flush();
        if !held.is_empty() {
            let payload = std::mem::take(&mut self.held_from);
            out.step.leftover = delta::text_like(&payload, &held);
        }
        out.step.failure = Some(failure);
    }

    fn read(&mut self, bytes: Bytes, out: &mut Output) -> Result<(), Failure> {
        if let Opening::Unknown = self.opening {
            self.opening = opening(&bytes)?;
        }
        if let Opening::Json(body) = &mut self.opening {
            body.extend_from_slice(&bytes);
            return refusal::of_whole_body(self.dialect, body, body.len() > MAX_BODY);
        }
        self.frames.feed(bytes);
        while let Some(frame) = self.frames.next_frame().map_err(|error| server(&error.to_string()))? {
            self.take(&frame, out)?;
            if self.closed {
                break;
            }
        }
        Ok(())
    }

    fn read_end(&mut self, usage: Option<Usage>, out: &mut Output) -> Result<(), Failure> {
        if let Opening::Json(body) = &self.opening {
            return refusal::of_whole_body(self.dialect, body, true);
        }
        if let Some(frame) = self.frames.end() {
            let payload = frame.data().unwrap_or_default();
            if payload.starts_with(b"{") && !frame.terminated && refusal::parse(&payload).is_err() {
                return Err(truncated("the answer broke off inside an event"));
            }
            self.take(&frame, out)?;
        }
        if !self.closed {
            self.check_end()?;
            let whole = || Segments::whole(Bytes::from_static(DONE));
            out.put(self.conclude(usage).unwrap_or_else(whole), 1);
        }
        Ok(())
    }

    /// Every choice that has begun has its finish.
    fn is_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.values().all(|finished| *finished)
    }

    /// Whether the answer may end here.
    fn check_end(&self) -> Result<(), Failure> {
        if !self.is_finished() {
            return Err(truncated("the answer ended without a finish_reason"));
        }
        if self.withheld.is_some() {
            return Err(server(EMPTY));
        }
        Ok(())
    }

    fn take(&mut self, frame: &Frame, out: &mut Output) -> Result<(), Failure> {
        let Some(payload) = frame.data() else {
            // A comment is no event: a provider that thinks for long sends hundreds before its answer begins.
            let events = out.step.frames;
            self.pass(frame, out);
            out.step.frames = events;
            return Ok(());
        };
        let text = payload.trim_ascii();
        if text.is_empty() {
            // The SDKs parse whatever stands in a data line, and stumble over nothing.
            return Ok(());
        }
        if text.starts_with(b"[DONE]") {
            self.check_end()?;
            self.closed = true;
            out.pass(frame);
            return Ok(());
        }
        if !frame.raw.starts_with(b"data:") && frame.event().is_some_and(|event| &*event == b"error") {
            return Err(refusal::of(self.dialect, &payload));
        }
        let chunk = refusal::parse(&payload)?;
        if let Some(failure) = refusal::in_chunk(self.dialect, &payload, &chunk) {
            return Err(failure);
        }
        self.meter.read(&payload, &chunk);
        self.volume.read(&payload, &chunk);
        self.take_chunk(frame, &payload, &chunk, out)
    }

    fn take_chunk(
        &mut self,
        frame: &Frame,
        payload: &Bytes,
        chunk: &Chunk,
        out: &mut Output,
    ) -> Result<(), Failure> {
        if self.take_usage(frame, payload, chunk, out) {
            return Ok(());
        }
        let finishes = chunk.choice.iter().any(|choice| choice.finish.is_some());
        self.told_usage |= chunk.usage.is_some();
        if chunk.has_substance() && !self.has_substance {
            self.has_substance = true;
            self.release(out);
        }
        for choice in chunk.choice.iter().filter(|choice| choice.has_substance() || choice.finish.is_some()) {
            *self.choices.entry(delta::index(payload, choice)).or_default() |= choice.finish.is_some();
        }
        let mut edits = Edits::new();
        calls::restore_names(payload, chunk, &self.plan, &mut edits).map_err(|_| server(NOT_JSON))?;
        let keeps = self.filter_text(payload, chunk, finishes, &mut edits, out);
        if finishes {
            if !self.has_substance && !self.plan.goes_on && delta::promises_substance(payload, chunk) {
                self.withheld.get_or_insert_default();
            }
            if self.withheld.is_none() {
                self.finish = Some(payload.clone());
            }
            if self.leaked > 0 {
                delta::finish_with_calls(payload, chunk, &mut edits);
                self.meter.finish = Some("tool_calls".to_owned());
            }
        }
        if keeps == Keeps::Nothing {
            return Ok(());
        }
        self.named |= chunk.choice.iter().any(|choice| choice.role.is_some());
        let speaks = keeps == Keeps::Substance || finishes;
        out.step.meaningful |= speaks && self.withheld.is_none();
        if edits.is_empty() {
            self.pass(frame, out);
        } else {
            self.put(output::edited(frame, payload, edits), 1, out);
        }
        Ok(())
    }

    /// Takes a chunk that only tells the usage, or repeats what was said beside it.
    fn take_usage(&mut self, frame: &Frame, payload: &Bytes, chunk: &Chunk, out: &mut Output) -> bool {
        let alone = chunk.usage.is_some() && chunk.choice.is_empty();
        if !alone && !self.is_closing(chunk) {
            return false;
        }
        if self.plan.hide_usage {
            return true;
        }
        self.told_usage = true;
        if alone {
            self.pass(frame, out);
            return true;
        }
        let mut edits = Edits::new();
        if let Some(choices) = &chunk.choices {
            edits.replace(choices.clone(), Bytes::from_static(b"[]"));
        }
        self.put(output::edited(frame, payload, edits), 1, out);
        true
    }

    /// OpenRouter's last chunk repeats role and finish beside the usage (observed streams, 2026-10).
    fn is_closing(&self, chunk: &Chunk) -> bool {
        self.dialect == DialectId::OpenRouter
            && self.is_finished()
            && chunk.usage.is_some()
            && !chunk.has_substance()
    }

    /// Looks for leaked calls in the content. What stands before the last piece of text goes out in chunks of its own.
    fn filter_text(
        &mut self,
        payload: &Bytes,
        chunk: &Chunk,
        finishes: bool,
        edits: &mut Edits,
        out: &mut Output,
    ) -> Keeps {
        let as_it_is = if chunk.has_substance() { Keeps::Substance } else { Keeps::Form };
        let [choice] = chunk.choice.as_slice() else { return as_it_is };
        if !self.plan.offers_tools || delta::index(payload, choice) != 0 {
            return as_it_is;
        }
        if let Some(calls) = &choice.tool_calls {
            let after = calls::renumber(payload, calls, self.first_leaked, self.leaked, edits);
            self.next_call = self.next_call.max(after);
        }
        let content = delta::text(payload, choice);
        let escaped = content.as_ref().map_or(&b""[..], |(_, escaped)| escaped);
        if self.leak.is_idle() && !may_leak(escaped) {
            return as_it_is;
        }
        let mut pieces = self.leak.push(escaped);
        if finishes {
            let rest = self.leak.flush();
            delta::add_text(&mut pieces, rest);
        }
        self.held_from = if self.leak.is_idle() { Bytes::new() } else { payload.clone() };
        let last = match pieces.pop() {
            Some(Piece::Text(text)) if content.is_some() => text,
            Some(other) => {
                pieces.push(other);
                Vec::new()
            }
            None => Vec::new(),
        };
        self.put_pieces(payload, pieces, out);
        let Some((place, escaped)) = content else { return as_it_is };
        let says_something = !last.is_empty();
        if last != escaped {
            edits.replace(place, [b"\"", &*last, b"\""].concat());
        }
        if says_something || choice.reasons || choice.speaks || choice.tool_calls.is_some() {
            Keeps::Substance
        } else if finishes || self.has_form(chunk, choice) {
            Keeps::Form
        } else {
            Keeps::Nothing
        }
    }

    /// Whether a chunk without text still says something of the answer. A role that was said already is nothing:
    /// OpenRouter repeats it in every chunk.
    const fn has_form(&self, chunk: &Chunk, choice: &Choice) -> bool {
        (choice.role.is_some() && !self.named) || choice.usage.is_some() || chunk.usage.is_some()
    }

    fn put_pieces(&mut self, payload: &Bytes, pieces: Vec<Piece>, out: &mut Output) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.put_text(payload, &text, out),
                Piece::Calls(found) => self.put_calls(payload, &found, out),
            }
        }
    }

    fn put_text(&mut self, payload: &Bytes, text: &[u8], out: &mut Output) {
        self.put(delta::text_like(payload, text), 1, out);
        out.step.meaningful = true;
    }

    fn put_calls(&mut self, payload: &Bytes, found: &[LeakedCall], out: &mut Output) {
        let rendered = calls::render(found, &self.plan, Some(self.next_call));
        if self.leaked == 0 {
            self.first_leaked = self.next_call;
        }
        self.next_call += found.len();
        self.leaked += found.len();
        let delta = [b"{\"tool_calls\":[", &*rendered, b"]}"].concat();
        self.put(delta::like(payload, delta), 1, out);
        out.step.meaningful = true;
    }

    /// What was kept back as a finish of nothing was not the end.
    fn release(&mut self, out: &mut Output) {
        if let Some((segments, frames)) = self.withheld.take() {
            out.put(segments, frames);
        }
    }

    fn pass(&mut self, frame: &Frame, out: &mut Output) {
        match &mut self.withheld {
            None => out.pass(frame),
            Some((segments, frames)) => {
                segments.append(output::whole(frame));
                *frames += 1;
            }
        }
    }

    fn put(&mut self, frame: Segments, count: usize, out: &mut Output) {
        match &mut self.withheld {
            None => out.put(frame, count),
            Some((segments, frames)) => {
                segments.append(frame);
                *frames += count;
            }
        }
    }
}

/// What is left of a chunk when held-back text is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    /// Something that a person would notice.
    Substance,
    /// A role, a finish, usage.
    Form,
    /// Nothing: it is not sent.
    Nothing,
}

/// The messages of failures that are decided here.
pub(super) const NOT_JSON: &str = "the answer was not JSON";
pub(super) const EMPTY: &str = "the answer was empty";

pub(super) fn server(message: &str) -> Failure {
    Failure { status: Some(200), ..Failure::new(Reason::Server, message) }
}

fn truncated(message: &str) -> Failure {
    Failure { status: Some(200), ..Failure::new(Reason::Truncated, message) }
}

/// An HTML page with status 200 comes from a proxy or a gateway's front, never from a model.
fn opening(bytes: &[u8]) -> Result<Opening, Failure> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf));
    match first {
        None => Ok(Opening::Unknown),
        Some(b'<') => Err(server(refusal::HTML)),
        Some(b'{') => Ok(Opening::Json(Vec::new())),
        Some(_) => Ok(Opening::Events),
    }
}
