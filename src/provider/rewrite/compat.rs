//! `compat` flags: a flag that is set overrides the provider adapter.

use serde_json::Value;

use super::draft::RequestDraft;
use super::{reasoning, roles, rules, tools, usage};
use crate::protocol::json;

/// The adapter's defaults where no flag is set.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider) struct AdapterDefaults {
    /// Takes `role: "developer"`.
    pub(in crate::provider) accepts_developer_role: bool,
    /// Requests usage in streams.
    pub(in crate::provider) requests_usage: bool,
}

/// The flags that mean the same for every adapter.
pub(in crate::provider) fn apply_flags(draft: &mut RequestDraft<'_>, habits: AdapterDefaults) {
    let compat = &draft.request().model.compat;
    if !compat.supports_developer_role.unwrap_or(habits.accepts_developer_role) {
        roles::replace_developer_role(draft);
    }
    match compat.supports_usage_in_streaming {
        Some(true) => usage::request_usage(draft),
        Some(false) => usage::remove_usage_request(draft),
        None if habits.requests_usage => usage::request_usage(draft),
        None => {}
    }
    let effort_is_null = draft.value("reasoning_effort") == Some(b"null");
    if (effort_is_null || compat.supports_reasoning_effort == Some(false)) && draft.remove("reasoning_effort")
    {
        draft.record_rule(rules::REASONING_EFFORT);
    }
    if compat.supports_store == Some(false) && draft.remove("store") {
        draft.record_rule(rules::STORE);
    }
    if compat.supports_tools == Some(false) && tools::remove_all_tools(draft) {
        draft.record_rule(rules::TOOLS);
    }
    if compat.supports_strict_mode == Some(false) {
        tools::remove_strict(draft);
    }
    if compat.requires_string_content == Some(true) {
        join_text_parts(draft);
    }
}

/// `requiresReasoningContentOnAssistantMessages`, where thinking may be on.
pub(in crate::provider) fn fill_reasoning(draft: &mut RequestDraft<'_>, habit: bool) {
    if draft.request().model.compat.requires_reasoning_content.unwrap_or(habit) {
        reasoning::rename_to_reasoning_content(draft);
        reasoning::fill_missing(draft);
    }
}

/// Contents of nothing but text parts become one string, the parts on lines of their own.
fn join_text_parts(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    for (index, message) in body.messages.iter().enumerate() {
        let Some(parts) = body.field(message, "content").filter(|content| content.starts_with(b"[")) else {
            continue;
        };
        let Some(text) = join_parts(parts) else { continue };
        if let Some(patch) = draft.message_patch(index) {
            patch.set("content", json::to_string_literal(&text));
            draft.record_rule(rules::STRING_CONTENT);
        }
    }
}

fn join_parts(parts: &[u8]) -> Option<String> {
    let parts: Vec<Value> = serde_json::from_slice(parts).ok()?;
    let texts: Option<Vec<&str>> = parts
        .iter()
        .map(|part| part.get("text").filter(|_| part.get("type").is_none_or(|t| t == "text"))?.as_str())
        .collect();
    Some(texts?.join("\n"))
}
