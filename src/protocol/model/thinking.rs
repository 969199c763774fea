//! Thinking parameters: a switch, a named effort, a budget in tokens.

use std::borrow::Cow;

use super::node::JsonNode;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ThinkingSettings<'t> {
    /// On or off, if specified.
    pub(crate) mode: Option<ThinkingMode>,
    /// `minimal`, `low`, `medium`, `high`, `xhigh`, `max`: the client's own value.
    pub(crate) effort: Option<Cow<'t, str>>,
    pub(crate) budget_tokens: Option<u64>,
    /// Which summary is wanted: `auto`, `concise`, `detailed`.
    pub(crate) summary: Option<Cow<'t, str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThinkingMode {
    Off,
    On,
    /// As the model thinks fit.
    Adaptive,
}

impl ThinkingMode {
    /// A value of `thinking.type`.
    pub(crate) fn from_type(word: &str) -> Option<Self> {
        match word {
            "disabled" => Some(Self::Off),
            "enabled" => Some(Self::On),
            "adaptive" | "auto" => Some(Self::Adaptive),
            _ => None,
        }
    }
}

/// Efforts and their equivalent budgets, in ascending order. `OpenClaw` 2026.9 sends Kimi 1024, 4096 and 8192
/// for `low`, `medium` and `high`. Claude Code's thinking keywords meant 4,000, 10,000 and 31,999; opencode
/// 1.18 sends 16,000. A budget maps to the effort whose range contains it. Budgets above 24,576 tokens stay
/// `high`, because OpenAI has no `max`.
const EFFORT_BUDGETS: [(&str, u64, u64); 4] =
    [("minimal", 1024, 0), ("low", 1024, 2048), ("medium", 4096, 6000), ("high", 8192, u64::MAX)];

/// The smallest budget that Anthropic's API accepts (its reference, 2026-11).
pub(crate) const MIN_BUDGET_TOKENS: u64 = 1024;

/// The budget in tokens that an effort stands for.
pub(crate) fn effort_budget(effort: &str) -> Option<u64> {
    match EFFORT_BUDGETS.iter().find(|(known, ..)| *known == effort) {
        Some((_, tokens, _)) => Some(*tokens),
        None => matches!(effort, "xhigh" | "max" | "ultra").then_some(8192),
    }
}

impl<'t> ThinkingSettings<'t> {
    /// Whether the client requested thinking.
    pub(crate) fn is_requested(&self) -> bool {
        self.mode != Some(ThinkingMode::Off)
            && (self.mode.is_some() || self.effort.is_some() || self.budget_tokens.is_some())
    }

    /// The effort: the client's own, otherwise the one that matches its budget.
    pub(crate) fn resolve_effort(&self) -> Option<&str> {
        if self.mode == Some(ThinkingMode::Off) {
            return Some("none");
        }
        let by_budget =
            |budget| EFFORT_BUDGETS.iter().find(|(.., upto)| budget <= *upto).map(|(word, ..)| *word);
        self.effort.as_deref().or_else(|| self.budget_tokens.and_then(by_budget))
    }

    /// The budget: the client's own, otherwise the one that matches its effort.
    pub(crate) fn resolve_budget(&self) -> Option<u64> {
        self.budget_tokens.or_else(|| self.effort.as_deref().and_then(effort_budget))
    }

    /// Reads a named effort, if present; names for off and on set the switch.
    pub(crate) fn set_effort(&mut self, node: Option<JsonNode<'t>>) {
        let Some(word) = node.and_then(JsonNode::string) else { return };
        match &*word {
            "none" | "off" | "disabled" => self.mode = self.mode.or(Some(ThinkingMode::Off)),
            "on" | "enabled" => self.mode = self.mode.or(Some(ThinkingMode::On)),
            "auto" | "adaptive" => self.mode = self.mode.or(Some(ThinkingMode::Adaptive)),
            "" => {}
            _ if self.effort.is_none() => self.effort = Some(word),
            _ => {}
        }
    }
}
