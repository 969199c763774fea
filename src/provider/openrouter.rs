//! OpenRouter.

use super::rewrite::compat::{self, Habits};
use super::rewrite::draft::Draft;
use super::rewrite::{limits, params, reasoning, rules, tool_ids, tools};

pub(super) mod refusals;
mod thinking;

/// The author of Kimi's models in OpenRouter's ids.
const MOONSHOT: &str = "moonshotai/";

/// The request as OpenRouter takes it.
pub(super) fn rewrite(draft: &mut Draft<'_>) {
    params::fill(draft, &[]);
    thinking::settle(draft);
    provider_order(draft);
    compat::apply(draft, Habits { developer_role: true, ask_usage: false });
    tools::without_builtins(draft);
    without_partial(draft);
    if let Some(field) = draft.request().model.compat.max_tokens_field {
        limits::name(draft, field);
    }
    if draft.request().model.compat.requires_reasoning_content == Some(true) {
        compat::fill_reasoning(draft, true);
    } else {
        reasoning::as_reasoning(draft);
    }
    tool_ids::make_unique(draft);
    tools::note_offer(draft);
    // Usage always comes; clients that did not ask for it do not expect it.
    draft.plan.hide_usage = draft.body().wants_stream() && !client_wants_usage(draft);
}

/// Moonshot's own endpoint first: it has the prompt cache. Whoever names providers, or a way to sort them, decides.
pub(super) fn provider_order(draft: &mut Draft<'_>) {
    let model = draft.request().wire_model;
    if model.starts_with(MOONSHOT)
        && !model.contains(':')
        && draft.given("provider").is_none()
        && draft.set("provider", r#"{"order":["moonshotai"],"allow_fallbacks":true}"#)
    {
        draft.fire(rules::PROVIDER_ORDER);
    }
}

/// `partial` is Moonshot's mark for an answer to go on with; here a last assistant message is one without it.
pub(super) fn without_partial(draft: &mut Draft<'_>) {
    let body = draft.body();
    for (index, message) in body.messages.iter().enumerate() {
        if body.field(message, "partial").is_some()
            && let Some(patch) = draft.message(index)
        {
            patch.remove("partial");
            draft.fire(rules::PARTIAL);
        }
    }
}

/// `stream_options.include_usage`, or OpenRouter's own older `usage.include`.
fn client_wants_usage(draft: &Draft<'_>) -> bool {
    let include = draft
        .body()
        .value("usage")
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(text).ok())
        .and_then(|usage| usage.get("include")?.as_bool());
    draft.body().wants_usage() || include == Some(true)
}
