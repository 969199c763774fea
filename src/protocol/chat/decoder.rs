//! Chat Completions responses, streamed or whole, read into events.

use super::chunk::{ChatChunk, ChunkChoice};
use crate::protocol::api::Api;
use crate::protocol::codec::ApiDecoder;
use crate::protocol::codec::emitter::{Channel, EventEmitter};
use crate::protocol::json;
use crate::protocol::model::answer::{FinishReason, ResponseEvent};
use crate::protocol::object::ObjectView;

#[derive(Debug, Default)]
pub(crate) struct ChatDecoder {
    emitter: EventEmitter,
    calls: Vec<PartialCall>,
}

/// A tool call, as far as its fragments have arrived.
#[derive(Debug, Default)]
struct PartialCall {
    index: Option<u64>,
    id: String,
    /// Its number, once its name is known.
    number: Option<usize>,
    /// Arguments that arrived before the name, as literals.
    early_arguments: Vec<Vec<u8>>,
}

impl ApiDecoder for ChatDecoder {
    fn read_payload(&mut self, payload: &[u8], out: &mut Vec<ResponseEvent>) {
        if self.emitter.has_ended() {
            return;
        }
        if payload.trim_ascii() == b"[DONE]" {
            self.end(out);
            return;
        }
        let Ok(chunk) = ChatChunk::parse(payload) else { return };
        if chunk.choices_span.is_none() && chunk.usage.is_none() {
            return;
        }
        let Some(top) = ObjectView::parse(payload) else { return };
        self.emitter.start(top.string("id"), top.string("model"), out);
        if let Some(choice) = chunk.parsed_choices.iter().find(|choice| is_first_choice(payload, choice)) {
            self.read_choice(payload, choice, out);
        }
        // Moonshot reports it in the choice and then at the top level: the later one replaces the earlier.
        let usage = chunk
            .usage
            .iter()
            .chain(chunk.parsed_choices.iter().filter_map(|choice| choice.usage.as_ref()))
            .next();
        self.emitter.push_usage(Api::ChatCompletions, usage.and_then(|span| payload.get(span.clone())), out);
    }

    fn end(&mut self, out: &mut Vec<ResponseEvent>) {
        if self.emitter.has_ended() {
            return;
        }
        for call in &mut self.calls {
            // A call without a name is emitted anyway if it has content.
            if call.number.is_none() && !call.early_arguments.is_empty() {
                call.start(String::new(), &mut self.emitter, out);
            }
        }
        self.emitter.end(out);
    }

    /// A whole response has a message where a chunk has a delta.
    fn read_body(&mut self, body: &[u8], out: &mut Vec<ResponseEvent>) {
        self.read_payload(body, out);
    }
}

impl ChatDecoder {
    fn read_choice(&mut self, payload: &[u8], choice: &ChunkChoice, out: &mut Vec<ResponseEvent>) {
        let delta = choice.delta.clone().and_then(|span| ObjectView::parse(payload.get(span)?));
        if let Some(delta) = delta {
            self.read_reasoning(&delta, out);
            self.read_content(&delta, out);
            if let Some(refusal) = delta.literal("refusal") {
                self.emitter.push_literal(Channel::Refusal, refusal, out);
            }
            for fragment in delta.objects("tool_calls") {
                self.read_call_fragment(&fragment, out);
            }
        }
        let finish = choice.finish_reason.clone().and_then(|span| json::unescape(payload.get(span)?));
        if let Some(finish) = finish {
            self.emitter.set_finish_reason(parse_finish_reason(&finish));
        }
    }

    /// The details contain the text of `reasoning` or `reasoning_content`, and more. So if they contain text,
    /// that text is used.
    fn read_reasoning(&mut self, delta: &ObjectView<'_>, out: &mut Vec<ResponseEvent>) {
        let details: Vec<ObjectView<'_>> = delta.objects("reasoning_details");
        let text_of = |detail: &ObjectView<'_>| match detail.string("type").as_deref() {
            Some("reasoning.text") => "text",
            Some("reasoning.summary") => "summary",
            _ => "",
        };
        let detailed = details
            .iter()
            .any(|detail| detail.literal(text_of(detail)).is_some_and(|literal| literal.len() > 2));
        if !detailed {
            let plain = ["reasoning_content", "reasoning"].into_iter().filter_map(|key| delta.literal(key));
            if let Some(literal) = plain.into_iter().find(|literal| literal.len() > 2) {
                self.emitter.push_literal(Channel::Reasoning, literal, out);
            }
        }
        for detail in &details {
            if let Some(literal) = detail.literal(text_of(detail)) {
                self.emitter.push_literal(Channel::Reasoning, literal, out);
            }
            let opaque = |key| detail.string(key).filter(|text| !text.is_empty());
            if let Some(signature) = opaque("signature") {
                self.emitter.push_opaque(ResponseEvent::ReasoningSignature(signature.into_owned()), out);
            }
            if let Some(data) = opaque("data") {
                self.emitter.push_opaque(ResponseEvent::RedactedReasoning(data.into_owned()), out);
            }
        }
    }

    fn read_content(&mut self, delta: &ObjectView<'_>, out: &mut Vec<ResponseEvent>) {
        if let Some(text) = delta.literal("content") {
            self.emitter.push_literal(Channel::Text, text, out);
        }
        for part in delta.objects("content") {
            match part.string("type").as_deref() {
                Some("refusal") => {
                    if let Some(refusal) = part.literal("refusal") {
                        self.emitter.push_literal(Channel::Refusal, refusal, out);
                    }
                }
                Some("text" | "output_text") | None => {
                    if let Some(text) = part.literal("text") {
                        self.emitter.push_literal(Channel::Text, text, out);
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn read_call_fragment(&mut self, fragment: &ObjectView<'_>, out: &mut Vec<ResponseEvent>) {
        let function = fragment.object("function");
        let function = function.as_ref();
        let id = fragment.string("id").filter(|id| !id.is_empty()).unwrap_or_default();
        let name = function.and_then(|function| function.string("name")).filter(|name| !name.is_empty());
        let at = self.find_or_add_call(fragment.count("index"), &id, name.is_some());
        let Some(call) = self.calls.get_mut(at) else { return };
        if call.id.is_empty() {
            call.id = id.into_owned();
        }
        if let Some(name) = name.filter(|_| call.number.is_none()) {
            call.start(name.into_owned(), &mut self.emitter, out);
        }
        let Some(arguments) = function.and_then(|function| function.value("arguments")) else { return };
        match (call.number, arguments.first()) {
            (Some(number), Some(b'"')) => {
                self.emitter.push_literal(Channel::Arguments(number), arguments, out)
            }
            // Some servers forget to make a string of the object.
            (Some(number), Some(b'{')) => {
                let text = String::from_utf8_lossy(arguments).into_owned();
                self.emitter.push_text(Channel::Arguments(number), text, out);
            }
            (None, Some(b'"')) if arguments.len() > 2 => call.early_arguments.push(arguments.to_vec()),
            _ => {}
        }
    }

    /// The call of a fragment, or a new one: by `index`; without one by id; otherwise the last call. The same
    /// index with another id and a name starts a new call, because some servers send index 0 for every call.
    fn find_or_add_call(&mut self, index: Option<u64>, id: &str, named: bool) -> usize {
        let found = match index {
            Some(_) => self
                .calls
                .iter()
                .rposition(|call| call.index == index)
                .filter(|at| !self.calls.get(*at).is_some_and(|call| named && call.has_other_id(id))),
            None if id.is_empty() => self.calls.len().checked_sub(1),
            None => self.calls.iter().rposition(|call| call.id == id),
        };
        found.unwrap_or_else(|| {
            self.calls.push(PartialCall { index, ..PartialCall::default() });
            self.calls.len() - 1
        })
    }
}

impl PartialCall {
    fn has_other_id(&self, id: &str) -> bool {
        self.number.is_some() && !id.is_empty() && !self.id.is_empty() && self.id != id
    }

    fn start(&mut self, name: String, pieces: &mut EventEmitter, out: &mut Vec<ResponseEvent>) {
        let number = pieces.start_call(self.id.clone(), name, out);
        self.number = Some(number);
        for literal in std::mem::take(&mut self.early_arguments) {
            pieces.push_literal(Channel::Arguments(number), &literal, out);
        }
    }
}

/// Without an index it is the first.
fn is_first_choice(payload: &[u8], choice: &ChunkChoice) -> bool {
    choice.index.as_ref().is_none_or(|span| payload.get(span.clone()) == Some(b"0"))
}

/// OpenAI's values, and those that providers forward from models behind them.
fn parse_finish_reason(word: &str) -> FinishReason {
    match word {
        "length" | "max_tokens" | "max_output_tokens" => FinishReason::MaxTokens,
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter" | "refusal" => FinishReason::ContentFilter,
        "stop_sequence" => FinishReason::StopSequence(None),
        "model_context_window_exceeded" => FinishReason::ContextWindow,
        _ => FinishReason::Stop,
    }
}
