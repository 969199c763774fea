//! Chat Completions responses, streamed or whole, read into events.

use super::chunk::{ChatChunk, ChunkChoice};
use crate::protocol::api::Api;
use crate::protocol::codec::ApiDecoder;
use crate::protocol::codec::emitter::{Channel, EventEmitter};
use crate::protocol::json;
use crate::protocol::model::answer::{FinishReason, ResponseEvent};
use crate::protocol::model::losses;
use crate::protocol::object::ObjectView;

#[derive(Debug, Default)]
pub(crate) struct ChatDecoder {
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
    fn read_payload(&mut self, payload: &[u8], emitter: &mut EventEmitter) {
        if payload.trim_ascii() == b"[DONE]" {
            self.end(emitter);
            return;
        }
        let Ok(chunk) = ChatChunk::parse(payload) else { return };
        if chunk.choices_span.is_none() && chunk.usage.is_none() {
            return;
        }
        let Some(top) = ObjectView::parse(payload) else { return };
        emitter.start(top.string("id"), top.string("model"));
        if let Some(choice) = chunk.parsed_choices.iter().find(|choice| is_first_choice(payload, choice)) {
            self.read_choice(payload, choice, emitter);
        }
        emitter.losses.record_if(
            chunk.parsed_choices.iter().any(|choice| !is_first_choice(payload, choice)),
            losses::ANSWER_CHOICES,
        );
        // Moonshot reports it in the choice and then at the top level: the later one replaces the earlier.
        let usage = chunk.usage_spans().next().and_then(|span| payload.get(span.clone()));
        emitter.push_usage(Api::ChatCompletions, usage);
    }

    fn end(&mut self, emitter: &mut EventEmitter) {
        for call in &mut self.calls {
            // A call without a name is emitted anyway if it has content.
            if call.number.is_none() && !call.early_arguments.is_empty() {
                call.start(String::new(), emitter);
            }
        }
        emitter.end();
    }

    /// A whole response has a message where a chunk has a delta.
    fn read_body(&mut self, body: &[u8], emitter: &mut EventEmitter) {
        self.read_payload(body, emitter);
    }
}

impl ChatDecoder {
    fn read_choice(&mut self, payload: &[u8], choice: &ChunkChoice, emitter: &mut EventEmitter) {
        if let Some(delta) = choice.delta_object(payload) {
            read_reasoning(&delta, emitter);
            read_content(&delta, emitter);
            emitter.push_member(Channel::Refusal, &delta, "refusal");
            for _ in delta.objects("images") {
                emitter.push_image_note();
            }
            emitter.losses.record_if(!delta.objects("annotations").is_empty(), losses::ANSWER_CITATIONS);
            for fragment in delta.objects("tool_calls") {
                self.read_call_fragment(&fragment, emitter);
            }
        }
        let choice_object = ObjectView::parse_at(payload, choice.span.start);
        let has_logprobs = choice_object.is_some_and(|choice| choice.value("logprobs").is_some());
        emitter.losses.record_if(has_logprobs, losses::ANSWER_LOGPROBS);
        let finish = choice.finish_reason.clone().and_then(|span| json::unescape(payload.get(span)?));
        if let Some(finish) = finish {
            emitter.set_finish_reason(parse_finish_reason(&finish));
        }
    }

    fn read_call_fragment(&mut self, fragment: &ObjectView<'_>, emitter: &mut EventEmitter) {
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
            call.start(name.into_owned(), emitter);
        }
        let Some(arguments) = function.and_then(|function| function.value("arguments")) else { return };
        match (call.number, arguments.first()) {
            (Some(number), Some(b'"')) => emitter.push_literal(Channel::Arguments(number), arguments),
            // Some servers forget to make a string of the object.
            (Some(number), Some(b'{')) => {
                let text = String::from_utf8_lossy(arguments).into_owned();
                emitter.push_text(Channel::Arguments(number), text);
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

    fn start(&mut self, name: String, emitter: &mut EventEmitter) {
        let number = emitter.start_call(self.id.clone(), name);
        self.number = Some(number);
        for literal in std::mem::take(&mut self.early_arguments) {
            emitter.push_literal(Channel::Arguments(number), &literal);
        }
    }
}

/// The details contain the text of `reasoning` or `reasoning_content`, and more. So if they contain text,
/// that text is used.
fn read_reasoning(delta: &ObjectView<'_>, emitter: &mut EventEmitter) {
    let details: Vec<ObjectView<'_>> = delta.objects("reasoning_details");
    let text_of = |detail: &ObjectView<'_>| match detail.string("type").as_deref() {
        Some("reasoning.text") => "text",
        Some("reasoning.summary") => "summary",
        _ => "",
    };
    let detailed =
        details.iter().any(|detail| detail.literal(text_of(detail)).is_some_and(|literal| literal.len() > 2));
    if !detailed {
        let plain = ["reasoning_content", "reasoning"].into_iter().filter_map(|key| delta.literal(key));
        if let Some(literal) = plain.into_iter().find(|literal| literal.len() > 2) {
            emitter.push_literal(Channel::Reasoning, literal);
        }
    }
    for detail in &details {
        if let Some(literal) = detail.literal(text_of(detail)) {
            emitter.push_literal(Channel::Reasoning, literal);
        }
        let opaque = |key| detail.string(key).filter(|text| !text.is_empty());
        if let Some(signature) = opaque("signature") {
            emitter.push_opaque(ResponseEvent::ReasoningSignature(signature.into_owned()));
        }
        if let Some(data) = opaque("data") {
            emitter.push_opaque(ResponseEvent::RedactedReasoning(data.into_owned()));
        }
    }
}

fn read_content(delta: &ObjectView<'_>, emitter: &mut EventEmitter) {
    emitter.push_member(Channel::Text, delta, "content");
    for part in delta.objects("content") {
        match part.string("type").as_deref() {
            Some("refusal") => emitter.push_member(Channel::Refusal, &part, "refusal"),
            Some("text" | "output_text") | None => emitter.push_member(Channel::Text, &part, "text"),
            Some(_) => {}
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
