//! Moonshot's open platform.

use super::rewrite::compat::{self, Habits};
use super::rewrite::draft::Draft;
use super::rewrite::{limits, params, rules, tool_ids, tools};
use crate::catalog::MaxTokensField;

pub(super) mod refusals;
pub(super) mod thinking;

/// What Kimi models pin: every other value is a 400, and the pinned one is the default (API reference, 2026-09-23).
pub(super) const SAMPLING: [&str; 5] = ["temperature", "top_p", "n", "presence_penalty", "frequency_penalty"];

/// The request as Moonshot takes it.
pub(super) fn rewrite(draft: &mut Draft<'_>) {
    params::fill(draft, &SAMPLING);
    without_sampling(draft);
    let may_think = thinking::settle(draft);
    let may_think = thinking::settle_tool_choice(draft, may_think, thinking::can_be_off(draft));
    let may_think = thinking::settle_web_search(draft, may_think);
    finish(draft, may_think);
}

/// Drops the pinned fields.
pub(super) fn without_sampling(draft: &mut Draft<'_>) {
    for field in SAMPLING {
        if draft.remove(field) {
            draft.fire(rules::SAMPLING);
        }
    }
}

/// What Moonshot and Kimi Code have in common once thinking is settled.
pub(super) fn finish(draft: &mut Draft<'_>, may_think: bool) {
    let compat = &draft.request().model.compat;
    compat::apply(draft, Habits { developer_role: false, ask_usage: true });
    limits::name(draft, compat.max_tokens_field.unwrap_or(MaxTokensField::MaxCompletionTokens));
    if may_think {
        compat::fill_reasoning(draft, true);
    }
    tools::fit(draft);
    tool_ids::make_unique(draft);
    tools::note_offer(draft);
}
