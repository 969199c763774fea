//! `compat` flags: where one is set it holds, whatever the dialect says.

use serde_json::Value;

use super::draft::Draft;
use super::{reasoning, roles, rules, tools, usage};
use crate::protocol::json;

/// What a dialect does where no flag is set.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider) struct Habits {
    /// Takes `role: "developer"`.
    pub(in crate::provider) developer_role: bool,
    /// Usage is asked for in streams.
    pub(in crate::provider) ask_usage: bool,
}

/// The flags that mean the same for every dialect.
pub(in crate::provider) fn apply(draft: &mut Draft<'_>, habits: Habits) {
    let compat = &draft.request().model.compat;
    if !compat.supports_developer_role.unwrap_or(habits.developer_role) {
        roles::without_developer(draft);
    }
    match compat.supports_usage_in_streaming {
        Some(true) => usage::ask(draft),
        Some(false) => usage::do_not_ask(draft),
        None if habits.ask_usage => usage::ask(draft),
        None => {}
    }
    let effort_is_null = draft.value("reasoning_effort") == Some(b"null");
    if (effort_is_null || compat.supports_reasoning_effort == Some(false)) && draft.remove("reasoning_effort")
    {
        draft.fire(rules::REASONING_EFFORT);
    }
    if compat.supports_store == Some(false) && draft.remove("store") {
        draft.fire(rules::STORE);
    }
    if compat.supports_tools == Some(false) && tools::remove_all(draft) {
        draft.fire(rules::TOOLS);
    }
    if compat.supports_strict_mode == Some(false) {
        tools::without_strict(draft);
    }
    if compat.requires_string_content == Some(true) {
        join_text(draft);
    }
}

/// `requiresReasoningContentOnAssistantMessages`, where thinking may be on.
pub(in crate::provider) fn fill_reasoning(draft: &mut Draft<'_>, habit: bool) {
    if draft.request().model.compat.requires_reasoning_content.unwrap_or(habit) {
        reasoning::as_reasoning_content(draft);
        reasoning::fill(draft);
    }
}

/// Contents of nothing but text parts become one string, the parts on lines of their own.
fn join_text(draft: &mut Draft<'_>) {
    let body = draft.body();
    for (index, message) in body.messages.iter().enumerate() {
        let Some(parts) = body.field(message, "content").filter(|content| content.starts_with(b"[")) else {
            continue;
        };
        let Some(text) = joined(parts) else { continue };
        if let Some(patch) = draft.message(index) {
            patch.set("content", json::string_literal(&text));
            draft.fire(rules::STRING_CONTENT);
        }
    }
}

fn joined(parts: &[u8]) -> Option<String> {
    let parts: Vec<Value> = serde_json::from_slice(parts).ok()?;
    let texts: Option<Vec<&str>> = parts
        .iter()
        .map(|part| part.get("text").filter(|_| part.get("type").is_none_or(|t| t == "text"))?.as_str())
        .collect();
    Some(texts?.join("\n"))
}
