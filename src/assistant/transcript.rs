//! What stands in a session's file: JSON lines, the first of them the header, each of the others an entry.
//!
//! The shape is that of OpenClaw's transcripts (version 3), so that what reads those reads ours.

pub(super) mod content;
pub mod currency;
pub mod reader;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::currency::Currency;
use crate::protocol::amount::Amount;

/// The version of the shape that is written.
pub const VERSION: u32 = 3;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TranscriptLine {
    /// The first one.
    Session {
        /// [`VERSION`]; the first version wrote none.
        #[serde(default = "first_version")]
        version: u32,
        /// The session's id.
        #[serde(default)]
        id: String,
        /// RFC 3339, UTC, milliseconds.
        #[serde(default)]
        timestamp: String,
        /// Where the session was begun.
        #[serde(default)]
        cwd: String,
    },
    /// From here on another model is asked.
    ModelChange {
        /// Where it stands.
        #[serde(flatten)]
        meta: EntryMeta,
        /// A provider's id.
        provider: String,
        /// The model's id there.
        #[serde(rename = "modelId")]
        model_id: String,
    },
    /// From here on the model thinks more, or less.
    ThinkingLevelChange {
        /// Where it stands.
        #[serde(flatten)]
        meta: EntryMeta,
        /// As `--thinking` takes it.
        #[serde(rename = "thinkingLevel")]
        thinking_level: String,
    },
    /// Somebody said something.
    Message {
        /// Where it stands.
        #[serde(flatten)]
        meta: EntryMeta,
        /// What.
        message: TranscriptMessage,
    },
    /// What was said before was replaced by a summary (`/compact`), or forgotten (`/reset`: an empty one).
    Compaction {
        /// Where it stands.
        #[serde(flatten)]
        meta: EntryMeta,
        /// In the words of a model; empty: nothing is kept.
        summary: String,
        /// The whole prompt before it, in tokens.
        #[serde(rename = "tokensBefore")]
        tokens_before: u64,
    },
}

impl TranscriptLine {
    /// Where it stands; the header stands nowhere.
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

/// An entry's place in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryMeta {
    /// Unique within the session.
    pub id: String,
    /// The entry before it; `None` of the first.
    pub parent_id: Option<String>,
    /// RFC 3339, UTC, milliseconds; OpenClaw leaves it out of some.
    #[serde(default)]
    pub timestamp: String,
}

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "camelCase")]
pub enum TranscriptMessage {
    /// The person.
    User {
        /// Text.
        #[serde(deserialize_with = "content::read")]
        content: Vec<ContentBlock>,
        /// Milliseconds since 1970.
        #[serde(default)]
        timestamp: u64,
    },
    /// The model.
    Assistant(Box<AssistantMessage>),
    /// A tool that the model called.
    #[serde(rename_all = "camelCase")]
    ToolResult {
        /// The call's id.
        tool_call_id: String,
        /// The tool.
        tool_name: String,
        /// Text.
        #[serde(deserialize_with = "content::read")]
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
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// What the model thought before them.
    Thinking {
        /// The words.
        thinking: String,
        /// What lets the provider recognise them; opaque.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thinking_signature: Option<String>,
    },
    /// It wants a tool called.
    ToolCall {
        /// The provider's id; opaque.
        id: String,
        /// The tool.
        name: String,
        /// As the model wrote them, where that is JSON.
        arguments: Value,
    },
}

/// What a model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssistantMessage {
    /// Thinking, text and calls in their order.
    #[serde(deserialize_with = "content::read")]
    pub content: Vec<ContentBlock>,
    /// The face in which the target was asked, as `models.providers.<id>.api` names it.
    #[serde(default)]
    pub api: String,
    /// The provider that answered; of a turn that nobody answered the one that was asked first.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// `None` where nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "content::usage")]
    pub usage: Option<AnswerUsage>,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// What went wrong, where something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub timestamp: u64,
    /// The provider's id of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StopReason {
    /// It was complete.
    Stop,
    /// The output limit.
    Length,
    /// It wants tools called.
    ToolUse,
    /// It failed.
    Error,
    /// The person stopped it.
    Aborted,
}

/// What an answer used, in tokens, and what that costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerUsage {
    /// Uncached.
    pub input: u64,
    /// Reasoning included.
    pub output: u64,
    /// From the provider's cache.
    pub cache_read: u64,
    /// Into it.
    pub cache_write: u64,
    /// All four.
    pub total_tokens: u64,
    /// In the account's currency; `None` where no price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<AnswerCosts>,
}

/// What an answer costs, by kind of token, in units of one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerCosts {
    /// Uncached.
    #[serde(with = "units")]
    pub input: Amount,
    /// Reasoning included.
    #[serde(with = "units")]
    pub output: Amount,
    /// From the provider's cache.
    #[serde(with = "units")]
    pub cache_read: Amount,
    /// Into it.
    #[serde(with = "units")]
    pub cache_write: Amount,
    /// All of it: the provider's own figure where it told one, else the sum of the others.
    #[serde(with = "units")]
    pub total: Amount,
    /// Of the account. OpenClaw knows dollars only, so they are not written.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_openclaw_writes_it() {
        let line = r#"{"type":"message","id":"b","parentId":"a","timestamp":"2026-11-21T17:48:48.282Z","message":{"role":"assistant","content":[{"type":"thinking","thinking":"..","thinkingSignature":"reasoning_content"},{"type":"text","text":".."}],"api":"openai-completions","provider":"moonshot","model":"kimi-k2.6","usage":{"input":600,"output":200,"cacheRead":400,"cacheWrite":0,"totalTokens":1200,"cost":{"input":0.00057,"output":0.0008,"cacheRead":0.000064,"cacheWrite":0.0,"total":0.001434}},"stopReason":"stop","timestamp":1795254128282,"responseId":"cmpl-1"}}"#;
        let read: TranscriptLine = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
        let TranscriptLine::Message { message: TranscriptMessage::Assistant(said), .. } = read else {
            panic!("{line}")
        };
        assert_eq!(said.usage.unwrap().cost.unwrap().total, Amount::parse("0.001434").unwrap());
    }
}
