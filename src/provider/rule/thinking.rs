//! The thinking that a request asks for, in any of the spellings: `thinking` of Kimi and Anthropic,
//! `reasoning_effort` of OpenAI, `output_config.effort` of Anthropic, `reasoning` of OpenRouter and Responses.

use serde_json::{Map, Value};

use super::draft::RequestDraft;
use crate::catalog::ThinkingLevel;
use crate::protocol::api::Api;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThinkingRequest {
    Unspecified,
    Off,
    /// The model decides how much.
    On,
    /// This much; never [`ThinkingLevel::Off`] or [`ThinkingLevel::Adaptive`].
    Level(ThinkingLevel),
}

impl ThinkingRequest {
    pub(crate) const fn level(self) -> Option<ThinkingLevel> {
        match self {
            Self::Unspecified => None,
            Self::Off => Some(ThinkingLevel::Off),
            Self::On => Some(ThinkingLevel::Adaptive),
            Self::Level(level) => Some(level),
        }
    }
}

impl From<ThinkingLevel> for ThinkingRequest {
    fn from(level: ThinkingLevel) -> Self {
        match level {
            ThinkingLevel::Off => Self::Off,
            ThinkingLevel::Adaptive => Self::On,
            level => Self::Level(level),
        }
    }
}

/// The synonyms are those of Kimi Code's model page (2026-09) and of `OpenClaw`'s configuration.
fn parse_word(word: &str) -> ThinkingRequest {
    use ThinkingLevel as L;
    match word.to_ascii_lowercase().as_str() {
        "none" | "off" | "disabled" | "disable" | "false" => ThinkingRequest::Off,
        "on" | "enabled" | "enable" | "true" | "adaptive" | "auto" => ThinkingRequest::On,
        "minimal" | "minimum" | "light" => ThinkingRequest::Level(L::Minimal),
        "low" => ThinkingRequest::Level(L::Low),
        "medium" => ThinkingRequest::Level(L::Medium),
        "high" => ThinkingRequest::Level(L::High),
        "xhigh" => ThinkingRequest::Level(L::Xhigh),
        "max" | "ultra" => ThinkingRequest::Level(L::Max),
        _ => ThinkingRequest::Unspecified,
    }
}

/// The value of `thinking`, `reasoning_effort` or one of their members.
pub(crate) fn parse_value(value: Option<&Value>) -> ThinkingRequest {
    match value {
        Some(Value::Bool(true)) => ThinkingRequest::On,
        Some(Value::Bool(false)) => ThinkingRequest::Off,
        Some(Value::String(word)) => parse_word(word),
        Some(Value::Object(members)) => parse_members(members),
        _ => ThinkingRequest::Unspecified,
    }
}

/// `thinking {type, effort}` and `reasoning {enabled, effort, max_tokens}` in one.
fn parse_members(members: &Map<String, Value>) -> ThinkingRequest {
    let switch = match parse_value(members.get("type").or_else(|| members.get("enabled"))) {
        ThinkingRequest::Off => return ThinkingRequest::Off,
        other => other,
    };
    match parse_value(members.get("effort").filter(|effort| effort.is_string())) {
        ThinkingRequest::Unspecified if members.get("max_tokens").is_some_and(Value::is_number) => {
            ThinkingRequest::On
        }
        ThinkingRequest::Unspecified => switch,
        effort => effort,
    }
}

/// The thinking fields of a draft.
pub(crate) struct ThinkingFields {
    pub(crate) thinking: Option<Value>,
    /// `reasoning_effort`; of messages `output_config.effort`.
    pub(crate) effort: Option<Value>,
    pub(crate) reasoning: Option<Value>,
}

impl ThinkingFields {
    pub(crate) fn read(draft: &RequestDraft<'_>) -> Self {
        let read = |key| draft.parsed_value::<Value>(key);
        match draft.body().api {
            Api::ChatCompletions => Self {
                thinking: read("thinking"),
                effort: read("reasoning_effort"),
                reasoning: read("reasoning"),
            },
            Api::Messages => Self {
                thinking: read("thinking"),
                effort: read("output_config").and_then(|config| config.get("effort").cloned()),
                reasoning: None,
            },
            Api::Responses => Self { thinking: None, effort: None, reasoning: read("reasoning") },
        }
    }

    /// Their combined meaning: `thinking` decides between on and off, the effort how much.
    pub(crate) fn resolve(&self) -> ThinkingRequest {
        let thinking = parse_value(self.thinking.as_ref());
        let effort = parse_value(self.effort.as_ref());
        let reasoning = parse_value(self.reasoning.as_ref());
        match (thinking, effort, reasoning) {
            (ThinkingRequest::Off, ..) => ThinkingRequest::Off,
            (ThinkingRequest::On | ThinkingRequest::Level(_), ThinkingRequest::Level(level), _) => {
                ThinkingRequest::Level(level)
            }
            (ThinkingRequest::Level(level), ..) => ThinkingRequest::Level(level),
            (ThinkingRequest::On, _, ThinkingRequest::Level(level)) => ThinkingRequest::Level(level),
            (ThinkingRequest::On, ..) => ThinkingRequest::On,
            (ThinkingRequest::Unspecified, ThinkingRequest::Unspecified, reasoning) => reasoning,
            (ThinkingRequest::Unspecified, effort, _) => effort,
        }
    }

    pub(crate) fn thinking_type(&self) -> Option<&str> {
        self.thinking.as_ref()?.get("type")?.as_str()
    }

    /// `thinking.type`, if `thinking` is an object with only these members.
    pub(crate) fn type_if_only(&self, members: &[&str]) -> Option<&str> {
        let object = self.thinking.as_ref()?.as_object()?;
        let has_only = object.keys().all(|key| members.contains(&key.as_str()));
        has_only.then(|| self.thinking_type()).flatten()
    }
}
