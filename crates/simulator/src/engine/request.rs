//! A request as the engine reads it: the body of a chat request, independent of the API that received it.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::engine::{from_messages, from_responses};
use crate::error_response::ErrorResponse;
use crate::models::{SimulatedModel, ThinkingMode};
use crate::provider::Api;
use crate::value::{list, text};

/// A parsed request.
#[derive(Debug)]
pub(crate) struct EngineRequest {
    /// The API that received the request.
    pub(crate) api: Api,
    /// The whole body, an object, as a chat request has it.
    pub(crate) body: Value,
    /// The body as it was sent, if another API than Chat Completions received it.
    pub(crate) original_body: Option<Value>,
    /// Bytes of the list of messages as it was sent; Kimi Code limits them.
    pub(crate) message_bytes: usize,
}

impl EngineRequest {
    /// Whether the model thinks in this request.
    pub(crate) fn is_thinking(&self, model: &SimulatedModel) -> bool {
        let is_off = self.thinking_type() == Some("disabled")
            || self.body["reasoning"]["enabled"] == false
            || self.body["reasoning"]["effort"] == "none";
        match model.thinking {
            ThinkingMode::Never => false,
            ThinkingMode::Always => true,
            ThinkingMode::Switch | ThinkingMode::Effort | ThinkingMode::Adaptive => !is_off,
            ThinkingMode::Budget => self.thinking_type() == Some("enabled"),
        }
    }

    /// Reads a body; lone surrogates, which `serde_json` refuses and the providers do not, become U+FFFD.
    ///
    /// # Errors
    /// A 400 for what is not a JSON object.
    pub(crate) fn read(api: Api, bytes: &[u8]) -> Result<Self, ErrorResponse> {
        let parsed = serde_json::from_slice::<Value>(bytes)
            .or_else(|_| serde_json::from_slice(&replace_lone_surrogates(bytes)));
        let Some(sent) = parsed.ok().filter(Value::is_object) else {
            return Err(ErrorResponse::bad_request(
                "Invalid request: failed to parse the request body as a JSON object",
            ));
        };
        let message_bytes = member_bytes(api.conversation_field(), bytes);
        let (body, sent) = match api {
            Api::ChatCompletions => (sent, None),
            Api::Messages => (from_messages::to_chat_request(&sent), Some(sent)),
            Api::Responses => (from_responses::to_chat_request(&sent), Some(sent)),
        };
        Ok(Self { api, body, original_body: sent, message_bytes })
    }

    /// The requested model id, empty when there is none.
    pub(crate) fn model(&self) -> &str {
        text(&self.body["model"])
    }

    /// A top-level value that is neither absent nor null.
    pub(crate) fn non_null(&self, key: &str) -> Option<&Value> {
        self.body.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn is_streaming(&self) -> bool {
        self.body["stream"] == true
    }

    /// Whether the client requested a closing usage chunk.
    pub(crate) fn wants_usage(&self) -> bool {
        self.body["stream_options"]["include_usage"] == true
    }

    pub(crate) fn messages(&self) -> &[Value] {
        list(&self.body["messages"])
    }

    pub(crate) fn tools(&self) -> &[Value] {
        list(&self.body["tools"])
    }

    pub(crate) fn thinking_type(&self) -> Option<&str> {
        self.body["thinking"]["type"].as_str()
    }

    /// The cap on output tokens: `max_completion_tokens` before the deprecated `max_tokens`.
    pub(crate) fn max_tokens(&self) -> Option<u64> {
        ["max_completion_tokens", "max_tokens"].into_iter().find_map(|key| self.body[key].as_u64())
    }

    /// The tokens of the prompt: about four bytes each; an image counts as 1,024 however long its data is.
    pub(crate) fn prompt_tokens(&self) -> u64 {
        let parts = self.messages().iter().chain(self.tools()).map(prompt_weight);
        let (bytes, images) = parts.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        (bytes.div_ceil(4) + images * 1024).max(1)
    }

    /// The number of tool calls in the history.
    pub(crate) fn past_tool_calls(&self) -> usize {
        self.messages().iter().map(|message| list(&message["tool_calls"]).len()).sum()
    }
}

/// A message's text: its content string, or its text parts with line breaks between them.
pub(crate) fn content_text(message: &Value) -> String {
    content_texts(message).join("\n")
}

/// A message's content string, or each of its text parts.
pub(crate) fn content_texts(message: &Value) -> Vec<&str> {
    match &message["content"] {
        Value::String(text) => vec![text],
        parts => list(parts).iter().filter_map(|part| part["text"].as_str()).collect(),
    }
}

/// The bytes and the images of a part of the prompt.
fn prompt_weight(value: &Value) -> (u64, u64) {
    let sum = |sum: (u64, u64), part: (u64, u64)| (sum.0 + part.0, sum.1 + part.1);
    match value {
        Value::String(text) if text.starts_with("data:") => (0, 1),
        Value::String(text) => (text.len() as u64, 0),
        Value::Array(items) => items.iter().map(prompt_weight).fold((0, 0), sum),
        Value::Object(members) => {
            let keys = members.keys().map(|key| key.len() as u64).sum();
            members.values().map(prompt_weight).fold((keys, 0), sum)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => (4, 0),
    }
}

fn member_bytes(list: &str, bytes: &[u8]) -> usize {
    let members = serde_json::from_slice::<HashMap<String, &RawValue>>(bytes);
    members.ok().and_then(|members| Some(members.get(list)?.get().len())).unwrap_or(0)
}

/// Replaces every `\uD800`..`\uDFFF` escape that has no partner by `\uFFFD`, which has the same length.
fn replace_lone_surrogates(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < out.len() {
        at += match (out.get(at), parse_unicode_escape(&out, at)) {
            (Some(b'\\'), Some(0xD800..0xDC00))
                if matches!(parse_unicode_escape(&out, at + 6), Some(0xDC00..0xE000)) =>
            {
                12
            }
            (Some(b'\\'), Some(unit)) => {
                if (0xD800..0xE000).contains(&unit)
                    && let Some(digits) = out.get_mut(at + 2..at + 6)
                {
                    digits.copy_from_slice(b"FFFD");
                }
                6
            }
            (Some(b'\\'), None) => 2,
            _ => 1,
        };
    }
    out
}

fn parse_unicode_escape(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(br"\u")?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
