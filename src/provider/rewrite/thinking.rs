//! What a request asks of the model's thinking, whichever of the spellings it uses: Kimi's and Anthropic's `thinking`,
//! OpenAI's `reasoning_effort`, Anthropic's `output_config.effort`, OpenRouter's and responses' `reasoning`.

use serde_json::{Map, Value};

use super::draft::Draft;
use super::params;
use super::rules::{self, Rule};
use crate::catalog::ThinkingLevel;
use crate::protocol::face::Face;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum Wish {
    /// Nothing.
    Unsaid,
    /// No thinking.
    Off,
    /// Thinking, as much as the model thinks fit.
    On,
    /// This much; never [`ThinkingLevel::Off`] or [`ThinkingLevel::Adaptive`].
    Level(ThinkingLevel),
}

impl Wish {
    /// In the words of the configuration.
    pub(in crate::provider) const fn level(self) -> Option<ThinkingLevel> {
        match self {
            Self::Unsaid => None,
            Self::Off => Some(ThinkingLevel::Off),
            Self::On => Some(ThinkingLevel::Adaptive),
            Self::Level(level) => Some(level),
        }
    }
}

impl From<ThinkingLevel> for Wish {
    fn from(level: ThinkingLevel) -> Self {
        match level {
            ThinkingLevel::Off => Self::Off,
            ThinkingLevel::Adaptive => Self::On,
            level => Self::Level(level),
        }
    }
}

/// A wish by its word. The synonyms are those of Kimi Code's model page (2026-09) and of `OpenClaw`'s configuration.
fn by_word(word: &str) -> Wish {
    use ThinkingLevel as L;
    match word.to_ascii_lowercase().as_str() {
        "none" | "off" | "disabled" | "disable" | "false" => Wish::Off,
        "on" | "enabled" | "enable" | "true" | "adaptive" | "auto" => Wish::On,
        "minimal" | "minimum" | "light" => Wish::Level(L::Minimal),
        "low" => Wish::Level(L::Low),
        "medium" => Wish::Level(L::Medium),
        "high" => Wish::Level(L::High),
        "xhigh" => Wish::Level(L::Xhigh),
        "max" | "ultra" => Wish::Level(L::Max),
        _ => Wish::Unsaid,
    }
}

/// What `thinking`, `reasoning_effort` or one of their members says.
pub(in crate::provider) fn said(value: Option<&Value>) -> Wish {
    match value {
        Some(Value::Bool(true)) => Wish::On,
        Some(Value::Bool(false)) => Wish::Off,
        Some(Value::String(word)) => by_word(word),
        Some(Value::Object(members)) => said_by(members),
        _ => Wish::Unsaid,
    }
}

/// `thinking {type, effort}` and `reasoning {enabled, effort, max_tokens}` in one.
fn said_by(members: &Map<String, Value>) -> Wish {
    let switch = match said(members.get("type").or_else(|| members.get("enabled"))) {
        Wish::Off => return Wish::Off,
        other => other,
    };
    match said(members.get("effort").filter(|effort| effort.is_string())) {
        Wish::Unsaid if members.get("max_tokens").is_some_and(Value::is_number) => Wish::On,
        Wish::Unsaid => switch,
        effort => effort,
    }
}

/// What is wished for over a face other than chat, and the rule to name for what follows from it: the client's word, else
/// that of `params`, else `thinkingDefault`.
pub(in crate::provider) fn wished(draft: &Draft<'_>) -> (Wish, Rule) {
    let spelled = Spellings::of(draft);
    if spelled.wish() != Wish::Unsaid {
        return (spelled.wish(), rules::THINKING);
    }
    match (of_params(draft), draft.request().thinking) {
        (Wish::Unsaid, Some(level)) => (level.into(), rules::THINKING_DEFAULT),
        (Wish::Unsaid, None) => (Wish::Unsaid, rules::THINKING),
        (wish, _) => (wish, rules::PARAMS),
    }
}

/// `params` are written for chat: `thinking`, `reasoning_effort` and `reasoning` in one.
fn of_params(draft: &Draft<'_>) -> Wish {
    let mut flat = Vec::new();
    params::flatten(draft.request().params, &mut flat);
    let of = |key: &str| flat.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    let spelled =
        Spellings { thinking: of("thinking"), effort: of("reasoning_effort"), reasoning: of("reasoning") };
    spelled.wish()
}

/// The spellings as they stand in a draft.
pub(in crate::provider) struct Spellings {
    /// `thinking`.
    pub(in crate::provider) thinking: Option<Value>,
    /// `reasoning_effort`; of messages `output_config.effort`.
    pub(in crate::provider) effort: Option<Value>,
    /// `reasoning`.
    pub(in crate::provider) reasoning: Option<Value>,
}

impl Spellings {
    /// As they stand now.
    pub(in crate::provider) fn of(draft: &Draft<'_>) -> Self {
        let read = |key| draft.value(key).and_then(|text| serde_json::from_slice::<Value>(text).ok());
        match draft.body().face {
            Face::Chat => Self {
                thinking: read("thinking"),
                effort: read("reasoning_effort"),
                reasoning: read("reasoning"),
            },
            Face::Messages => Self {
                thinking: read("thinking"),
                effort: read("output_config").and_then(|config| config.get("effort").cloned()),
                reasoning: None,
            },
            Face::Responses => Self { thinking: None, effort: None, reasoning: read("reasoning") },
        }
    }

    /// What they ask for together: an explicit `thinking` decides between on and off, the effort how much.
    pub(in crate::provider) fn wish(&self) -> Wish {
        let thinking = said(self.thinking.as_ref());
        let effort = said(self.effort.as_ref());
        let reasoning = said(self.reasoning.as_ref());
        match (thinking, effort, reasoning) {
            (Wish::Off, ..) => Wish::Off,
            (Wish::On | Wish::Level(_), Wish::Level(level), _) => Wish::Level(level),
            (Wish::Level(level), ..) => Wish::Level(level),
            (Wish::On, _, Wish::Level(level)) => Wish::Level(level),
            (Wish::On, ..) => Wish::On,
            (Wish::Unsaid, Wish::Unsaid, reasoning) => reasoning,
            (Wish::Unsaid, effort, _) => effort,
        }
    }

    /// `thinking.type`, where `thinking` is an object of nothing but these members.
    pub(in crate::provider) fn kind_if_only(&self, members: &[&str]) -> Option<&str> {
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
