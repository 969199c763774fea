//! The thinking that a request asks for, in any of the spellings: `thinking` of Kimi and Anthropic,
//! `reasoning_effort` of OpenAI, `output_config.effort` of Anthropic, `reasoning` of OpenRouter and responses.

use serde_json::{Map, Value};

use super::draft::RequestDraft;
use super::parameters;
use super::rules::{self, Rule};
use crate::catalog::ThinkingLevel;
use crate::protocol::api::Api;

/// The requested thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum ThinkingRequest {
    /// Nothing.
    Unspecified,
    /// No thinking.
    Off,
    /// Thinking, as much as the model thinks fit.
    On,
    /// This much; never [`ThinkingLevel::Off`] or [`ThinkingLevel::Adaptive`].
    Level(ThinkingLevel),
}

impl ThinkingRequest {
    /// In the words of the configuration.
    pub(in crate::provider) const fn level(self) -> Option<ThinkingLevel> {
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

/// A wish by its word. The synonyms are those of Kimi Code's model page (2026-09) and of `OpenClaw`'s configuration.
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

/// What `thinking`, `reasoning_effort` or one of their members says.
pub(in crate::provider) fn parse_value(value: Option<&Value>) -> ThinkingRequest {
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

/// The requested thinking over an API other than chat, and the rule to record for the edits that follow from
/// it. The client's value comes first, then that of `params`, then `thinkingDefault`.
pub(in crate::provider) fn resolve_thinking(draft: &RequestDraft<'_>) -> (ThinkingRequest, Rule) {
    let spelled = ThinkingFields::read(draft);
    if spelled.resolve() != ThinkingRequest::Unspecified {
        return (spelled.resolve(), rules::THINKING);
    }
    match (read_params(draft), draft.request().default_thinking) {
        (ThinkingRequest::Unspecified, Some(level)) => (level.into(), rules::THINKING_DEFAULT),
        (ThinkingRequest::Unspecified, None) => (ThinkingRequest::Unspecified, rules::THINKING),
        (wish, _) => (wish, rules::PARAMS),
    }
}

/// `params` are written for chat: `thinking`, `reasoning_effort` and `reasoning` in one.
fn read_params(draft: &RequestDraft<'_>) -> ThinkingRequest {
    let mut flat = Vec::new();
    parameters::flatten(draft.request().params, &mut flat);
    let of = |key: &str| flat.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    let spelled = ThinkingFields {
        thinking: of("thinking"),
        effort: of("reasoning_effort"),
        reasoning: of("reasoning"),
    };
    spelled.resolve()
}

/// The spellings as they stand in a draft.
pub(in crate::provider) struct ThinkingFields {
    /// `thinking`.
    pub(in crate::provider) thinking: Option<Value>,
    /// `reasoning_effort`; of messages `output_config.effort`.
    pub(in crate::provider) effort: Option<Value>,
    /// `reasoning`.
    pub(in crate::provider) reasoning: Option<Value>,
}

impl ThinkingFields {
    /// As they stand now.
    pub(in crate::provider) fn read(draft: &RequestDraft<'_>) -> Self {
        let read = |key| draft.value(key).and_then(|text| serde_json::from_slice::<Value>(text).ok());
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

    /// What they ask for together: an explicit `thinking` decides between on and off, the effort how much.
    pub(in crate::provider) fn resolve(&self) -> ThinkingRequest {
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

    /// `thinking.type`, where `thinking` is an object of nothing but these members.
    pub(in crate::provider) fn type_if_only(&self, members: &[&str]) -> Option<&str> {
        let object = self.thinking.as_ref()?.as_object()?;
        if !object.keys().all(|key| members.contains(&key.as_str())) {
            return None;
        }
        object.get("type")?.as_str()
    }

    /// `thinking.keep`.
    pub(in crate::provider) fn keep(&self) -> Option<&Value> {
        self.thinking.as_ref()?.get("keep")
    }
}
