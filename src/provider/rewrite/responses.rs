//! Requests over the Responses face: what each dialect changes, in which order.

use super::draft::Draft;
use super::{roles, rules, tool_choice, tool_ids, tools};
use crate::catalog::DialectId;
use crate::provider::{moonshot, openrouter};

mod items;
mod parameters;
mod thinking;

/// The request as the provider takes it.
pub(super) fn rewrite(dialect: DialectId, draft: &mut Draft<'_>) {
    let is_kimi = matches!(dialect, DialectId::Moonshot | DialectId::KimiCode);
    parameters::fill(draft, if is_kimi { &moonshot::SAMPLING } else { &[] });
    if is_kimi {
        moonshot::without_sampling(draft);
        thinking::settle(draft);
        tools::without_hosted(draft);
        if tool_choice::forced(draft) != tool_choice::Forced::No {
            // The same engine answers as over chat, and these models think.
            tool_choice::let_it_choose(draft, rules::TOOL_CHOICE);
        }
        items::without_foreign(draft);
        tools::fit(draft);
    } else {
        tools::flatten(draft);
        thinking::by_default(draft);
    }
    if dialect == DialectId::OpenRouter {
        openrouter::provider_order(draft);
    }
    let compat = &draft.request().model.compat;
    if compat.supports_developer_role == Some(false) {
        roles::without_developer(draft);
    }
    if compat.supports_store == Some(false) && draft.remove("store") {
        draft.fire(rules::STORE);
    }
    if compat.supports_tools == Some(false) && tools::remove_all(draft) {
        draft.fire(rules::TOOLS);
    }
    tool_ids::make_unique(draft);
    tools::note_offer(draft);
}
