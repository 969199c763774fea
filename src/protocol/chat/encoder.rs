//! Chat Completions responses, streamed and whole. The shapes are those of the OpenAI SDKs' `ChatCompletionChunk` and
//! `ChatCompletion`, with `reasoning_content` as Moonshot has it and `reasoning_details` as OpenRouter has them.

use super::chunk::ChatChunk;
use crate::protocol::api::Api;
use crate::protocol::codec::ApiEncoder;
use crate::protocol::codec::writer::{make_id, write_number, write_raw};
use crate::protocol::error::ErrorBody;
use crate::protocol::json::write_string;
use crate::protocol::model::answer::{FinishReason, RequestEcho, ResponseEvent};
use crate::protocol::object::ObjectView;
use crate::protocol::sse::DONE;
use crate::protocol::usage::TokenUsage;

#[derive(Debug)]
pub(crate) struct ChatEncoder {
    echo: RequestEcho,
    /// The start of every chunk, up to `choices`; empty until the response starts.
    head: Vec<u8>,
    call_count: usize,
    /// The index of the first call of the part that is written now.
    first_call: usize,
    finish_reason: Option<FinishReason>,
    usage: Option<TokenUsage>,
    stage: ChatStage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ChatStage {
    Open,
    /// A `finish_reason` was forwarded directly.
    FinishSent,
    UsageSent,
    Done,
}

impl ApiEncoder for ChatEncoder {
    fn write(&mut self, event: &ResponseEvent, out: &mut Vec<u8>) {
        if self.stage != ChatStage::Open {
            if let ResponseEvent::Usage(usage) = event {
                self.usage = Some(*usage);
            }
            return;
        }
        match event {
            ResponseEvent::Start { id, model } => {
                self.write_start(id, model, out);
                self.first_call = self.call_count;
            }
            ResponseEvent::Reasoning(text) => self.write_text("reasoning_content", text, out),
            ResponseEvent::Text(text) => self.write_text("content", text, out),
            ResponseEvent::Refusal(text) => self.write_text("refusal", text, out),
            ResponseEvent::ReasoningSignature(signature) => self.write_delta(out, |out| {
                write_raw(out, "\"reasoning_details\":[");
                write_signed_reasoning("", Some(signature), 0, out);
                out.push(b']');
            }),
            ResponseEvent::RedactedReasoning(data) => self.write_delta(out, |out| {
                write_raw(out, "\"reasoning_details\":[");
                write_redacted_reasoning(data, 0, out);
                out.push(b']');
            }),
            ResponseEvent::ToolCallStart { call, id, name } => {
                let index = self.first_call.saturating_add(*call);
                self.call_count = self.call_count.max(index.saturating_add(1));
                self.write_delta(out, |out| {
                    write_raw(out, "\"tool_calls\":[{\"index\":");
                    write_number(out, index as u64);
                    write_raw(out, ",");
                    write_call_start(id, name, out);
                    write_raw(out, "\"\"}}]");
                });
            }
            ResponseEvent::ToolCallArguments { call, delta: piece } => {
                let index = self.first_call.saturating_add(*call);
                self.write_delta(out, |out| {
                    write_raw(out, "\"tool_calls\":[{\"index\":");
                    write_number(out, index as u64);
                    write_raw(out, ",\"function\":{\"arguments\":");
                    write_string(out, piece);
                    write_raw(out, "}}]");
                });
            }
            ResponseEvent::Usage(usage) => self.usage = Some(*usage),
            ResponseEvent::Finish(finish) => self.finish_reason = Some(finish.clone()),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.stage == ChatStage::Done {
            return;
        }
        self.write_start("", "", out);
        if self.stage == ChatStage::Open {
            let reason = finish_reason_name(self.finish_reason.as_ref(), self.call_count > 0);
            self.write_chunk(out, |out| write_raw(out, "{}"), Some(reason));
        }
        if self.echo.wants_usage
            && self.stage != ChatStage::UsageSent
            && let Some(usage) = self.usage
        {
            write_raw(out, "data: ");
            out.extend_from_slice(&self.head);
            write_raw(out, "\"choices\":[],\"usage\":");
            write_raw(out, &usage.to_json(Api::ChatCompletions));
            write_raw(out, "}\n\n");
        }
        out.extend_from_slice(DONE);
        self.stage = ChatStage::Done;
    }

    fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        if self.stage != ChatStage::Done {
            self.stage = ChatStage::Done;
            out.extend_from_slice(&error.render_chat_stream_end());
        }
    }

    fn observe_payload(&mut self, payload: &[u8]) {
        if payload.trim_ascii() == b"[DONE]" {
            self.stage = ChatStage::Done;
            return;
        }
        let Ok(chunk) = ChatChunk::parse(payload) else { return };
        if self.head.is_empty()
            && let Some(top) = ObjectView::parse(payload)
        {
            self.echo.created_at = top.count("created").unwrap_or(self.echo.created_at);
            let text = |key| top.string(key).unwrap_or_default();
            self.head = self.render_head(&text("id"), &text("model"));
        }
        let usage = chunk.usage(payload);
        if usage.is_some() {
            self.usage = usage;
        }
        for choice in &chunk.parsed_choices {
            if choice.finish_reason.is_some() {
                self.stage = self.stage.max(ChatStage::FinishSent);
            }
            let calls = choice.delta.clone().and_then(|span| ObjectView::parse(payload.get(span)?));
            for call in calls.iter().flat_map(|delta| delta.objects("tool_calls")) {
                let index = call.index("index").unwrap_or(0);
                self.call_count = self.call_count.max(index.saturating_add(1));
            }
        }
        if chunk.usage.is_some() && self.stage == ChatStage::FinishSent {
            self.stage = ChatStage::UsageSent;
        }
    }
}

impl ChatEncoder {
    pub(crate) const fn new(echo: RequestEcho) -> Self {
        Self {
            echo,
            head: Vec::new(),
            call_count: 0,
            first_call: 0,
            finish_reason: None,
            usage: None,
            stage: ChatStage::Open,
        }
    }

    /// The chunk that names the role, once.
    fn write_start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        if self.head.is_empty() {
            self.head = self.render_head(id, model);
            self.write_chunk(out, |out| write_raw(out, "{\"role\":\"assistant\",\"content\":\"\"}"), None);
        }
    }

    fn render_head(&self, id: &str, model: &str) -> Vec<u8> {
        let mut head = Vec::with_capacity(128);
        write_head(&self.echo, id, model, "chat.completion.chunk", &mut head);
        head
    }

    fn write_text(&mut self, key: &str, text: &str, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.write_delta(out, |out| {
                write_string(out, key);
                out.push(b':');
                write_string(out, text);
            });
        }
    }

    fn write_delta(&mut self, out: &mut Vec<u8>, members: impl FnOnce(&mut Vec<u8>)) {
        self.write_start("", "", out);
        let delta = |out: &mut Vec<u8>| {
            out.push(b'{');
            members(out);
            out.push(b'}');
        };
        self.write_chunk(out, delta, None);
    }

    fn write_chunk(&self, out: &mut Vec<u8>, delta: impl FnOnce(&mut Vec<u8>), finish: Option<&str>) {
        write_raw(out, "data: ");
        out.extend_from_slice(&self.head);
        write_raw(out, "\"choices\":[{\"index\":0,\"delta\":");
        delta(out);
        write_raw(out, ",\"finish_reason\":");
        match finish {
            Some(reason) => write_string(out, reason),
            None => write_raw(out, "null"),
        }
        write_raw(out, "}]}\n\n");
    }
}

/// Up to `choices`.
fn write_head(echo: &RequestEcho, id: &str, model: &str, object: &str, out: &mut Vec<u8>) {
    write_raw(out, "{\"id\":");
    // Clients look up OpenRouter's ids, so they are unchanged.
    let made = if id.starts_with("gen-") { id.to_owned() } else { make_id("chatcmpl-", id, &echo.id) };
    write_string(out, &made);
    write_raw(out, ",\"object\":");
    write_string(out, object);
    write_raw(out, ",\"created\":");
    write_number(out, echo.created_at);
    write_raw(out, ",\"model\":");
    write_string(out, if model.is_empty() { &echo.model } else { model });
    out.push(b',');
}

/// Up to the value of `arguments`.
fn write_call_start(id: &str, name: &str, out: &mut Vec<u8>) {
    write_raw(out, "\"id\":");
    write_string(out, id);
    write_raw(out, ",\"type\":\"function\",\"function\":{\"name\":");
    write_string(out, name);
    write_raw(out, ",\"arguments\":");
}

/// Reasoning with its seal, as OpenRouter has it.
fn write_signed_reasoning(text: &str, signature: Option<&str>, index: usize, out: &mut Vec<u8>) {
    write_raw(out, "{\"type\":\"reasoning.text\",\"text\":");
    write_string(out, text);
    write_raw(out, ",\"signature\":");
    match signature {
        Some(signature) => write_string(out, signature),
        None => write_raw(out, "null"),
    }
    write_raw(out, ",\"index\":");
    write_number(out, index as u64);
    out.push(b'}');
}

fn write_redacted_reasoning(data: &str, index: usize, out: &mut Vec<u8>) {
    write_raw(out, "{\"type\":\"reasoning.encrypted\",\"data\":");
    write_string(out, data);
    write_raw(out, ",\"index\":");
    write_number(out, index as u64);
    out.push(b'}');
}

const fn finish_reason_name(finish: Option<&FinishReason>, has_calls: bool) -> &'static str {
    match finish {
        None | Some(FinishReason::Stop | FinishReason::StopSequence(_) | FinishReason::Pause) => {
            if has_calls { "tool_calls" } else { "stop" }
        }
        Some(FinishReason::MaxTokens | FinishReason::ContextWindow) => "length",
        Some(FinishReason::ToolCalls) => "tool_calls",
        Some(FinishReason::ContentFilter) => "content_filter",
    }
}

/// The assembled content of a message.
#[derive(Default)]
struct MessageBuilder<'e> {
    text: String,
    refusal: String,
    reasoning: String,
    /// The offset in `reasoning` of the part without a signature yet.
    unsigned_start: usize,
    reasoning_details: Vec<ReasoningDetail<'e>>,
    calls: Vec<MessageCall<'e>>,
}

enum ReasoningDetail<'e> {
    Signed { text: String, signature: Option<&'e str> },
    Redacted(&'e str),
}

struct MessageCall<'e> {
    id: &'e str,
    name: &'e str,
    arguments: String,
}

pub(crate) fn encode_response(events: &[ResponseEvent], echo: &RequestEcho) -> Vec<u8> {
    let message = MessageBuilder::from_events(events);
    let (id, model) = events.iter().find_map(ResponseEvent::id_and_model).unwrap_or_default();
    let mut out = Vec::with_capacity(512 + message.text.len() + message.reasoning.len());
    write_head(echo, id, model, "chat.completion", &mut out);
    write_raw(&mut out, "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    message.write_content(&mut out);
    write_raw(&mut out, "},\"logprobs\":null,\"finish_reason\":");
    let finish = events.iter().rev().find_map(ResponseEvent::finish_reason);
    write_string(&mut out, finish_reason_name(finish, !message.calls.is_empty()));
    write_raw(&mut out, "}]");
    if let Some(usage) = events.iter().rev().find_map(ResponseEvent::usage) {
        write_raw(&mut out, ",\"usage\":");
        write_raw(&mut out, &usage.to_json(Api::ChatCompletions));
    }
    out.push(b'}');
    out
}

impl<'e> MessageBuilder<'e> {
    fn from_events(events: &'e [ResponseEvent]) -> Self {
        let mut message = Self::default();
        for event in events {
            message.push(event);
        }
        // Details contain either all of the reasoning or none of it.
        if !message.reasoning_details.is_empty() && message.unsigned_start < message.reasoning.len() {
            message.push_signed_reasoning(None);
        }
        message
    }

    fn push(&mut self, event: &'e ResponseEvent) {
        match event {
            ResponseEvent::Text(text) => self.text.push_str(text),
            ResponseEvent::Refusal(text) => self.refusal.push_str(text),
            ResponseEvent::Reasoning(text) => self.reasoning.push_str(text),
            ResponseEvent::ReasoningSignature(signature) => self.push_signed_reasoning(Some(signature)),
            ResponseEvent::RedactedReasoning(data) => {
                if self.unsigned_start < self.reasoning.len() {
                    self.push_signed_reasoning(None);
                }
                self.reasoning_details.push(ReasoningDetail::Redacted(data));
            }
            ResponseEvent::ToolCallStart { id, name, .. } => {
                self.calls.push(MessageCall { id, name, arguments: String::new() });
            }
            ResponseEvent::ToolCallArguments { call, delta: piece } => {
                if let Some(call) = self.calls.get_mut(*call) {
                    call.arguments.push_str(piece);
                }
            }
            ResponseEvent::Start { .. } | ResponseEvent::Usage(_) | ResponseEvent::Finish(_) => {}
        }
    }

    fn push_signed_reasoning(&mut self, signature: Option<&'e str>) {
        let text = self.reasoning.get(self.unsigned_start..).unwrap_or_default().to_owned();
        self.unsigned_start = self.reasoning.len();
        self.reasoning_details.push(ReasoningDetail::Signed { text, signature });
    }

    /// From the value of `content` on.
    fn write_content(&self, out: &mut Vec<u8>) {
        if self.text.is_empty() && !(self.calls.is_empty() && self.refusal.is_empty()) {
            write_raw(out, "null");
        } else {
            write_string(out, &self.text);
        }
        write_raw(out, ",\"refusal\":");
        if self.refusal.is_empty() {
            write_raw(out, "null");
        } else {
            write_string(out, &self.refusal);
        }
        if !self.reasoning.is_empty() {
            write_raw(out, ",\"reasoning_content\":");
            write_string(out, &self.reasoning);
        }
        write_array_member(out, "reasoning_details", &self.reasoning_details, |out, index, detail| {
            match detail {
                ReasoningDetail::Signed { text, signature } => {
                    write_signed_reasoning(text, *signature, index, out)
                }
                ReasoningDetail::Redacted(data) => write_redacted_reasoning(data, index, out),
            }
        });
        write_array_member(out, "tool_calls", &self.calls, |out, index, call| {
            write_raw(out, "{\"index\":");
            write_number(out, index as u64);
            out.push(b',');
            write_call_start(call.id, call.name, out);
            write_string(out, &call.arguments);
            write_raw(out, "}}");
        });
    }
}

/// An array member, omitted when it is empty.
fn write_array_member<T>(out: &mut Vec<u8>, key: &str, each: &[T], write: impl Fn(&mut Vec<u8>, usize, &T)) {
    if each.is_empty() {
        return;
    }
    out.push(b',');
    write_string(out, key);
    write_raw(out, ":[");
    for (index, element) in each.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, index, element);
    }
    out.push(b']');
}
