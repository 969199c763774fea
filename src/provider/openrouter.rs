//! OpenRouter.

use super::rewrite::compat::{self, AdapterDefaults};
use super::rewrite::draft::RequestDraft;
use super::rewrite::{limits, parameters, reasoning, rules, tool_ids, tools};

pub(super) mod errors;
mod thinking;

/// The author of Kimi's models in OpenRouter's ids.
const MOONSHOT_PREFIX: &str = "moonshotai/";

/// The request as OpenRouter takes it.
pub(super) fn rewrite(draft: &mut RequestDraft<'_>) {
    parameters::fill_missing(draft, &[]);
    thinking::apply_thinking(draft);
    set_provider_order(draft);
    compat::apply_flags(draft, AdapterDefaults { accepts_developer_role: true, requests_usage: false });
    tools::remove_builtins(draft);
    remove_partial(draft);
    if let Some(field) = draft.request().model.compat.max_tokens_field {
        limits::rename_limit(draft, field);
    }
    if draft.request().model.compat.requires_reasoning_content == Some(true) {
        compat::fill_reasoning(draft, true);
    } else {
        reasoning::rename_to_reasoning(draft);
    }
    tool_ids::make_unique(draft);
    tools::record_offered_tools(draft);
    // Usage always comes; clients that did not ask for it do not expect it.
    draft.answer_plan.hides_usage = draft.body().wants_stream() && !client_wants_usage(draft);
}

/// Moonshot's own endpoint first, because it has the prompt cache. A provider list or sort order in the request
/// wins.
pub(super) fn set_provider_order(draft: &mut RequestDraft<'_>) {
    let model = draft.request().wire_model;
    if model.starts_with(MOONSHOT_PREFIX)
        && !model.contains(':')
        && draft.non_null_value("provider").is_none()
        && draft.set("provider", r#"{"order":["moonshotai"],"allow_fallbacks":true}"#)
    {
        draft.record_rule(rules::PROVIDER_ORDER);
    }
}

/// `partial` is Moonshot's mark for an answer to go on with; here a last assistant message is one without it.
pub(super) fn remove_partial(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    for (index, message) in body.messages.iter().enumerate() {
        if body.field(message, "partial").is_some()
            && let Some(patch) = draft.message_patch(index)
        {
            patch.remove("partial");
            draft.record_rule(rules::PARTIAL);
        }
    }
}

/// `stream_options.include_usage`, or OpenRouter's own older `usage.include`.
fn client_wants_usage(draft: &RequestDraft<'_>) -> bool {
    let include = draft
        .body()
        .value("usage")
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(text).ok())
        .and_then(|usage| usage.get("include")?.as_bool());
    draft.body().wants_usage() || include == Some(true)
}
