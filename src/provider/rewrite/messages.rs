//! Requests in the Messages API format: the rules of each adapter, in order.

use super::draft::RequestDraft;
use super::{rules, tool_ids, tools};
use crate::catalog::AdapterId;
use crate::provider::openrouter;

mod blocks;
mod parameters;
mod thinking;
mod thinking_filler;

/// The sampling fields that Kimi models pin (see `moonshot::SAMPLING`), by their names in this API.
const PINNED_SAMPLING_FIELDS: [&str; 3] = ["temperature", "top_p", "top_k"];

/// The request as the provider takes it.
pub(super) fn rewrite(dialect: AdapterId, draft: &mut RequestDraft<'_>) {
    match dialect {
        AdapterId::Moonshot | AdapterId::KimiCode => rewrite_for_kimi(dialect, draft),
        AdapterId::OpenRouter => {
            parameters::fill_missing(draft, &[]);
            thinking::apply_default(draft);
            openrouter::set_provider_order(draft);
            apply_common_rules(dialect, draft);
        }
        AdapterId::Generic => {
            parameters::fill_missing(draft, &[]);
            thinking::apply_default(draft);
            if draft.request().model.compat.requires_reasoning_content == Some(true) {
                thinking_filler::insert_filler(draft);
            } else {
                blocks::remove_unsigned_thinking(draft);
            }
            apply_common_rules(dialect, draft);
        }
    }
}

fn rewrite_for_kimi(dialect: AdapterId, draft: &mut RequestDraft<'_>) {
    parameters::fill_missing(draft, &PINNED_SAMPLING_FIELDS);
    for field in PINNED_SAMPLING_FIELDS {
        if draft.remove(field) {
            draft.record_rule(rules::SAMPLING);
        }
    }
    // Kimi Code's own client sends it there.
    if dialect == AdapterId::Moonshot && draft.remove("context_management") {
        draft.record_rule(rules::CONTEXT_MANAGEMENT);
    }
    let may_think = thinking::apply_thinking(dialect, draft);
    tools::remove_hosted(draft);
    let may_think = thinking::resolve_tool_choice(dialect, draft, may_think);
    blocks::replace_foreign_blocks(draft);
    if may_think && draft.request().model.compat.requires_reasoning_content.unwrap_or(true) {
        thinking_filler::insert_filler(draft);
    }
    tools::adapt_for_moonshot(draft);
    apply_common_rules(dialect, draft);
}

fn apply_common_rules(dialect: AdapterId, draft: &mut RequestDraft<'_>) {
    if draft.request().model.compat.supports_tools == Some(false) && tools::remove_all_tools(draft) {
        draft.record_rule(rules::TOOLS);
    }
    match dialect {
        AdapterId::Moonshot | AdapterId::KimiCode => tool_ids::make_unique(draft),
        AdapterId::OpenRouter | AdapterId::Generic => tool_ids::escape_and_make_unique(draft),
    }
    tools::record_offered_tools(draft);
}
