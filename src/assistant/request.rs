//! A turn's Messages request from the session's conversation. The same conversation gives the same bytes, so
//! that the provider's prompt cache matches.

use serde::Serialize;
use serde_json::{Value, json};

use super::thinking;
use super::transcript::{ContentBlock, TranscriptMessage};
use crate::catalog::ThinkingLevel;

/// The body; fields are serialized in this order.
#[derive(Serialize)]
pub(super) struct MessagesRequest<'t> {
    pub(super) model: &'t str,
    pub(super) max_tokens: u64,
    pub(super) stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<&'t str>,
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    pub(super) tools: &'t [Value],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<Value>,
    messages: Vec<Value>,
}

impl<'t> MessagesRequest<'t> {
    /// Builds the request of a conversation that ends with a user message or a tool result.
    pub(super) fn new(
        model: &'t str,
        max_tokens: u64,
        level: Option<ThinkingLevel>,
        summary: Option<&str>,
        conversation: &[&TranscriptMessage],
    ) -> Self {
        let (thinking, output_config) = match level.map(thinking::request_fields) {
            Some((thinking, effort)) => (Some(thinking), effort),
            None => (None, None),
        };
        let messages = build_messages(summary, conversation);
        let (system, tools, tool_choice) = (None, [].as_slice(), None);
        Self {
            model,
            max_tokens,
            stream: true,
            thinking,
            output_config,
            system,
            tools,
            tool_choice,
            messages,
        }
    }

    /// Serializes the request as JSON.
    pub(super) fn to_bytes(&self) -> bytes::Bytes {
        // Serializing a tree of strings and numbers cannot fail.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

/// Merges consecutive messages of one role into one message of several blocks.
fn build_messages(summary: Option<&str>, conversation: &[&TranscriptMessage]) -> Vec<Value> {
    let mut out: Vec<(&str, Vec<Value>)> = Vec::new();
    let mut add = |role: &'static str, blocks: Vec<Value>| {
        if blocks.is_empty() {
            return;
        }
        match out.last_mut() {
            Some((last, before)) if *last == role => before.extend(blocks),
            _ => out.push((role, blocks)),
        }
    };
    if let Some(summary) = summary.filter(|summary| !summary.is_empty()) {
        add("user", vec![text_block(&format!("Summary of the conversation so far:\n\n{summary}"))]);
    }
    for (place, message) in conversation.iter().enumerate() {
        match message {
            TranscriptMessage::User { content, .. } => {
                add("user", content.iter().filter_map(block_text).collect())
            }
            TranscriptMessage::Assistant(answer) => {
                let rest = conversation.get(place + 1..).unwrap_or_default();
                add("assistant", assistant_content(&answer.content, rest));
            }
            TranscriptMessage::ToolResult { tool_call_id, content, is_error, .. } => {
                let content: Vec<Value> = content.iter().filter_map(block_text).collect();
                let mut result =
                    json!({"type": "tool_result", "tool_use_id": tool_call_id, "content": content});
                if *is_error {
                    result["is_error"] = true.into();
                }
                add("user", vec![result]);
            }
        }
    }
    out.into_iter().map(|(role, content)| json!({"role": role, "content": content})).collect()
}

fn text_block(words: &str) -> Value {
    json!({"type": "text", "text": words})
}

fn block_text(block: &ContentBlock) -> Option<Value> {
    match block {
        ContentBlock::Text { text } if !text.is_empty() => Some(self::text_block(text)),
        _ => None,
    }
}

/// The model's blocks. Tool calls without a result and thinking without following content are left out, because
/// providers reject both.
fn assistant_content(content: &[ContentBlock], rest: &[&TranscriptMessage]) -> Vec<Value> {
    let answered = |wanted: &str| {
        let of_turn =
            rest.iter().take_while(|message| matches!(message, TranscriptMessage::ToolResult { .. }));
        of_turn.into_iter().any(
            |message| matches!(message, TranscriptMessage::ToolResult { tool_call_id, .. } if tool_call_id == wanted),
        )
    };
    let mut is_said = false;
    let mut out = Vec::new();
    for block in content {
        match block {
            ContentBlock::Text { text } if !text.is_empty() => {
                is_said = true;
                out.push(self::text_block(text));
            }
            ContentBlock::ToolCall { id, name, arguments } if answered(id) => {
                is_said = true;
                let input = if arguments.is_object() { arguments.clone() } else { json!({}) };
                out.push(json!({"type": "tool_use", "id": id, "name": name, "input": input}));
            }
            // Kimi accepts an empty signature for unsigned thinking.
            ContentBlock::Thinking { thinking, thinking_signature } => out.push(json!({
                "type": "thinking",
                "thinking": thinking,
                "signature": thinking_signature.as_deref().unwrap_or_default(),
            })),
            ContentBlock::Text { .. } | ContentBlock::ToolCall { .. } => {}
        }
    }
    if is_said { out } else { Vec::new() }
}

#[cfg(test)]
mod tests;
