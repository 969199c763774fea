//! A request as the engine reads it: the body of a chat request, independent of the API that received it.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::api::{messages_request, responses_request};
use crate::engine::list;
use crate::error_response::ErrorResponse;
use crate::models::{SimulatedModel, ThinkingMode};
use crate::provider::Api;

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
    /// Whether the model thinks in this self.
    pub(crate) fn is_thinking(&self, model: &SimulatedModel) -> bool {
        let off = match model.vendor {
            "Moonshot AI" => {
                self.thinking_type() == Some("disabled")
                    || self.body.pointer("/reasoning/enabled") == Some(&Value::Bool(false))
                    || self.body.pointer("/reasoning/effort").and_then(Value::as_str) == Some("none")
            }
            _ => true,
        };
        match model.thinking {
            ThinkingMode::Never => false,
            ThinkingMode::Always => true,
            ThinkingMode::Switch | ThinkingMode::Effort => !off,
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
            Api::Messages => (messages_request::to_chat_request(&sent), Some(sent)),
            Api::Responses => (responses_request::to_chat_request(&sent), Some(sent)),
        };
        Ok(Self { api, body, original_body: sent, message_bytes })
    }

    /// The requested model id, empty when there is none.
    pub(crate) fn model(&self) -> &str {
        self.string_member("model").unwrap_or_default()
    }

    /// A top-level string.
    pub(crate) fn string_member(&self, key: &str) -> Option<&str> {
        self.body.get(key).and_then(Value::as_str)
    }

    /// A top-level value that is neither absent nor null.
    pub(crate) fn non_null(&self, key: &str) -> Option<&Value> {
        self.body.get(key).filter(|value| !value.is_null())
    }

    /// Whether the answer is to be streamed.
    pub(crate) fn is_streaming(&self) -> bool {
        self.body.get("stream").and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whether the client requested a closing usage chunk.
    pub(crate) fn wants_usage(&self) -> bool {
        self.body.pointer("/stream_options/include_usage").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The messages; empty if they are missing or not a list.
    pub(crate) fn messages(&self) -> &[Value] {
        list(self.body.get("messages"))
    }

    /// The tools; empty if they are missing.
    pub(crate) fn tools(&self) -> &[Value] {
        list(self.body.get("tools"))
    }

    /// `thinking.type`.
    pub(crate) fn thinking_type(&self) -> Option<&str> {
        self.body.pointer("/thinking/type").and_then(Value::as_str)
    }

    /// The cap on output tokens: `max_completion_tokens` before the deprecated `max_tokens`.
    pub(crate) fn max_tokens(&self) -> Option<u64> {
        ["max_completion_tokens", "max_tokens"].into_iter().find_map(|key| self.non_null(key)?.as_u64())
    }

    /// What the prompt weighs in tokens: about four bytes each; an image counts as 1,024 however long its data is.
    pub(crate) fn prompt_tokens(&self) -> u64 {
        let mut weight = PromptWeight::default();
        self.messages().iter().for_each(|message| weight.add(message));
        self.tools().iter().for_each(|tool| weight.add(tool));
        (weight.bytes.div_ceil(4) + weight.images * 1024).max(1)
    }

    /// How many tool calls the history shows.
    pub(crate) fn past_tool_calls(&self) -> usize {
        self.messages().iter().map(|message| list(message.get("tool_calls")).len()).sum()
    }
}

/// A message's text: its content string, or its text parts with line breaks between them.
pub(crate) fn content_text(message: &Value) -> String {
    content_texts(message).join("\n")
}

/// A message's content string, or each of its text parts.
pub(crate) fn content_texts(message: &Value) -> Vec<String> {
    match message.get("content") {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(parts)) => {
            let text = |part: &Value| part.get("text").and_then(Value::as_str).map(str::to_owned);
            parts.iter().filter_map(text).collect()
        }
        _ => Vec::new(),
    }
}

#[derive(Default)]
struct PromptWeight {
    bytes: u64,
    images: u64,
}

impl PromptWeight {
    fn add(&mut self, value: &Value) {
        match value {
            Value::String(text) if text.starts_with("data:") => self.images += 1,
            Value::String(text) => self.bytes += text.len() as u64,
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(members) => members.iter().for_each(|(key, item)| {
                self.bytes += key.len() as u64;
                self.add(item);
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => self.bytes += 4,
        }
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
        if out.get(at) != Some(&b'\\') {
            at += 1;
            continue;
        }
        let Some(unit) = parse_unicode_escape(&out, at) else {
            at += 2;
            continue;
        };
        let paired = (0xD800..0xDC00).contains(&unit)
            && parse_unicode_escape(&out, at + 6).is_some_and(|low| (0xDC00..0xE000).contains(&low));
        if paired {
            at += 12;
            continue;
        }
        if (0xD800..0xE000).contains(&unit)
            && let Some(digits) = out.get_mut(at + 2..at + 6)
        {
            digits.copy_from_slice(b"FFFD");
        }
        at += 6;
    }
    out
}

fn parse_unicode_escape(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6)?;
    let digits = escape.strip_prefix(br"\u")?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
