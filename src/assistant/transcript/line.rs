//! A line of a session file: the header, an entry, a message.

use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::assistant::usage::AnswerUsage;
use crate::record::to_unix_millis;

/// The format version written.
pub const VERSION: u32 = 3;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum TranscriptLine {
    /// The header, which is the first line.
    Session {
        /// [`VERSION`]; absent in files of version 1.
        #[serde(default = "first_version")]
        version: u32,
        /// The session's id.
        #[serde(default)]
        id: String,
        /// RFC 3339, UTC, milliseconds.
        #[serde(default)]
        timestamp: String,
        /// The working directory in which the session was created.
        #[serde(default)]
        cwd: String,
    },
    /// The following turns use another model.
    ModelChange {
        /// Position in the file.
        #[serde(flatten)]
        meta: EntryMeta,
        /// A provider's id.
        provider: String,
        /// The provider's id of the model.
        model_id: String,
    },
    /// The following turns use another thinking level.
    ThinkingLevelChange {
        /// Position in the file.
        #[serde(flatten)]
        meta: EntryMeta,
        /// As `--thinking` takes it.
        thinking_level: String,
    },
    /// A message of the user, the model or a tool.
    Message {
        /// Position in the file.
        #[serde(flatten)]
        meta: EntryMeta,
        /// The message.
        message: TranscriptMessage,
    },
    /// The context was replaced by a summary (`/compact`), or reset (`/reset`: an empty summary).
    Compaction {
        /// Position in the file.
        #[serde(flatten)]
        meta: EntryMeta,
        /// The summary written by a model; empty after a reset.
        summary: String,
        /// Size of the previous prompt, in tokens.
        tokens_before: u64,
    },
}

impl TranscriptLine {
    /// Position in the file; `None` for the header.
    #[must_use]
    pub const fn meta(&self) -> Option<&EntryMeta> {
        match self {
            Self::Session { .. } => None,
            Self::ModelChange { meta: at, .. }
            | Self::ThinkingLevelChange { meta: at, .. }
            | Self::Message { meta: at, .. }
            | Self::Compaction { meta: at, .. } => Some(at),
        }
    }
}

const fn first_version() -> u32 {
    1
}

/// An entry's position in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryMeta {
    /// Unique within the session.
    pub id: String,
    /// The previous entry's id; `None` for the first entry.
    pub parent_id: Option<String>,
    /// RFC 3339, UTC, milliseconds; OpenClaw omits it in some entries.
    #[serde(default)]
    pub timestamp: String,
}

/// A message, by role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "camelCase")]
pub enum TranscriptMessage {
    /// A user message.
    User {
        /// Text.
        #[serde(deserialize_with = "read_content")]
        content: Vec<ContentBlock>,
        /// Milliseconds since 1970.
        #[serde(default)]
        timestamp: u64,
    },
    /// A model's answer.
    Assistant(Box<AssistantMessage>),
    /// The result of a tool call.
    #[serde(rename_all = "camelCase")]
    ToolResult {
        /// The call's id.
        tool_call_id: String,
        /// The tool's name.
        tool_name: String,
        /// Text.
        #[serde(deserialize_with = "read_content")]
        content: Vec<ContentBlock>,
        /// Whether the call failed.
        #[serde(default)]
        is_error: bool,
        /// Milliseconds since 1970.
        #[serde(default)]
        timestamp: u64,
    },
}

impl TranscriptMessage {
    /// A user message of now.
    pub(in crate::assistant) fn user(text: String) -> Self {
        Self::User { content: vec![ContentBlock::Text { text }], timestamp: now_millis() }
    }
}

/// Milliseconds since 1970.
pub(in crate::assistant) fn now_millis() -> u64 {
    to_unix_millis(SystemTime::now())
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ContentBlock {
    /// A text block.
    Text {
        /// The text.
        text: String,
    },
    /// A thinking block.
    Thinking {
        /// The text.
        thinking: String,
        /// The signature by which the provider verifies the block; opaque.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thinking_signature: Option<String>,
    },
    /// A tool call.
    ToolCall {
        /// The provider's id; opaque.
        id: String,
        /// The tool's name.
        name: String,
        /// The arguments as the model wrote them, if they are JSON.
        arguments: Value,
    },
}

impl ContentBlock {
    /// The text of a text block.
    pub(in crate::assistant) fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            _ => None,
        }
    }
}

/// A model's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssistantMessage {
    /// Thinking, text and tool calls in order.
    #[serde(deserialize_with = "read_content")]
    pub content: Vec<ContentBlock>,
    /// The target's API format, as in `models.providers.<id>.api`.
    #[serde(default)]
    pub api: String,
    /// The provider that answered, or the first one attempted if none answered.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// `None` if the usage is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "read_usage")]
    pub usage: Option<AnswerUsage>,
    /// The stop reason.
    pub stop_reason: StopReason,
    /// The error, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub timestamp: u64,
    /// The provider's id of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
}

/// The reason an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StopReason {
    /// The answer is complete.
    Stop,
    /// The output limit was reached.
    Length,
    /// The model called tools.
    ToolUse,
    /// The request failed.
    Error,
    /// The user stopped the answer.
    Aborted,
}

/// A list of blocks, or plain text. Blocks of other kinds (an image) are left out.
fn read_content<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ContentBlock>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Content {
        Text(String),
        Blocks(Vec<Value>),
    }
    Ok(match Content::deserialize(from)? {
        Content::Text(text) => vec![ContentBlock::Text { text }],
        Content::Blocks(blocks) => {
            blocks.into_iter().filter_map(|block| serde_json::from_value(block).ok()).collect()
        }
    })
}

/// The usage, or `None` if it is in an unknown format: the answer matters more than its price.
fn read_usage<'de, D: Deserializer<'de>>(from: D) -> Result<Option<AnswerUsage>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::amount::Amount;

    #[test]
    fn line_has_the_format_of_openclaw() {
        let line = r#"{"type":"message","id":"b","parentId":"a","timestamp":"2026-11-21T17:48:48.282Z","message":{"role":"assistant","content":[{"type":"thinking","thinking":"..","thinkingSignature":"reasoning_content"},{"type":"text","text":".."}],"api":"openai-completions","provider":"moonshot","model":"kimi-k2.6","usage":{"input":600,"output":200,"cacheRead":400,"cacheWrite":0,"totalTokens":1200,"cost":{"input":0.00057,"output":0.0008,"cacheRead":0.000064,"cacheWrite":0.0,"total":0.001434}},"stopReason":"stop","timestamp":1795254128282,"responseId":"cmpl-1"}}"#;
        let read: TranscriptLine = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
        let TranscriptLine::Message { message: TranscriptMessage::Assistant(answer), .. } = read else {
            panic!("{line}")
        };
        assert_eq!(answer.usage.unwrap().cost.unwrap().total, Amount::parse("0.001434").unwrap());
    }
}
