//! Chat Completions, streamed and whole. The shapes are those of the OpenAI SDKs' `ChatCompletionChunk` and
//! `ChatCompletion`, with `reasoning_content` as Moonshot has it and `reasoning_details` as OpenRouter has them.

mod response;

pub(in crate::protocol::translate) use response::encode_response;

use super::primitives::{self, write_number, write_raw, write_string};
use crate::protocol::api::Api;
use crate::protocol::chunk::ChatChunk;
use crate::protocol::error::ErrorBody;
use crate::protocol::object::ObjectView;
use crate::protocol::sse::DONE;
use crate::protocol::translate::echo::RequestEcho;
use crate::protocol::translate::event::{FinishReason, ResponseEvent};
use crate::protocol::usage::TokenUsage;

/// See the module.
#[derive(Debug)]
pub(super) struct ChatEncoder {
    echo: RequestEcho,
    /// The start of every chunk, up to `choices`; empty until the response starts.
    head: Vec<u8>,
    /// Calls so far.
    call_count: usize,
    /// The index of the first call of the part that is written now.
    first_call: usize,
    finish_reason: Option<FinishReason>,
    usage: Option<TokenUsage>,
    stage: ChatStage,
}

/// The progress of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ChatStage {
    Open,
    /// A `finish_reason` was forwarded directly.
    FinishSent,
    /// And so did the usage.
    UsageSent,
    /// `[DONE]`.
    Done,
}

impl ChatEncoder {
    pub(super) const fn new(echo: RequestEcho) -> Self {
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

    pub(super) fn write(&mut self, event: &ResponseEvent, out: &mut Vec<u8>) {
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
            ResponseEvent::ReasoningSignature(seal) => self.write_delta(out, |out| {
                write_raw(out, "\"reasoning_details\":[");
                write_signed_reasoning("", Some(seal), 0, out);
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

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
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

    pub(super) fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        if self.stage != ChatStage::Done {
            self.stage = ChatStage::Done;
            out.extend_from_slice(&error.render_chat_stream_end());
        }
    }

    pub(super) fn observe_payload(&mut self, payload: &[u8]) {
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
    let made =
        if id.starts_with("gen-") { id.to_owned() } else { primitives::make_id("chatcmpl-", id, &echo.id) };
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
fn write_signed_reasoning(text: &str, seal: Option<&str>, index: usize, out: &mut Vec<u8>) {
    write_raw(out, "{\"type\":\"reasoning.text\",\"text\":");
    write_string(out, text);
    write_raw(out, ",\"signature\":");
    match seal {
        Some(seal) => write_string(out, seal),
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

/// `finish_reason`.
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
