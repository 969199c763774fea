//! Moonshot's open platform.

use super::rewrite::compat::{self, AdapterDefaults};
use super::rewrite::draft::RequestDraft;
use super::rewrite::{limits, parameters, rules, tool_ids, tools};
use crate::catalog::MaxTokensField;

pub(super) mod errors;
pub(super) mod thinking;

/// What Kimi models pin: every other value is a 400, and the pinned one is the default (API reference, 2026-09-23).
pub(super) const PINNED_SAMPLING_FIELDS: [&str; 5] =
    ["temperature", "top_p", "n", "presence_penalty", "frequency_penalty"];

/// The request as Moonshot takes it.
pub(super) fn rewrite(draft: &mut RequestDraft<'_>) {
    parameters::fill_missing(draft, &PINNED_SAMPLING_FIELDS);
    remove_sampling(draft);
    let may_think = thinking::apply_thinking(draft);
    let may_think = thinking::resolve_tool_choice(draft, may_think, thinking::can_disable_thinking(draft));
    let may_think = thinking::resolve_web_search(draft, may_think);
    apply_common_rules(draft, may_think);
}

/// Drops the pinned fields.
pub(super) fn remove_sampling(draft: &mut RequestDraft<'_>) {
    for field in PINNED_SAMPLING_FIELDS {
        if draft.remove(field) {
            draft.record_rule(rules::SAMPLING);
        }
    }
}

/// What Moonshot and Kimi Code have in common once thinking is settled.
pub(super) fn apply_common_rules(draft: &mut RequestDraft<'_>, may_think: bool) {
    let compat = &draft.request().model.compat;
    compat::apply_flags(draft, AdapterDefaults { accepts_developer_role: false, requests_usage: true });
    limits::rename_limit(draft, compat.max_tokens_field.unwrap_or(MaxTokensField::MaxCompletionTokens));
    if may_think {
        compat::fill_reasoning(draft, true);
    }
    tools::adapt_for_moonshot(draft);
    tool_ids::make_unique(draft);
    tools::record_offered_tools(draft);
}
