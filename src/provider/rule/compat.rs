//! `compat` flags: a flag that is set overrides the provider adapter.

use super::draft::RequestDraft;
use super::{history, tools};
use crate::protocol::api::Api;
use crate::provider::rules;

/// Applies the flags that mean something over the request's API. `is_kimi`: over Chat Completions the provider does not
/// accept `role: "developer"`, and usage is requested.
pub(crate) fn apply_flags(draft: &mut RequestDraft<'_>, is_kimi: bool) {
    let compat = &draft.request.model.compat;
    let api = draft.body().api;
    let is_kimi_chat = is_kimi && api == Api::ChatCompletions;
    if api != Api::Messages && !compat.supports_developer_role.unwrap_or(!is_kimi_chat) {
        history::replace_developer_role(draft);
    }
    if api == Api::ChatCompletions {
        match compat.supports_usage_in_streaming {
            Some(false) => _ = draft.remove(rules::USAGE, "stream_options"),
            None if !is_kimi => {}
            Some(true) | None => request_usage(draft),
        }
        let is_null = draft.value("reasoning_effort") == Some(b"null");
        if is_null || compat.supports_reasoning_effort == Some(false) {
            draft.remove(rules::REASONING_EFFORT, "reasoning_effort");
        }
    }
    if api != Api::Messages && compat.supports_store == Some(false) {
        draft.remove(rules::STORE, "store");
    }
    if compat.supports_tools == Some(false) {
        tools::remove_all(draft, rules::TOOLS);
    }
    if api == Api::ChatCompletions && compat.supports_strict_mode == Some(false) {
        tools::remove_strict(draft);
    }
    if api == Api::ChatCompletions && compat.requires_string_content == Some(true) {
        history::join_text_parts(draft);
    }
}

/// `requiresReasoningContentOnAssistantMessages`, if thinking may be on.
pub(crate) fn fill_reasoning(draft: &mut RequestDraft<'_>, default: bool) {
    if draft.request.model.compat.requires_reasoning_content.unwrap_or(default) {
        history::rename_reasoning(draft, "reasoning", "reasoning_content");
        history::fill_missing_reasoning(draft);
    }
}

/// Requests usage in a stream; it is hidden from a client that did not request it.
fn request_usage(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    if body.wants_stream() {
        draft.answer_plan.hides_usage = !body.wants_usage();
        let is_malformed =
            draft.non_null_value("stream_options").is_some_and(|options| !options.starts_with(b"{"));
        if is_malformed {
            draft.set(rules::USAGE, "stream_options", r#"{"include_usage":true}"#.to_owned());
        } else {
            draft.set_member(rules::USAGE, "stream_options", "include_usage", Some("true"));
        }
    }
}
