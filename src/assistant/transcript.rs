//! The format of session files: JSON lines, a header followed by entries.
//!
//! The format is that of OpenClaw's transcripts (version 3), so that programs that read those can read these.

pub mod reader;

use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::protocol::amount::Amount;

/// The format version written.
pub const VERSION: u32 = 3;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
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
        #[serde(rename = "modelId")]
        model_id: String,
    },
    /// The following turns use another thinking level.
    ThinkingLevelChange {
        /// Position in the file.
        #[serde(flatten)]
        meta: EntryMeta,
        /// As `--thinking` takes it.
        #[serde(rename = "thinkingLevel")]
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
        #[serde(rename = "tokensBefore")]
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

/// Usage of an answer in tokens, and its cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerUsage {
    /// Uncached input.
    pub input: u64,
    /// Output, including reasoning.
    pub output: u64,
    /// Input read from the provider's cache.
    pub cache_read: u64,
    /// Input written to the provider's cache.
    pub cache_write: u64,
    /// Sum of the four.
    pub total_tokens: u64,
    /// In the account's currency; `None` if no price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<AnswerCosts>,
}

/// Cost of an answer by kind of token, in units of one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerCosts {
    /// Uncached input.
    #[serde(with = "units")]
    pub input: Amount,
    /// Output, including reasoning.
    #[serde(with = "units")]
    pub output: Amount,
    /// Input read from the provider's cache.
    #[serde(with = "units")]
    pub cache_read: Amount,
    /// Input written to the provider's cache.
    #[serde(with = "units")]
    pub cache_write: Amount,
    /// Total: the provider's own figure if reported, else the sum of the others.
    #[serde(with = "units")]
    pub total: Amount,
    /// The account's currency. USD is omitted, because OpenClaw supports dollars only.
    #[serde(default, skip_serializing_if = "Currency::is_dollar")]
    pub currency: Currency,
}

/// An amount as a JSON number.
mod units {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::protocol::amount::Amount;

    pub(super) fn serialize<S: Serializer>(amount: &Amount, into: S) -> Result<S::Ok, S::Error> {
        into.serialize_f64(amount.as_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Amount, D::Error> {
        let number = serde_json::Number::deserialize(from)?;
        Amount::parse(&number.to_string()).ok_or_else(|| D::Error::custom("a cost is a number from 0 on"))
    }
}

/// A code of ISO 4217; dollars where nothing else is answer. Amounts of two currencies are never added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// `USD`.
    pub const DOLLAR: Self = Self(*b"USD");

    /// Three capital letters; `None` for anything else.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let letters: [u8; 3] = code.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        // Letters of ASCII are text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether it is `USD`.
    #[must_use]
    pub fn is_dollar(&self) -> bool {
        *self == Self::DOLLAR
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self::DOLLAR
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let code = String::deserialize(from)?;
        Self::parse(&code).ok_or_else(|| D::Error::custom("a currency is three capital letters"))
    }
}

/// A list of blocks, or plain text. Blocks of other kinds (an image) are left out.
pub(super) fn read_content<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ContentBlock>, D::Error> {
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
pub(super) fn read_usage<'de, D: Deserializer<'de>>(from: D) -> Result<Option<AnswerUsage>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

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
