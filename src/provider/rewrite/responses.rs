//! Requests in the Responses API format: the rules of each adapter, in order.

use super::draft::RequestDraft;
use super::{roles, rules, tool_choice, tool_ids, tools};
use crate::catalog::AdapterId;
use crate::provider::{moonshot, openrouter};

mod items;
mod parameters;
mod thinking;

/// The request as the provider takes it.
pub(super) fn rewrite(dialect: AdapterId, draft: &mut RequestDraft<'_>) {
    let is_kimi = matches!(dialect, AdapterId::Moonshot | AdapterId::KimiCode);
    parameters::fill_missing(draft, if is_kimi { &moonshot::PINNED_SAMPLING_FIELDS } else { &[] });
    if is_kimi {
        moonshot::remove_sampling(draft);
        thinking::apply_thinking(draft);
        tools::remove_hosted(draft);
        if tool_choice::read_forced_choice(draft) != tool_choice::ForcedToolChoice::NotForced {
            // The same engine answers as over chat, and these models think.
            tool_choice::reset_to_auto(draft, rules::TOOL_CHOICE);
        }
        items::remove_foreign_items(draft);
        tools::adapt_for_moonshot(draft);
    } else {
        tools::flatten_namespaces(draft);
        thinking::apply_default(draft);
    }
    if dialect == AdapterId::OpenRouter {
        openrouter::set_provider_order(draft);
    }
    let compat = &draft.request().model.compat;
    if compat.supports_developer_role == Some(false) {
        roles::replace_developer_role(draft);
    }
    if compat.supports_store == Some(false) && draft.remove("store") {
        draft.record_rule(rules::STORE);
    }
    if compat.supports_tools == Some(false) && tools::remove_all_tools(draft) {
        draft.record_rule(rules::TOOLS);
    }
    tool_ids::make_unique(draft);
    tools::record_offered_tools(draft);
}
