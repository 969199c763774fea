//! A turn's Messages request from the session's conversation. The same conversation gives the same bytes, so
//! that the provider's prompt cache matches.

use bytes::Bytes;
use serde_json::{Value, json};

use super::choice::ModelChoice;
use super::thinking;
use super::transcript::{ContentBlock, TranscriptMessage};

/// The request's parts besides the conversation.
#[derive(Clone, Copy, Default)]
pub(super) struct RequestContext<'t> {
    pub(super) system: Option<&'t str>,
    /// Definitions as in the Messages API.
    pub(super) tools: &'t [Value],
    /// The model may not call the tools any more.
    pub(super) are_calls_forbidden: bool,
    /// Of the conversation that was compacted.
    pub(super) summary: Option<&'t str>,
}

/// The body for a conversation that ends with a user message or a tool result.
pub(super) fn build_request(
    choice: &ModelChoice,
    context: RequestContext<'_>,
    conversation: &[TranscriptMessage],
) -> Bytes {
    let mut body =
        json!({ "model": choice.requested_model, "max_tokens": choice.max_tokens, "stream": true });
    if let Some(level) = choice.thinking {
        thinking::set_level(&mut body, level);
    }
    if let Some(system) = context.system {
        body["system"] = system.into();
    }
    if !context.tools.is_empty() {
        body["tools"] = context.tools.into();
        if context.are_calls_forbidden {
            body["tool_choice"] = json!({ "type": "none" });
        }
    }
    body["messages"] = build_messages(context.summary, conversation);
    body.to_string().into()
}

/// Merges consecutive messages of one role into one message of several blocks.
fn build_messages(summary: Option<&str>, conversation: &[TranscriptMessage]) -> Value {
    let summary = summary.map(|summary| format!("Summary of the conversation so far:\n\n{summary}"));
    let summary = summary.map(|text| ("user", vec![json!({ "type": "text", "text": text })]));
    let messages = conversation.iter().map(|message| match message {
        TranscriptMessage::User { content, .. } => ("user", render_blocks(content)),
        TranscriptMessage::Assistant(answer) => ("assistant", render_blocks(&answer.content)),
        TranscriptMessage::ToolResult { tool_call_id, content, is_error, .. } => {
            let content = render_blocks(content);
            let mut result =
                json!({ "type": "tool_result", "tool_use_id": tool_call_id, "content": content });
            if *is_error {
                result["is_error"] = true.into();
            }
            ("user", vec![result])
        }
    });
    let mut merged: Vec<(&str, Vec<Value>)> = Vec::new();
    for (role, blocks) in summary.into_iter().chain(messages) {
        match merged.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, before)) if *last == role => before.extend(blocks),
            _ => merged.push((role, blocks)),
        }
    }
    merged.into_iter().map(|(role, content)| json!({ "role": role, "content": content })).collect()
}

fn render_blocks(content: &[ContentBlock]) -> Vec<Value> {
    let blocks = content.iter().filter_map(|block| match block {
        ContentBlock::Text { text } if text.is_empty() => None,
        ContentBlock::Text { text } => Some(json!({ "type": "text", "text": text })),
        // Kimi accepts an empty signature for unsigned thinking.
        ContentBlock::Thinking { thinking, thinking_signature } => Some(json!({
            "type": "thinking",
            "thinking": thinking,
            "signature": thinking_signature.as_deref().unwrap_or_default(),
        })),
        ContentBlock::ToolCall { id, name, arguments } => {
            let input = if arguments.is_object() { arguments.clone() } else { json!({}) };
            Some(json!({ "type": "tool_use", "id": id, "name": name, "input": input }))
        }
    });
    blocks.collect()
}

#[cfg(test)]
mod tests;
