//! Chat Completions responses, streamed and whole. The shapes are those of the OpenAI SDKs' `ChatCompletionChunk` and
//! `ChatCompletion`, with `reasoning_content` as Moonshot has it and `reasoning_details` as OpenRouter has them.

use std::collections::BTreeMap;

use super::chunk::ChatChunk;
use crate::protocol::api::Api;
use crate::protocol::codec::ApiEncoder;
use crate::protocol::error::ErrorBody;
use crate::protocol::model::answer::{FinishReason, RequestEcho, ResponseEvent};
use crate::protocol::model::client_tools::unwrap_free_text;
use crate::protocol::model::tools::ToolForm;
use crate::protocol::object::ObjectView;
use crate::protocol::sse::DONE;
use crate::protocol::usage::TokenUsage;
use crate::protocol::writer::{ObjectWriter, write_data, write_object};

#[derive(Debug)]
pub(crate) struct ChatEncoder {
    echo: RequestEcho,
    /// The members of every chunk before `choices`; empty until the response starts.
    head: Vec<u8>,
    call_count: usize,
    /// The index of the first call of the part that is written now.
    first_call: usize,
    finish_reason: Option<FinishReason>,
    usage: Option<TokenUsage>,
    stage: ChatStage,
    /// The number of finished blocks of reasoning.
    detail_index: usize,
    /// Calls that become calls with free text when their arguments are complete, by their index.
    withheld_calls: BTreeMap<usize, WithheldCall>,
}

/// A call of a function that stands for a tool with free text.
#[derive(Debug)]
struct WithheldCall {
    id: String,
    name: String,
    arguments: String,
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
            ResponseEvent::Reasoning(text) => {
                let index = self.detail_index;
                self.write_delta(out, |delta| {
                    delta.text("reasoning_content", text);
                    write_details(delta, |out| write_reasoning_text(text, None, index, out));
                });
            }
            ResponseEvent::Text(text) => self.write_text("content", text, out),
            ResponseEvent::Refusal(text) => self.write_text("refusal", text, out),
            ResponseEvent::ReasoningSignature(signature) => {
                let index = self.next_detail_index();
                let write = |out: &mut Vec<u8>| write_reasoning_text("", Some(signature), index, out);
                self.write_delta(out, |delta| write_details(delta, write));
            }
            ResponseEvent::RedactedReasoning(data) => {
                let index = self.next_detail_index();
                let write = |out: &mut Vec<u8>| write_redacted_reasoning(data, index, out);
                self.write_delta(out, |delta| write_details(delta, write));
            }
            ResponseEvent::ToolCallStart { call, id, name } => {
                let index = self.first_call.saturating_add(*call);
                self.call_count = self.call_count.max(index.saturating_add(1));
                if takes_free_text(&self.echo, name) {
                    let call = WithheldCall { id: id.clone(), name: name.clone(), arguments: String::new() };
                    self.withheld_calls.insert(index, call);
                    return;
                }
                self.write_delta(out, |delta| {
                    delta.array("tool_calls", [index], |out, index| write_call(index, id, name, "", out));
                });
            }
            ResponseEvent::ToolCallArguments { call, delta: piece } => {
                let index = self.first_call.saturating_add(*call);
                if let Some(call) = self.withheld_calls.get_mut(&index) {
                    call.arguments.push_str(piece);
                    return;
                }
                self.write_delta(out, |delta| {
                    delta.array("tool_calls", [piece], |out, piece| {
                        write_object(out, |call| {
                            call.number("index", index as u64);
                            call.object("function", |function| function.text("arguments", piece));
                        });
                    });
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
        self.write_withheld_calls(out);
        if self.stage == ChatStage::Open {
            let reason = finish_reason_name(self.finish_reason.as_ref(), self.call_count > 0);
            self.write_chunk(out, |_| {}, Some(reason));
        }
        if self.echo.wants_usage
            && self.stage != ChatStage::UsageSent
            && let Some(usage) = self.usage
        {
            write_data(out, |chunk| {
                chunk.write_members(&self.head);
                chunk.raw("choices", "[]");
                chunk.raw("usage", usage.to_json(Api::ChatCompletions));
            });
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

    fn buffered_bytes(&self) -> usize {
        self.withheld_calls.values().map(|call| call.arguments.len()).sum()
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
            for call in choice.delta_object(payload).iter().flat_map(|delta| delta.objects("tool_calls")) {
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
            detail_index: 0,
            withheld_calls: BTreeMap::new(),
        }
    }

    fn write_withheld_calls(&mut self, out: &mut Vec<u8>) {
        for (index, call) in std::mem::take(&mut self.withheld_calls) {
            self.write_delta(out, |delta| {
                delta.array("tool_calls", [index], |out, index| {
                    write_free_text_call(index, &call.id, &call.name, &call.arguments, out);
                });
            });
        }
    }

    /// The chunk that names the role, once.
    fn write_start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        if self.head.is_empty() {
            self.head = self.render_head(id, model);
            let delta = |delta: &mut ObjectWriter<'_>| {
                delta.escaped("role", "assistant");
                delta.text("content", "");
            };
            self.write_chunk(out, delta, None);
        }
    }

    fn render_head(&self, id: &str, model: &str) -> Vec<u8> {
        let mut head = Vec::with_capacity(128);
        write_head(&self.echo, id, model, "chat.completion.chunk", &mut ObjectWriter::new(&mut head));
        head.remove(0);
        head
    }

    fn write_text(&mut self, key: &str, text: &str, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.write_delta(out, |delta| delta.text(key, text));
        }
    }

    const fn next_detail_index(&mut self) -> usize {
        let index = self.detail_index;
        self.detail_index += 1;
        index
    }

    fn write_delta(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.write_start("", "", out);
        self.write_chunk(out, write, None);
    }

    fn write_chunk(
        &self,
        out: &mut Vec<u8>,
        delta: impl FnOnce(&mut ObjectWriter<'_>),
        finish: Option<&str>,
    ) {
        write_data(out, |chunk| {
            chunk.write_members(&self.head);
            chunk.array("choices", [delta], |out, delta| {
                write_object(out, |choice| {
                    choice.raw("index", "0");
                    choice.object("delta", delta);
                    choice.text_or_null("finish_reason", finish);
                });
            });
        });
    }
}

/// The members before `choices`.
fn write_head(echo: &RequestEcho, id: &str, model: &str, object: &str, head: &mut ObjectWriter<'_>) {
    // Clients look up OpenRouter's ids, so they are unchanged.
    let made = if id.starts_with("gen-") { id.to_owned() } else { echo.make_id("chatcmpl-", id) };
    head.text("id", &made);
    head.escaped("object", object);
    head.number("created", echo.created_at);
    head.text("model", if model.is_empty() { &echo.model } else { model });
}

fn write_call(index: usize, id: &str, name: &str, arguments: &str, out: &mut Vec<u8>) {
    write_object(out, |call| {
        call.number("index", index as u64);
        call.text("id", id);
        call.escaped("type", "function");
        call.object("function", |function| {
            function.text("name", name);
            function.text("arguments", arguments);
        });
    });
}

/// Whether the client's tool of this name takes free text.
fn takes_free_text(echo: &RequestEcho, name: &str) -> bool {
    echo.client_tools.get(name).is_some_and(|tool| tool.form == ToolForm::FreeText)
}

/// A call with free text. Arguments of another shape, as of a call that was cut, stay a call of a function.
fn write_free_text_call(index: usize, id: &str, name: &str, arguments: &str, out: &mut Vec<u8>) {
    let Some(input) = unwrap_free_text(arguments) else { return write_call(index, id, name, arguments, out) };
    write_object(out, |call| {
        call.number("index", index as u64);
        call.text("id", id);
        call.escaped("type", "custom");
        call.object("custom", |custom| {
            custom.text("name", name);
            custom.text("input", &input);
        });
    });
}

/// One detail, which belongs to the block of reasoning with its index: pieces of text, then the signature, as OpenRouter
/// streams them.
fn write_details(delta: &mut ObjectWriter<'_>, write: impl Fn(&mut Vec<u8>)) {
    delta.array("reasoning_details", [()], |out, ()| write(out));
}

/// Reasoning with its signature, as OpenRouter has it.
fn write_reasoning_text(text: &str, signature: Option<&str>, index: usize, out: &mut Vec<u8>) {
    write_object(out, |detail| {
        detail.escaped("type", "reasoning.text");
        detail.text("text", text);
        detail.text_or_null("signature", signature);
        detail.number("index", index as u64);
    });
}

fn write_redacted_reasoning(data: &str, index: usize, out: &mut Vec<u8>) {
    write_object(out, |detail| {
        detail.escaped("type", "reasoning.encrypted");
        detail.text("data", data);
        detail.number("index", index as u64);
    });
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
    let finish = events.iter().rev().find_map(ResponseEvent::finish_reason);
    let mut out = Vec::with_capacity(512 + message.text.len() + message.reasoning.len());
    write_object(&mut out, |body| {
        write_head(echo, id, model, "chat.completion", body);
        body.array("choices", [&message], |out, message| {
            write_object(out, |choice| {
                choice.raw("index", "0");
                choice.object("message", |body| message.write(echo, body));
                choice.raw("logprobs", "null");
                choice.escaped("finish_reason", finish_reason_name(finish, !message.calls.is_empty()));
            });
        });
        if let Some(usage) = events.iter().rev().find_map(ResponseEvent::usage) {
            body.raw("usage", usage.to_json(Api::ChatCompletions));
        }
    });
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

    fn write(&self, echo: &RequestEcho, body: &mut ObjectWriter<'_>) {
        let has_text = !self.text.is_empty() || (self.calls.is_empty() && self.refusal.is_empty());
        body.escaped("role", "assistant");
        body.text_or_null("content", has_text.then_some(&*self.text));
        body.text_or_null("refusal", (!self.refusal.is_empty()).then_some(&*self.refusal));
        if !self.reasoning.is_empty() {
            body.text("reasoning_content", &self.reasoning);
        }
        if !self.reasoning_details.is_empty() {
            let details = self.reasoning_details.iter().enumerate();
            body.array("reasoning_details", details, |out, (index, detail)| match detail {
                ReasoningDetail::Signed { text, signature } => {
                    write_reasoning_text(text, *signature, index, out);
                }
                ReasoningDetail::Redacted(data) => write_redacted_reasoning(data, index, out),
            });
        }
        if !self.calls.is_empty() {
            body.array("tool_calls", self.calls.iter().enumerate(), |out, (index, call)| {
                let write = if takes_free_text(echo, call.name) { write_free_text_call } else { write_call };
                write(index, call.id, call.name, &call.arguments, out);
            });
        }
    }
}
