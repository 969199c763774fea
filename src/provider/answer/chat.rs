//! Streamed chat answers.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::leak::{LeakFilter, LeakedCall, Piece, may_leak};
use super::output::{self, Output};
use super::refusal::{self, EMPTY, NOT_JSON, server, truncated};
use super::stream::{Flow, Reading};
use super::{Meter, Volume, length};
use crate::catalog::DialectId;
use crate::failure::Failure;
use crate::protocol::alike::{Alike, Lone};
use crate::protocol::chunk::{Choice, Chunk};
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::pattern::{Found, Pattern};
use crate::protocol::sse::{DONE, Frame};
use crate::protocol::usage::Usage;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

mod calls;
mod delta;
mod whole;

pub(super) use whole::whole;

/// Reads one streamed answer.
#[derive(Debug)]
pub(super) struct ChatStream {
    classifier: Classifier,
    plan: AnswerPlan,
    meter: Meter,
    /// The choices that have begun, by index, and whether their `finish_reason` was read.
    choices: BTreeMap<u64, bool>,
    /// A role went out.
    named: bool,
    /// Content, reasoning, a tool call or a refusal was read.
    has_substance: bool,
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
    alike: Alike,
}

impl ChatStream {
    /// At the start of an answer.
    pub(super) fn new(classifier: Classifier, plan: AnswerPlan) -> Self {
        Self {
            classifier,
            plan,
            meter: Meter::default(),
            choices: BTreeMap::new(),
            named: false,
            has_substance: false,
            withheld: None,
            leak: LeakFilter::default(),
            held_from: Bytes::new(),
            next_call: 0,
            first_leaked: 0,
            leaked: 0,
            volume: Volume::default(),
            finish: None,
            told_usage: false,
            alike: Alike::default(),
        }
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
            if keeps == Keeps::Substance && !finishes {
                self.alike.learn(frame, Lone::of_chunk(payload, chunk).as_ref());
            }
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
        self.classifier.dialect() == DialectId::OpenRouter
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

impl Reading for ChatStream {
    fn take(&mut self, frame: &Frame, out: &mut Output) -> Result<Flow, Failure> {
        let Some(payload) = frame.data() else {
            // A comment is no event: a provider that thinks for long sends hundreds before its answer begins.
            let events = out.step.frames;
            self.pass(frame, out);
            out.step.frames = events;
            return Ok(Flow::On);
        };
        let text = payload.trim_ascii();
        if text.is_empty() {
            // The SDKs parse whatever stands in a data line, and stumble over nothing.
            return Ok(Flow::On);
        }
        if text.starts_with(b"[DONE]") {
            self.check_end()?;
            out.pass(frame);
            return Ok(Flow::Done);
        }
        if !frame.raw.starts_with(b"data:") && frame.event().is_some_and(|event| &*event == b"error") {
            return Err(refusal::of(&self.classifier, &payload));
        }
        let chunk = refusal::parse(&payload)?;
        if let Some(failure) = refusal::in_chunk(&self.classifier, &payload, &chunk) {
            return Err(failure);
        }
        self.meter.read(&payload, &chunk);
        self.volume.read(&payload, &chunk);
        self.take_chunk(frame, &payload, &chunk, out)?;
        Ok(Flow::On)
    }

    fn pattern(&self) -> Option<&Pattern> {
        self.alike.pattern()
    }

    fn take_alike(&mut self, frame: &Found, out: &mut Output) -> bool {
        let passes = self.leak.is_idle() && self.withheld.is_none();
        passes && out.take_alike(frame, &mut self.alike, &mut self.volume, self.plan.offers_tools)
    }

    fn end(&mut self, usage: Option<Usage>, out: &mut Output) -> Result<(), Failure> {
        self.check_end()?;
        let whole = || Segments::whole(Bytes::from_static(DONE));
        out.put(self.conclude(usage).unwrap_or_else(whole), 1);
        Ok(())
    }

    fn conclude(&self, usage: Option<Usage>) -> Option<Segments> {
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

    fn give_up(&mut self) -> Segments {
        self.withheld = None;
        let held = self.leak.flush();
        if held.is_empty() {
            return Segments::default();
        }
        let payload = std::mem::take(&mut self.held_from);
        delta::text_like(&payload, &held)
    }

    fn volume(&self) -> Volume {
        self.volume
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl Meter {
    fn read(&mut self, text: &[u8], chunk: &Chunk) {
        if self.model.is_none() {
            self.model = chunk.model(text);
        }
        if let Some(finish) = chunk.finish(text) {
            self.finish = Some(finish);
        }
        // A later figure replaces an earlier one: Moonshot tells it twice, in a choice and then at the top.
        if let Some(usage) = chunk.usage(text) {
            self.usage = Some(usage);
        }
    }
}

impl Volume {
    fn read(&mut self, text: &[u8], chunk: &Chunk) {
        for choice in &chunk.choice {
            self.reasoning += length(text, choice.reasoning.as_ref());
            self.text += length(text, choice.content.as_ref());
            self.calls += length(text, choice.tool_calls.as_ref());
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
