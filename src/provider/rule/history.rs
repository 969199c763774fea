//! Messages, blocks and items of the history that a provider rejects, and the start of a continued answer.

use bytes::Bytes;

use super::draft::RequestDraft;
use super::tools;
use crate::catalog::AdapterId;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::json::{self, Span};
use crate::protocol::object::ObjectView;
use crate::protocol::request::{RequestBody, RequestMessage};
use crate::provider::rules;
use crate::provider::unsupported_content;

/// `developer` becomes `system`.
pub(crate) fn replace_developer_role(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    for (index, message) in body.messages.iter().enumerate() {
        if body.has_role(message, "developer")
            && let Some(patch) = draft.message_patch(index)
        {
            patch.set("role", "\"system\"");
            draft.record_rule(rules::ROLES);
        }
    }
}

/// `partial` is Moonshot's mark of an answer to continue. Other providers continue a last assistant message without it.
pub(crate) fn remove_partial(draft: &mut RequestDraft<'_>) {
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

fn has_text(body: &RequestBody, message: &RequestMessage, key: &str) -> bool {
    body.field(message, key).is_some_and(|value| value.starts_with(b"\"") && value != b"\"\"")
}

/// OpenRouter's `reasoning` becomes `reasoning_content` if that is missing.
pub(crate) fn rename_to_reasoning_content(draft: &mut RequestDraft<'_>) {
    rename_field(draft, "reasoning", "reasoning_content");
}

/// Moonshot's `reasoning_content` becomes `reasoning` if that is missing.
pub(crate) fn rename_to_reasoning(draft: &mut RequestDraft<'_>) {
    rename_field(draft, "reasoning_content", "reasoning");
}

fn rename_field(draft: &mut RequestDraft<'_>, from: &str, to: &str) {
    let body = draft.body();
    for (index, message) in body.messages.iter().enumerate() {
        if has_text(body, message, from)
            && !has_text(body, message, to)
            && body.has_role(message, "assistant")
            && let Some(patch) = draft.message_patch(index)
        {
            patch.rename(from, to);
            draft.record_rule(rules::REASONING_NAME);
        }
    }
}

/// Assistant messages with tool calls and without `reasoning_content` get one space: any non-empty text is accepted.
pub(crate) fn fill_missing_reasoning(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let lacking: Vec<usize> = draft
        .calls()
        .keys()
        .copied()
        .filter(|index| {
            body.messages.get(*index).is_some_and(|message| {
                !has_text(body, message, "reasoning_content") && !has_text(body, message, "reasoning")
            })
        })
        .collect();
    for index in lacking {
        if let Some(patch) = draft.message_patch(index) {
            patch.set("reasoning_content", "\" \"");
            draft.record_rule(rules::REASONING_FILLER);
        }
    }
}

/// Accepted is any non-empty text without a signature (hermes-agent pull requests 14018 and 49143).
const THINKING_FILLER: &[u8] = br#"{"type":"thinking","thinking":" ","signature":""},"#;

/// Adds filler thinking to assistant messages that have tool calls but no thinking text. Thinking with a
/// signature is left unchanged, even if empty: a provider that omits the text recognizes it by the signature.
pub(crate) fn insert_filler(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let lacking: Vec<usize> = draft.calls().keys().copied().collect();
    for index in lacking {
        let Some(message) = body.messages.get(index) else { continue };
        let Some(object) = body.message_object(message) else { continue };
        let blocks = object.objects("content");
        let is_thinking = |block: &&ObjectView<'_>| block.string_or_empty("type") == "thinking";
        if blocks
            .iter()
            .filter(is_thinking)
            .any(|block| block.has_text("thinking") || block.has_text("signature"))
        {
            continue;
        }
        match blocks.iter().find(is_thinking).and_then(|block| block.span("thinking")) {
            Some(empty) => draft.replace(empty, &b"\" \""[..]),
            None => {
                let Some(content) = object.span("content") else { continue };
                draft.replace(content.start + 1..content.start + 1, THINKING_FILLER);
            }
        }
        draft.record_rule(rules::THINKING_FILLER);
    }
}

/// Replaces the blocks of a list that would be empty without them.
const PLACEHOLDER_BLOCK: &[u8] = br#"{"type":"text","text":"(removed)"}"#;

/// Removes thinking without a signature, which another provider wrote, and messages with nothing else.
pub(crate) fn remove_unsigned_thinking(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let mut gone: Vec<(Span, bool)> = Vec::new();
    for message in &body.messages {
        let blocks =
            if body.has_role(message, "assistant") { read_blocks(draft, message) } else { Vec::new() };
        let marked = mark_removed(&blocks, |block| {
            block.string_or_empty("type") == "thinking" && !block.has_text("signature")
        });
        let (some, all) = (marked.iter().any(|(_, gone)| *gone), marked.iter().all(|(_, gone)| *gone));
        gone.push((message.span.clone(), some && all));
        if some && !all {
            tools::remove_elements(&marked, draft.edits());
            draft.record_rule(rules::UNSIGNED_THINKING);
        }
    }
    let (some, all) = (gone.iter().any(|(_, gone)| *gone), gone.iter().all(|(_, gone)| *gone));
    if some && !all {
        tools::remove_elements(&gone, draft.edits());
        draft.record_rule(rules::UNSIGNED_THINKING);
    }
}

/// Renders blocks that Kimi does not know as text where they have text, and removes the others. Applies to
/// messages and to tool results. Requests with content that must not be lost were routed elsewhere, see
/// `find_unsupported_content`.
pub(crate) fn replace_foreign_blocks(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    for message in &body.messages {
        let Some(object) = body.message_object(message) else { continue };
        replace_blocks(draft, &object);
        for result in
            object.objects("content").iter().filter(|block| block.string_or_empty("type") == "tool_result")
        {
            replace_blocks(draft, result);
        }
    }
}

fn replace_blocks(draft: &mut RequestDraft<'_>, holder: &ObjectView<'_>) {
    let Some(list) = holder.span("content") else { return };
    let blocks = holder.objects("content");
    let is_foreign =
        |block: &ObjectView<'_>| !unsupported_content::is_supported_block(&block.string_or_empty("type"));
    if !blocks.iter().any(is_foreign) {
        return;
    }
    let said =
        |block: &ObjectView<'_>| unsupported_content::render_as_text(block).filter(|text| !text.is_empty());
    for block in blocks.iter().filter(|block| is_foreign(block)) {
        if let Some(text) = said(block) {
            draft.replace(block.extent(), text);
        }
    }
    let marked = mark_removed(&blocks, |block| is_foreign(block) && said(block).is_none());
    if marked.iter().all(|(_, gone)| *gone) {
        draft.replace(list.start + 1..list.end - 1, Bytes::from_static(PLACEHOLDER_BLOCK));
    } else {
        tools::remove_elements(&marked, draft.edits());
    }
    draft.record_rule(rules::FOREIGN_BLOCKS);
}

fn read_blocks<'t>(draft: &RequestDraft<'t>, message: &RequestMessage) -> Vec<ObjectView<'t>> {
    let text = &draft.body().text;
    ObjectView::parse_at(text, message.span.start).map(|object| object.objects("content")).unwrap_or_default()
}

fn mark_removed(blocks: &[ObjectView<'_>], is_gone: impl Fn(&ObjectView<'_>) -> bool) -> Vec<(Span, bool)> {
    blocks.iter().map(|block| (block.extent(), is_gone(block))).collect()
}

/// Item types that Kimi knows; an item without a type is a message.
const KNOWN_ITEM_TYPES: [&str; 4] = ["message", "reasoning", "function_call", "function_call_output"];

/// Removes calls and results of tools that Kimi does not know, and other items that only `OpenAI` knows.
pub(crate) fn remove_foreign_items(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let marked: Vec<(Span, bool)> = body
        .messages
        .iter()
        .map(|item| {
            let kind = body.field(item, "type").and_then(json::unescape);
            (item.span.clone(), kind.is_some_and(|kind| !KNOWN_ITEM_TYPES.contains(&&*kind)))
        })
        .collect();
    if marked.iter().any(|(_, gone)| *gone) && !marked.iter().all(|(_, gone)| *gone) {
        tools::remove_elements(&marked, draft.edits());
        draft.record_rule(rules::FOREIGN_ITEMS);
    }
}

/// Appends the assistant's text so far, for the model to continue. Moonshot and Kimi mark it with `partial`
/// (API reference, 2026-09-23); other providers continue a last assistant message without a mark. In Messages
/// it must not end with white space, and cannot be combined with thinking (Anthropic API reference: prefill,
/// 2026-10).
///
/// # Errors
/// Where the API does not support it.
pub(crate) fn append_prefill(
    draft: &mut RequestDraft<'_>,
    adapter: AdapterId,
    text: &str,
) -> Result<(), Failure> {
    let body = draft.body();
    let text = if body.api == Api::Messages { text.trim_end() } else { text };
    if text.is_empty() {
        return Ok(());
    }
    if body.api == Api::Responses {
        let message = "the Responses API cannot continue a partial answer";
        return Err(Failure::new(Reason::BadRequest, message));
    }
    let Some(messages) = body.value_span("messages") else { return Ok(()) };
    let mut message = if body.messages.is_empty() { Vec::new() } else { b",".to_vec() };
    message.extend_from_slice(b"{\"role\":\"assistant\",\"content\":");
    json::write_string(&mut message, text);
    match (body.api, adapter) {
        (Api::ChatCompletions, AdapterId::Moonshot | AdapterId::KimiCode) => {
            message.extend_from_slice(b",\"partial\":true}");
        }
        _ => message.push(b'}'),
    }
    if body.api == Api::Messages {
        draft.remove("thinking");
    }
    // Before the closing bracket: there are no other edits after the last message.
    let end = messages.end.saturating_sub(1);
    draft.replace(end..end, message);
    draft.answer_plan.is_continuation = true;
    draft.record_rule(rules::CONTINUATION);
    Ok(())
}
