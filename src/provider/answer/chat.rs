//! Streamed Chat Completions responses.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::body::{self, EMPTY_ANSWER, server_failure, truncated_failure};
use super::leak::{FilteredPiece, LeakFilter, LeakedCall, broken_section, may_leak};
use super::meter::{ContentBytes, Meter, decoded_length};
use super::output::{self, ApiStream, FinishGate, Output, StreamFlow};
use crate::catalog::AdapterId;
use crate::failure::Failure;
use crate::protocol::chat::chunk::{ChatChunk, ChunkChoice};
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::sse::{DONE, Frame};
use crate::protocol::usage::TokenUsage;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

mod chunks;
mod complete;

pub(super) use complete::read_complete;

#[derive(Debug)]
pub(super) struct ChatStream {
    classifier: Classifier,
    plan: AnswerPlan,
    meter: Meter,
    /// The started choices, by index, and whether their `finish_reason` was read.
    finished_choices: BTreeMap<u64, bool>,
    /// A role was sent.
    has_role: bool,
    /// Content, reasoning, a tool call or a refusal was read.
    has_content: bool,
    finish_gate: FinishGate,
    leak_filter: LeakFilter,
    /// Finds leaked calls in the reasoning.
    reasoning_filter: LeakFilter,
    /// Text, reasoning or calls were sent.
    has_sent_content: bool,
    /// The chunk whose text or reasoning is withheld.
    withheld_chunk: Bytes,
    /// The index of the next tool call found in text.
    next_call_index: usize,
    /// The index of the first call found in text.
    first_leaked_index: usize,
    /// The number of calls found in text.
    leaked_count: usize,
    content_bytes: ContentBytes,
    /// The chunk with the finish, once it was sent.
    finish_chunk: Option<Bytes>,
    /// A chunk with the usage was sent after it.
    has_sent_usage: bool,
}

impl ChatStream {
    pub(super) fn new(classifier: Classifier, plan: AnswerPlan) -> Self {
        Self {
            classifier,
            plan,
            meter: Meter::default(),
            finished_choices: BTreeMap::new(),
            has_role: false,
            has_content: false,
            finish_gate: FinishGate::default(),
            leak_filter: LeakFilter::default(),
            reasoning_filter: LeakFilter::default(),
            has_sent_content: false,
            withheld_chunk: Bytes::new(),
            next_call_index: 0,
            first_leaked_index: 0,
            leaked_count: 0,
            content_bytes: ContentBytes::default(),
            finish_chunk: None,
            has_sent_usage: false,
        }
    }

    /// Every started choice is finished.
    fn is_finished(&self) -> bool {
        !self.finished_choices.is_empty() && self.finished_choices.values().all(|finished| *finished)
    }

    /// Whether the response may end here.
    fn check_end(&self) -> Result<(), Failure> {
        if !self.is_finished() {
            return Err(truncated_failure("the response ended without a finish_reason"));
        }
        if self.finish_gate.is_closed() {
            return Err(server_failure(EMPTY_ANSWER));
        }
        Ok(())
    }

    fn process_chunk(
        &mut self,
        frame: &Frame,
        payload: &Bytes,
        chunk: &ChatChunk,
        out: &mut Output,
    ) -> Result<(), Failure> {
        if self.process_usage(frame, payload, chunk, out) {
            return Ok(());
        }
        let finishes = chunk.parsed_choices.iter().any(|choice| choice.finish_reason.is_some());
        self.has_sent_usage |= chunk.usage.is_some();
        if chunk.has_output() && !self.has_content {
            self.has_content = true;
            self.finish_gate.open(out);
        }
        for choice in
            chunk.parsed_choices.iter().filter(|choice| choice.has_output() || choice.finish_reason.is_some())
        {
            *self.finished_choices.entry(chunks::read_index(payload, choice)).or_default() |=
                choice.finish_reason.is_some();
        }
        let mut edits = Edits::new();
        let had_sent_content = self.has_sent_content;
        chunks::restore_names(payload, chunk, &self.plan, &mut edits);
        let reasoning = self.filter_reasoning(payload, chunk, finishes, &mut edits, out);
        if !reasoning.drops_details {
            chunks::write_origins(payload, chunk, &self.plan, &mut edits);
        }
        let keeps =
            match (self.filter_text(payload, chunk, finishes, &mut edits, out), &*chunk.parsed_choices) {
                (ChunkContent::Content, [choice]) if reasoning.is_emptied && choice.has_only_reasoning() => {
                    self.without_content(chunk, choice, finishes)
                }
                (keeps, _) => keeps,
            };
        if !had_sent_content && (self.leak_filter.is_broken() || self.reasoning_filter.is_broken()) {
            return Err(broken_section());
        }
        if finishes {
            if !self.has_content && !self.plan.is_continuation && chunks::requires_content(payload, chunk) {
                self.finish_gate.close();
            }
            if !self.finish_gate.is_closed() {
                self.finish_chunk = Some(payload.clone());
            }
            if self.leaked_count > 0 {
                chunks::set_tool_calls_finish(payload, chunk, &mut edits);
                self.meter.finish_reason = Some("tool_calls".to_owned());
            }
        }
        if keeps == ChunkContent::Empty {
            return Ok(());
        }
        self.has_role |= chunk.parsed_choices.iter().any(|choice| choice.role.is_some());
        let speaks = keeps == ChunkContent::Content || finishes;
        out.outcome.has_content |= speaks && !self.finish_gate.is_closed();
        self.has_sent_content |= keeps == ChunkContent::Content;
        if edits.is_empty() {
            self.finish_gate.forward_frame(frame, out);
        } else {
            self.finish_gate.append(output::edit_frame(frame, payload, edits), 1, out);
        }
        Ok(())
    }

    /// Handles a chunk that only reports usage, or repeats content beside it.
    fn process_usage(&mut self, frame: &Frame, payload: &Bytes, chunk: &ChatChunk, out: &mut Output) -> bool {
        let alone = chunk.usage.is_some() && chunk.parsed_choices.is_empty();
        if !alone && !self.is_final_usage(chunk) {
            return false;
        }
        if self.plan.hides_usage {
            return true;
        }
        self.has_sent_usage = true;
        if alone {
            self.finish_gate.forward_frame(frame, out);
            return true;
        }
        let mut edits = Edits::new();
        if let Some(choices) = &chunk.choices_span {
            edits.replace(choices.clone(), Bytes::from_static(b"[]"));
        }
        self.finish_gate.append(output::edit_frame(frame, payload, edits), 1, out);
        true
    }

    /// OpenRouter's last chunk repeats role and finish beside the usage (observed streams, 2026-10).
    fn is_final_usage(&self, chunk: &ChatChunk) -> bool {
        self.classifier.adapter() == AdapterId::OpenRouter
            && self.is_finished()
            && chunk.usage.is_some()
            && !chunk.has_output()
    }

    /// Searches the content for leaked calls. Text before the last delta is sent in chunks of its own.
    fn filter_text(
        &mut self,
        payload: &Bytes,
        chunk: &ChatChunk,
        finishes: bool,
        edits: &mut Edits,
        out: &mut Output,
    ) -> ChunkContent {
        let as_it_is = if chunk.has_output() { ChunkContent::Content } else { ChunkContent::Metadata };
        let [choice] = chunk.parsed_choices.as_slice() else { return as_it_is };
        if !self.plan.offers_tools || chunks::read_index(payload, choice) != 0 {
            return as_it_is;
        }
        if let Some(calls) = &choice.tool_calls {
            let after = chunks::renumber(payload, calls, self.first_leaked_index, self.leaked_count, edits);
            self.next_call_index = self.next_call_index.max(after);
        }
        let content = chunks::read_text(payload, choice);
        let escaped = content.as_ref().map_or(&b""[..], |(_, escaped)| escaped);
        if self.leak_filter.is_idle() && !may_leak(escaped) {
            return as_it_is;
        }
        let mut pieces = self.leak_filter.push(escaped);
        if finishes {
            let rest = self.leak_filter.flush();
            chunks::append_text(&mut pieces, rest);
        }
        self.withheld_chunk = payload.clone();
        let last = match pieces.pop() {
            Some(FilteredPiece::Text(text)) if content.is_some() => text,
            Some(other) => {
                pieces.push(other);
                Vec::new()
            }
            None => Vec::new(),
        };
        self.append_pieces(payload, pieces, out);
        let Some((place, escaped)) = content else { return as_it_is };
        let says_something = !last.is_empty();
        if last != escaped {
            edits.replace(place, [b"\"", &*last, b"\""].concat());
        }
        if says_something || choice.has_reasoning || choice.has_other_output || choice.tool_calls.is_some() {
            ChunkContent::Content
        } else {
            self.without_content(chunk, choice, finishes)
        }
    }

    /// What a chunk is whose text was withheld.
    const fn without_content(&self, chunk: &ChatChunk, choice: &ChunkChoice, finishes: bool) -> ChunkContent {
        if finishes || self.has_metadata(chunk, choice) {
            ChunkContent::Metadata
        } else {
            ChunkContent::Empty
        }
    }

    /// Searches the reasoning for leaked calls. Reasoning before the last piece is sent in chunks of its own.
    fn filter_reasoning(
        &mut self,
        payload: &Bytes,
        chunk: &ChatChunk,
        finishes: bool,
        edits: &mut Edits,
        out: &mut Output,
    ) -> FilteredReasoning {
        let [choice] = chunk.parsed_choices.as_slice() else { return FilteredReasoning::default() };
        if !self.plan.offers_tools || chunks::read_index(payload, choice) != 0 {
            return FilteredReasoning::default();
        }
        let spans = chunks::reasoning_spans(payload, choice);
        let escaped = spans.first().and_then(|span| chunks::inner_text(payload, span)).unwrap_or_default();
        if self.reasoning_filter.is_idle() && !may_leak(escaped) {
            return FilteredReasoning::default();
        }
        let mut pieces = self.reasoning_filter.push(escaped);
        if finishes || escaped.is_empty() {
            let rest = self.reasoning_filter.flush();
            chunks::append_text(&mut pieces, rest);
        }
        self.withheld_chunk = payload.clone();
        let has_calls = pieces.iter().any(|piece| matches!(piece, FilteredPiece::Calls(_)));
        let last = match pieces.pop() {
            Some(FilteredPiece::Text(text)) if !spans.is_empty() => text,
            other => {
                pieces.extend(other);
                Vec::new()
            }
        };
        for piece in pieces {
            match piece {
                FilteredPiece::Text(text) => {
                    self.finish_gate.append(chunks::chunk_with_reasoning(payload, &text), 1, out);
                    self.has_sent_content = true;
                }
                FilteredPiece::Calls(found) => self.append_tool_calls(payload, &found, out),
            }
        }
        for span in spans.iter().filter(|_| last != escaped) {
            edits.replace(span.clone(), [b"\"", &*last, b"\""].concat());
        }
        // The details repeat the text.
        let drops_details = !spans.is_empty() && (has_calls || self.reasoning_filter.is_in_section());
        if let Some(details) = choice.reasoning_details.as_ref().filter(|_| drops_details) {
            edits.replace(details.clone(), Bytes::from_static(b"[]"));
        }
        let keeps_details = choice.reasoning_details.is_some() && !drops_details;
        FilteredReasoning {
            is_emptied: last.is_empty() && !escaped.is_empty() && !keeps_details,
            drops_details,
        }
    }

    /// Whether a chunk without text still has metadata. A repeated role does not count:
    /// OpenRouter repeats it in every chunk.
    const fn has_metadata(&self, chunk: &ChatChunk, choice: &ChunkChoice) -> bool {
        (choice.role.is_some() && !self.has_role) || choice.usage.is_some() || chunk.usage.is_some()
    }

    fn append_pieces(&mut self, payload: &Bytes, pieces: Vec<FilteredPiece>, out: &mut Output) {
        for piece in pieces {
            match piece {
                FilteredPiece::Text(text) => self.append_text(payload, &text, out),
                FilteredPiece::Calls(found) => self.append_tool_calls(payload, &found, out),
            }
        }
    }

    fn append_text(&mut self, payload: &Bytes, text: &[u8], out: &mut Output) {
        self.finish_gate.append(chunks::chunk_with_text(payload, text), 1, out);
        out.outcome.has_content = true;
    }

    fn append_tool_calls(&mut self, payload: &Bytes, found: &[LeakedCall], out: &mut Output) {
        let rendered = chunks::render_tool_calls(found, &self.plan, Some(self.next_call_index));
        if self.leaked_count == 0 {
            self.first_leaked_index = self.next_call_index;
        }
        self.next_call_index += found.len();
        self.leaked_count += found.len();
        let delta = [b"{\"tool_calls\":[", &*rendered, b"]}"].concat();
        self.finish_gate.append(chunks::chunk_with_delta(payload, delta), 1, out);
        out.outcome.has_content = true;
        self.has_sent_content = true;
    }
}

impl ApiStream for ChatStream {
    fn process_frame(&mut self, frame: &Frame, out: &mut Output) -> Result<StreamFlow, Failure> {
        let Some(payload) = frame.data() else {
            // A comment is not an event: a provider that thinks for long sends hundreds before the response
            // begins.
            let events = out.outcome.event_count;
            self.finish_gate.forward_frame(frame, out);
            out.outcome.event_count = events;
            return Ok(StreamFlow::Continue);
        };
        let text = payload.trim_ascii();
        if text.is_empty() {
            // SDKs parse every data line and fail on an empty one.
            return Ok(StreamFlow::Continue);
        }
        if text.starts_with(b"[DONE]") {
            self.check_end()?;
            out.forward_frame(frame);
            return Ok(StreamFlow::Done);
        }
        if !frame.raw.starts_with(b"data:") && frame.event_name().is_some_and(|event| &*event == b"error") {
            return Err(body::classify_body(&self.classifier, &payload));
        }
        let chunk = body::parse_chunk(&payload)?;
        if let Some(failure) = body::find_failure(&self.classifier, &payload, &chunk) {
            return Err(failure);
        }
        self.meter.read(&payload, &chunk);
        self.plan.complete_usage(&mut self.meter.usage);
        self.content_bytes.read(&payload, &chunk);
        self.process_chunk(frame, &payload, &chunk, out)?;
        Ok(StreamFlow::Continue)
    }

    fn process_end(&mut self, usage: Option<TokenUsage>, out: &mut Output) -> Result<(), Failure> {
        self.check_end()?;
        let whole = || Segments::from_bytes(Bytes::from_static(DONE));
        out.append(self.render_missing_end(usage).unwrap_or_else(whole), 1);
        Ok(())
    }

    fn render_missing_end(&self, usage: Option<TokenUsage>) -> Option<Segments> {
        let finish = self.finish_chunk.as_ref().filter(|_| self.is_finished())?;
        let mut out = Segments::default();
        if let Some(usage) = self.meter.usage.or(usage).filter(|_| usage.is_some())
            && !self.has_sent_usage
            && !self.plan.hides_usage
        {
            out.append(chunks::chunk_with_usage(finish, &usage));
        }
        out.push(Bytes::from_static(DONE));
        Some(out)
    }

    fn take_withheld(&mut self) -> Segments {
        self.finish_gate.discard();
        let payload = std::mem::take(&mut self.withheld_chunk);
        let (reasoning, text) = (self.reasoning_filter.flush(), self.leak_filter.flush());
        let mut out = Segments::default();
        if !reasoning.is_empty() {
            out.append(chunks::chunk_with_reasoning(&payload, &reasoning));
        }
        if !text.is_empty() {
            out.append(chunks::chunk_with_text(&payload, &text));
        }
        out
    }

    fn content_bytes(&self) -> ContentBytes {
        self.content_bytes
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl Meter {
    fn read(&mut self, text: &[u8], chunk: &ChatChunk) {
        if self.model.is_none() {
            self.model = chunk.model(text);
            self.provider = chunk.provider(text);
        }
        if let Some(finish) = chunk.finish_reason(text) {
            self.finish_reason = Some(finish);
        }
        // A later value replaces an earlier one: Moonshot reports usage twice, in a choice and then at the top
        // level.
        if let Some(usage) = chunk.usage(text) {
            self.usage = Some(usage);
        }
    }
}

impl ContentBytes {
    fn read(&mut self, text: &[u8], chunk: &ChatChunk) {
        for choice in &chunk.parsed_choices {
            self.reasoning += decoded_length(text, choice.reasoning.as_ref());
            self.text += decoded_length(text, choice.content.as_ref());
            self.tool_calls += decoded_length(text, choice.tool_calls.as_ref());
        }
    }
}

/// What a chunk's reasoning is after the search.
#[derive(Clone, Copy, Debug, Default)]
struct FilteredReasoning {
    /// It has no text any more.
    is_emptied: bool,
    /// Its `reasoning_details` were removed.
    drops_details: bool,
}

/// The rest of a chunk without its withheld text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkContent {
    /// Visible content.
    Content,
    /// A role, a finish, usage.
    Metadata,
    /// The chunk is not sent.
    Empty,
}
