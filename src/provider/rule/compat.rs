//! `compat` flags: a flag that is set overrides the provider adapter.

use bytes::Bytes;
use serde_json::Value;

use super::draft::RequestDraft;
use super::{history, tools};
use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json;
use crate::provider::rules;

#[derive(Clone, Copy, Debug)]
pub(crate) struct AdapterDefaults {
    /// Accepts `role: "developer"`.
    pub(crate) accepts_developer_role: bool,
    pub(crate) requests_usage: bool,
}

/// The flags that mean the same for every adapter.
pub(crate) fn apply_flags(draft: &mut RequestDraft<'_>, defaults: AdapterDefaults) {
    let compat = &draft.request().model.compat;
    if !compat.supports_developer_role.unwrap_or(defaults.accepts_developer_role) {
        history::replace_developer_role(draft);
    }
    match compat.supports_usage_in_streaming {
        Some(true) => request_usage(draft),
        Some(false) => remove_usage_request(draft),
        None if defaults.requests_usage => request_usage(draft),
        None => {}
    }
    let effort_is_null = draft.value("reasoning_effort") == Some(b"null");
    if (effort_is_null || compat.supports_reasoning_effort == Some(false)) && draft.remove("reasoning_effort")
    {
        draft.record_rule(rules::REASONING_EFFORT);
    }
    remove_store(draft);
    remove_tools(draft);
    if compat.supports_strict_mode == Some(false) {
        tools::remove_strict(draft);
    }
    if compat.requires_string_content == Some(true) {
        join_text_parts(draft);
    }
}

/// The flags that mean something over the Responses API.
pub(crate) fn apply_responses_flags(draft: &mut RequestDraft<'_>) {
    if draft.request().model.compat.supports_developer_role == Some(false) {
        history::replace_developer_role(draft);
    }
    remove_store(draft);
    remove_tools(draft);
}

fn remove_store(draft: &mut RequestDraft<'_>) {
    if draft.request().model.compat.supports_store == Some(false) && draft.remove("store") {
        draft.record_rule(rules::STORE);
    }
}

/// Removes tools if the server does not accept them.
pub(crate) fn remove_tools(draft: &mut RequestDraft<'_>) {
    if draft.request().model.compat.supports_tools == Some(false) && tools::remove_all_tools(draft) {
        draft.record_rule(rules::TOOLS);
    }
}

/// `requiresReasoningContentOnAssistantMessages`, if thinking may be on.
pub(crate) fn fill_reasoning(draft: &mut RequestDraft<'_>, default: bool) {
    if draft.request().model.compat.requires_reasoning_content.unwrap_or(default) {
        history::rename_to_reasoning_content(draft);
        history::fill_missing_reasoning(draft);
    }
}

/// Content with only text parts becomes one string, one part a line.
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

/// Requests usage in a stream; it is hidden from a client that did not request it.
pub(crate) fn request_usage(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    if !body.wants_stream() {
        return;
    }
    draft.answer_plan.hides_usage = !body.wants_usage();
    let options = draft.non_null_value("stream_options").map(Bytes::copy_from_slice);
    if draft.set("stream_options", add_include_usage(options.as_ref())) {
        draft.record_rule(rules::USAGE);
    }
}

pub(crate) fn remove_usage_request(draft: &mut RequestDraft<'_>) {
    if draft.remove("stream_options") {
        draft.record_rule(rules::USAGE);
    }
}

fn add_include_usage(options: Option<&Bytes>) -> Bytes {
    let only = Bytes::from_static(br#"{"include_usage":true}"#);
    let Some(options) = options else { return only };
    let Ok((members, _)) = json::parse_members(options, 0) else { return only };
    let current = json::find_member(options, &members, "include_usage")
        .is_some_and(|flag| options.get(flag.value.clone()) == Some(b"true"));
    if current {
        return options.clone();
    }
    let mut edits = Edits::new();
    let mut patch = ObjectPatch::new(options, 0, &members);
    patch.set("include_usage", "true");
    patch.write_edits(&mut edits);
    edits.apply(options).to_bytes()
}
