//! Requests over the Messages face: what each dialect changes, in which order.

use super::draft::Draft;
use super::{rules, tool_ids, tools};
use crate::catalog::DialectId;
use crate::provider::openrouter;

mod blocks;
mod filler;
mod parameters;
mod thinking;

/// What Kimi models pin (see `moonshot::SAMPLING`), by the names that this face has.
const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];

/// The request as the provider takes it.
pub(super) fn rewrite(dialect: DialectId, draft: &mut Draft<'_>) {
    match dialect {
        DialectId::Moonshot | DialectId::KimiCode => kimi(dialect, draft),
        DialectId::OpenRouter => {
            parameters::fill(draft, &[]);
            thinking::by_default(draft);
            openrouter::provider_order(draft);
            finish(dialect, draft);
        }
        DialectId::Generic => {
            parameters::fill(draft, &[]);
            thinking::by_default(draft);
            if draft.request().model.compat.requires_reasoning_content == Some(true) {
                filler::fill(draft);
            } else {
                blocks::without_unsigned(draft);
            }
            finish(dialect, draft);
        }
    }
}

fn kimi(dialect: DialectId, draft: &mut Draft<'_>) {
    parameters::fill(draft, &SAMPLING);
    for field in SAMPLING {
        if draft.remove(field) {
            draft.fire(rules::SAMPLING);
        }
    }
    // Kimi Code's own client sends it there.
    if dialect == DialectId::Moonshot && draft.remove("context_management") {
        draft.fire(rules::CONTEXT_MANAGEMENT);
    }
    let may_think = thinking::settle(dialect, draft);
    tools::without_hosted(draft);
    let may_think = thinking::settle_tool_choice(dialect, draft, may_think);
    blocks::without_foreign(draft);
    if may_think && draft.request().model.compat.requires_reasoning_content.unwrap_or(true) {
        filler::fill(draft);
    }
    tools::fit(draft);
    finish(dialect, draft);
}

fn finish(dialect: DialectId, draft: &mut Draft<'_>) {
    if draft.request().model.compat.supports_tools == Some(false) && tools::remove_all(draft) {
        draft.fire(rules::TOOLS);
    }
    match dialect {
        DialectId::Moonshot | DialectId::KimiCode => tool_ids::make_unique(draft),
        DialectId::OpenRouter | DialectId::Generic => tool_ids::make_plain(draft),
    }
    tools::note_offer(draft);
}
