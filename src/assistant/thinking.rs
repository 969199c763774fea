//! Which levels of thinking a model has, and how a request asks for one.

use serde_json::{Value, json};

use crate::catalog::{DialectId, Model, Thinking, ThinkingLevel};
use crate::config::settings::{Reference, Settings};

/// The levels of one model, least first. `on` stands for [`ThinkingLevel::Adaptive`] where there is nothing between on
/// and off, or nothing but on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels(&'static [&'static str]);

/// K2.6: `thinking.type`.
const SWITCH: Levels = Levels(&["off", "on"]);
/// K2.7 Code thinks whatever it is told.
const ALWAYS: Levels = Levels(&["on"]);
/// A model that does not.
const NONE: Levels = Levels(&["off"]);
/// The K3 family at Moonshot, where it can be switched off.
const EFFORT: Levels = Levels(&["off", "low", "high", "max"]);
/// The same at Kimi Code, which refuses that.
const KIMI_CODE: Levels = Levels(&["low", "high", "max"]);
/// Nobody knows: what is asked for is passed on.
const UNKNOWN: Levels = Levels(&["off", "minimal", "low", "medium", "high", "xhigh", "max", "adaptive"]);

impl Levels {
    /// Of a model of a provider of this kind, as the dialects' rules have it (`dialect::rewrite::messages::thinking`).
    #[must_use]
    pub fn of(dialect: DialectId, model: &Model) -> Self {
        match (dialect, model.thinking) {
            (_, Thinking::Always) => ALWAYS,
            (_, Thinking::Switch) => SWITCH,
            // Which models there are depends on the account; one that the catalog does not know is like the others.
            (DialectId::KimiCode, _) => KIMI_CODE,
            (_, Thinking::Effort) => EFFORT,
            (_, Thinking::None) if model.compat.supports_reasoning_effort == Some(true) => UNKNOWN,
            (_, Thinking::None) => NONE,
            (_, Thinking::Unknown) => UNKNOWN,
        }
    }

    /// Of what a reference names; of a model of which nothing is known all of them.
    #[must_use]
    pub fn of_reference(settings: &Settings, reference: &Reference) -> Self {
        let Some(provider) = settings.providers.get(&reference.provider) else { return UNKNOWN };
        provider.model(&reference.model).map_or(UNKNOWN, |model| Self::of(provider.dialect, &model.facts))
    }

    /// As people write them.
    #[must_use]
    pub const fn words(self) -> &'static [&'static str] {
        self.0
    }

    /// Whether the model has it.
    #[must_use]
    pub fn has(self, level: ThinkingLevel) -> bool {
        self.0.iter().any(|word| read(word) == Some(level))
    }

    /// The level as these levels call it.
    #[must_use]
    pub fn word(self, level: ThinkingLevel) -> &'static str {
        self.0.iter().find(|word| read(word) == Some(level)).copied().unwrap_or(level.as_str())
    }

    /// Why a level is refused, with those that are not.
    #[must_use]
    pub fn refusal(self, level: ThinkingLevel, reference: &Reference) -> String {
        let word = if level == ThinkingLevel::Adaptive { "on" } else { level.as_str() };
        format!("thinking level \"{word}\" is not one of {reference}; use one of: {}", self.0.join(", "))
    }
}

/// A level by its word; `on` leaves to the model how much.
#[must_use]
pub fn read(word: &str) -> Option<ThinkingLevel> {
    match word.trim().to_ascii_lowercase().as_str() {
        "on" => Some(ThinkingLevel::Adaptive),
        word => ThinkingLevel::from_word(word),
    }
}

/// Every word that [`read`] takes.
#[must_use]
pub fn words() -> Vec<&'static str> {
    ThinkingLevel::ALL.into_iter().map(ThinkingLevel::as_str).chain(["on"]).collect()
}

/// What a messages request says for it: `thinking`, and `output_config` where it names an effort. The dialects make of
/// it what each model takes.
pub(super) fn said(level: ThinkingLevel) -> (Value, Option<Value>) {
    let effort = match level {
        ThinkingLevel::Off => return (json!({"type": "disabled"}), None),
        ThinkingLevel::Adaptive => return (json!({"type": "adaptive"}), None),
        // Anthropic's words go from low to max.
        ThinkingLevel::Minimal | ThinkingLevel::Low => "low",
        ThinkingLevel::Medium => "medium",
        ThinkingLevel::High => "high",
        ThinkingLevel::Xhigh | ThinkingLevel::Max => "max",
    };
    (json!({"type": "adaptive"}), Some(json!({"effort": effort})))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::builtin;

    fn levels(provider: &str, model: &str) -> &'static [&'static str] {
        let provider = builtin().provider(provider).unwrap();
        let model = provider.models.iter().find(|known| known.id == model).unwrap();
        Levels::of(provider.dialect, model).words()
    }

    #[test]
    fn a_model_has_the_levels_that_its_provider_takes() {
        assert_eq!(levels("moonshot", "kimi-k2.6"), ["off", "on"]);
        assert_eq!(levels("moonshot", "kimi-k2.7-code"), ["on"]);
        assert_eq!(levels("moonshot", "kimi-k3"), ["off", "low", "high", "max"]);
        assert_eq!(levels("kimi", "kimi-for-coding"), ["low", "high", "max"]);
        assert_eq!(levels("openrouter", "auto").len(), 8);
    }

    #[test]
    fn what_a_model_does_not_have_is_refused_with_what_it_has() {
        let reference = Reference::parse("moonshot/kimi-k2.6").unwrap();
        assert!(SWITCH.has(ThinkingLevel::Adaptive) && !SWITCH.has(ThinkingLevel::High));
        let refusal = SWITCH.refusal(ThinkingLevel::High, &reference);
        assert_eq!(refusal, "thinking level \"high\" is not one of moonshot/kimi-k2.6; use one of: off, on");
        assert_eq!(SWITCH.word(ThinkingLevel::Adaptive), "on");
        assert_eq!((read("ON"), read("lots")), (Some(ThinkingLevel::Adaptive), None));
    }
}
