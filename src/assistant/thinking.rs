//! Thinking levels of models, and how a request sets one.

use serde_json::{Value, json};

use crate::catalog::{AdapterId, ModelInfo, ThinkingControl, ThinkingLevel};
use crate::config::settings::{Reference, Settings};

/// The levels of one model, lowest first. `on` means [`ThinkingLevel::Adaptive`] if the model has no levels
/// between on and off, or only on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThinkingLevels(&'static [&'static str]);

/// Unknown model: the level is passed on unchanged.
const ALL_LEVELS: &[&str] = &["off", "minimal", "low", "medium", "high", "xhigh", "max", "adaptive"];

impl ThinkingLevels {
    /// The levels of a model behind this provider adapter, matching the rules in
    /// `provider::rule::messages_thinking`.
    #[must_use]
    pub fn for_model(adapter: AdapterId, model: &ModelInfo) -> Self {
        Self(match (adapter, model.thinking_control) {
            // K2.7 Code always thinks, regardless of the request.
            (_, ThinkingControl::Always) => &["on"],
            // K2.6: `thinking.type`.
            (_, ThinkingControl::Switch) => &["off", "on"],
            // The K3 family, whose thinking Kimi Code does not allow to disable. Available models depend on the
            // account; a model missing from the catalog is treated like the others.
            (AdapterId::KimiCode, _) => &["low", "high", "max"],
            (_, ThinkingControl::Effort) => &["off", "low", "high", "max"],
            (_, ThinkingControl::None) if model.compat.supports_reasoning_effort != Some(true) => &["off"],
            (_, ThinkingControl::None | ThinkingControl::Unknown) => ALL_LEVELS,
        })
    }

    /// The levels of a reference's model; all levels if the model is unknown.
    #[must_use]
    pub fn for_reference(settings: &Settings, reference: &Reference) -> Self {
        let known = settings.providers.get(&reference.provider).and_then(|provider| {
            Some(Self::for_model(provider.adapter, &provider.find_model(&reference.model)?.model))
        });
        known.unwrap_or(Self(ALL_LEVELS))
    }

    /// As people write them.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        self.0
    }

    /// Whether the model supports the level.
    #[must_use]
    pub fn supports(self, level: ThinkingLevel) -> bool {
        self.0.iter().any(|word| parse_level(word) == Some(level))
    }

    /// The level as these levels call it.
    #[must_use]
    pub fn name_of(self, level: ThinkingLevel) -> &'static str {
        self.0.iter().find(|word| parse_level(word) == Some(level)).copied().unwrap_or(level.as_str())
    }

    /// The error for an unsupported level, with the supported ones.
    #[must_use]
    pub fn unsupported_message(self, level: ThinkingLevel, reference: &Reference) -> String {
        let word = if level == ThinkingLevel::Adaptive { "on" } else { level.as_str() };
        format!("thinking level \"{word}\" is not one of {reference}; use one of: {}", self.0.join(", "))
    }
}

/// A level by its word; `on` leaves to the model how much.
#[must_use]
pub fn parse_level(word: &str) -> Option<ThinkingLevel> {
    match word.trim().to_ascii_lowercase().as_str() {
        "on" => Some(ThinkingLevel::Adaptive),
        word => ThinkingLevel::from_name(word),
    }
}

/// Every word that [`parse_level`] takes.
#[must_use]
pub fn level_names() -> Vec<&'static str> {
    ThinkingLevel::ALL.into_iter().map(ThinkingLevel::as_str).chain(["on"]).collect()
}

/// Sets the level in a Messages request: `thinking`, and `output_config` if the level names an effort. Provider
/// adapters translate them for each model.
pub(super) fn set_level(body: &mut Value, level: ThinkingLevel) {
    let kind = if level == ThinkingLevel::Off { "disabled" } else { "adaptive" };
    body["thinking"] = json!({ "type": kind });
    let effort = match level {
        ThinkingLevel::Off | ThinkingLevel::Adaptive => return,
        // Anthropic's effort values range from low to max.
        ThinkingLevel::Minimal | ThinkingLevel::Low => "low",
        ThinkingLevel::Medium => "medium",
        ThinkingLevel::High => "high",
        ThinkingLevel::Xhigh | ThinkingLevel::Max => "max",
    };
    body["output_config"] = json!({ "effort": effort });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::builtin_catalog;

    fn levels(provider: &str, model: &str) -> &'static [&'static str] {
        let provider = builtin_catalog().provider(provider).unwrap();
        let model = provider.models.iter().find(|known| known.id == model).unwrap();
        ThinkingLevels::for_model(provider.adapter, model).names()
    }

    #[test]
    fn model_has_the_levels_of_its_provider() {
        assert_eq!(levels("moonshot", "kimi-k2.6"), ["off", "on"]);
        assert_eq!(levels("moonshot", "kimi-k2.7-code"), ["on"]);
        assert_eq!(levels("moonshot", "kimi-k3"), ["off", "low", "high", "max"]);
        assert_eq!(levels("kimi", "kimi-for-coding"), ["low", "high", "max"]);
        assert_eq!(levels("openrouter", "auto").len(), 8);
    }

    #[test]
    fn unsupported_level_is_rejected_with_the_supported_ones() {
        let reference = Reference::parse("moonshot/kimi-k2.6").unwrap();
        let on_off = ThinkingLevels(&["off", "on"]);
        assert!(on_off.supports(ThinkingLevel::Adaptive) && !on_off.supports(ThinkingLevel::High));
        let refusal = on_off.unsupported_message(ThinkingLevel::High, &reference);
        assert_eq!(refusal, "thinking level \"high\" is not one of moonshot/kimi-k2.6; use one of: off, on");
        assert_eq!(on_off.name_of(ThinkingLevel::Adaptive), "on");
        assert_eq!((parse_level("ON"), parse_level("lots")), (Some(ThinkingLevel::Adaptive), None));
    }
}
