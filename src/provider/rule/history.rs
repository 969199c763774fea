//! Messages, blocks and items of the history that a provider rejects, and the start of a continued answer.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;

use super::draft::RequestDraft;
use crate::catalog::AdapterId;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::edit::ObjectPatch;
use crate::protocol::json::{self, Span};
use crate::protocol::object::ObjectView;
use crate::protocol::request::{RequestBody, RequestMessage};
use crate::provider::rules::{self, Rule};
use crate::provider::unsupported_content;

/// `developer` becomes `system`.
pub(crate) fn replace_developer_role(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let is_developer = |_, message: &RequestMessage| body.has_role(message, "developer");
    draft.patch_messages(rules::ROLES, is_developer, |patch, _| patch.set("role", "\"system\""));
}

/// `partial` is Moonshot's mark of an answer to continue. Other providers continue a last assistant message without it.
pub(crate) fn remove_partial(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let is_partial = |_, message: &RequestMessage| body.field(message, "partial").is_some();
    draft.patch_messages(rules::PARTIAL, is_partial, |patch, _| _ = patch.remove("partial"));
}

fn has_text(body: &RequestBody, message: &RequestMessage, key: &str) -> bool {
    body.field(message, key).is_some_and(|value| value.starts_with(b"\"") && value != b"\"\"")
}

/// Renames a field of assistant messages if the other is missing: OpenRouter's is `reasoning`, Moonshot's
/// `reasoning_content`.
pub(crate) fn rename_reasoning(draft: &mut RequestDraft<'_>, from: &str, to: &str) {
    let body = draft.body();
    let is_named = |_, message: &RequestMessage| {
        has_text(body, message, from) && !has_text(body, message, to) && body.has_role(message, "assistant")
    };
    draft.patch_messages(rules::REASONING_NAME, is_named, |patch, _| _ = patch.rename(from, to));
}

/// Assistant messages with tool calls and without `reasoning_content` get one space: any non-empty text is accepted.
pub(crate) fn fill_missing_reasoning(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let calling: BTreeSet<usize> = draft.calls.keys().copied().collect();
    let is_lacking = |index, message: &RequestMessage| {
        let has_reasoning =
            has_text(body, message, "reasoning_content") || has_text(body, message, "reasoning");
        calling.contains(&index) && !has_reasoning
    };
    let fill = |patch: &mut ObjectPatch<'_>, _: &_| patch.set("reasoning_content", "\" \"");
    draft.patch_messages(rules::REASONING_FILLER, is_lacking, fill);
}

/// Content with only text parts becomes one string, one part a line.
pub(crate) fn join_text_parts(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let join = |message: &RequestMessage| {
        let content = body.field(message, "content").filter(|content| content.starts_with(b"["))?;
        let parts: Vec<Value> = serde_json::from_slice(content).ok()?;
        let text = |part: &Value| {
            let is_text = part.get("type").is_none_or(|kind| kind == "text");
            part.get("text").filter(|_| is_text)?.as_str().map(str::to_owned)
        };
        Some(parts.iter().map(text).collect::<Option<Vec<_>>>()?.join("\n"))
    };
    draft.patch_messages(
        rules::STRING_CONTENT,
        |_, message| join(message).is_some(),
        |patch, message| patch.set("content", json::to_string_literal(&join(message).unwrap_or_default())),
    );
}

/// Accepted is any non-empty text without a signature (hermes-agent pull requests 14018 and 49143).
const THINKING_FILLER: &[u8] = br#"{"type":"thinking","thinking":" ","signature":""},"#;

/// Adds filler thinking to assistant messages that have tool calls but no thinking text. Thinking with a
/// signature is left unchanged, even if empty: a provider that omits the text recognizes it by the signature.
pub(crate) fn insert_filler(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let calling: Vec<usize> = draft.calls.keys().copied().collect();
    for index in calling {
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
            Some(empty) => draft.edits.replace(empty, &b"\" \""[..]),
            None => {
                let Some(content) = object.span("content") else { continue };
                draft.edits.replace(content.start + 1..content.start + 1, THINKING_FILLER);
            }
        }
        draft.record_rule(rules::THINKING_FILLER);
    }
}

/// Replaces the blocks of a list that would be empty without them.
const PLACEHOLDER_BLOCK: &[u8] = br#"{"type":"text","text":"(removed)"}"#;

/// Whether a block is thinking that Claude would refuse.
pub(crate) fn is_unsigned_thinking(block: &ObjectView<'_>) -> bool {
    match &*block.string_or_empty("type") {
        "thinking" => !block.has_text("signature"),
        "redacted_thinking" => !block.has_text("data"),
        _ => false,
    }
}

/// Removes thinking without a signature and redacted thinking without data, which another provider wrote, and messages with
/// nothing else. `keeps_text`: thinking with text stays.
pub(crate) fn remove_unsigned_thinking(draft: &mut RequestDraft<'_>, keeps_text: bool) {
    let body = draft.body();
    let mut kept: Vec<Span> = Vec::new();
    for message in &body.messages {
        let object = body.message_object(message).filter(|_| body.has_role(message, "assistant"));
        let blocks = object.as_ref().map(|object| object.objects("content")).unwrap_or_default();
        let is_unsigned = |block: &&ObjectView<'_>| {
            is_unsigned_thinking(block) && !(keeps_text && block.has_text("thinking"))
        };
        let signed: Vec<Span> =
            blocks.iter().filter(|block| !is_unsigned(block)).map(ObjectView::extent).collect();
        if signed.is_empty() && !blocks.is_empty() {
            continue;
        }
        kept.push(message.span.clone());
        if let Some(list) = object.and_then(|object| object.span("content"))
            && signed.len() < blocks.len()
        {
            draft.retain_elements(&list, signed);
            draft.record_rule(rules::UNSIGNED_THINKING);
        }
    }
    retain_messages(draft, kept, rules::UNSIGNED_THINKING);
}

/// Removes reasoning items without encrypted content. Where the provider stores responses, its own items stay; the ids that
/// the gateway makes have another form.
pub(crate) fn remove_unsealed_items(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let is_stored = draft.value("store") != Some(b"false");
    let is_own = |id: Cow<'_, str>| {
        id.strip_prefix("rs_").is_some_and(|tail| tail.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let is_kept = |item: &&RequestMessage| {
        let text = |key| body.field(item, key).and_then(json::unescape);
        text("type").is_none_or(|kind| kind != "reasoning")
            || text("encrypted_content").is_some_and(|sealed| !sealed.is_empty())
            || is_stored && text("id").is_some_and(is_own)
    };
    let kept = body.messages.iter().filter(is_kept).map(|item| item.span.clone()).collect();
    retain_messages(draft, kept, rules::UNSIGNED_THINKING);
}

/// Removes the details of `reasoning_details` that another provider encrypted.
pub(crate) fn remove_empty_details(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    for message in &body.messages {
        let Some(object) = body.message_object(message) else { continue };
        let details = object.objects("reasoning_details");
        let is_kept = |detail: &&ObjectView<'_>| detail.span("data").is_none() || detail.has_text("data");
        let kept: Vec<Span> = details.iter().filter(is_kept).map(ObjectView::extent).collect();
        if let Some(list) = object.span("reasoning_details")
            && kept.len() < details.len()
        {
            draft.retain_elements(&list, kept);
            draft.record_rule(rules::UNSIGNED_THINKING);
        }
    }
}

/// Removes members of messages.
pub(crate) fn remove_fields(draft: &mut RequestDraft<'_>, rule: Rule, fields: &[&str]) {
    let body = draft.body();
    let has_any =
        |_, message: &RequestMessage| fields.iter().any(|field| body.field(message, field).is_some());
    draft.patch_messages(rule, has_any, |patch, _| patch.remove_where(|key| fields.contains(&key)));
}

/// Keeps these messages, unless there are none.
fn retain_messages(draft: &mut RequestDraft<'_>, kept: Vec<Span>, rule: Rule) {
    let body = draft.body();
    if let Some(list) = body.value_span(body.api.conversation_field())
        && !kept.is_empty()
        && kept.len() < body.messages.len()
    {
        draft.retain_elements(&list, kept);
        draft.record_rule(rule);
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
    let render =
        |block: &ObjectView<'_>| unsupported_content::render_as_text(block).filter(|text| !text.is_empty());
    for block in blocks.iter().filter(|block| is_foreign(block)) {
        if let Some(text) = render(block) {
            draft.edits.replace(block.extent(), text);
        }
    }
    let kept = blocks.iter().filter(|block| !is_foreign(block) || render(block).is_some());
    let kept: Vec<Span> = kept.map(ObjectView::extent).collect();
    if kept.is_empty() {
        draft.edits.replace(list.start + 1..list.end - 1, Bytes::from_static(PLACEHOLDER_BLOCK));
    } else {
        draft.retain_elements(&list, kept);
    }
    draft.record_rule(rules::FOREIGN_BLOCKS);
}

/// Item types that Kimi knows; an item without a type is a message.
const KNOWN_ITEM_TYPES: [&str; 4] = ["message", "reasoning", "function_call", "function_call_output"];

/// Removes calls and results of tools that Kimi does not know, and other items that only `OpenAI` knows.
pub(crate) fn remove_foreign_items(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let is_known = |item: &&RequestMessage| {
        let kind = body.field(item, "type").and_then(json::unescape);
        kind.is_none_or(|kind| KNOWN_ITEM_TYPES.contains(&&*kind))
    };
    let kept = body.messages.iter().filter(is_known).map(|item| item.span.clone()).collect();
    retain_messages(draft, kept, rules::FOREIGN_ITEMS);
}

/// How a model continues an interrupted answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContinuationForm {
    /// From its beginning, as the last message.
    Prefill,
    /// With its beginning and an instruction to continue it as the last messages.
    Instruction,
}

/// What a model that takes no prefill is asked (Anthropic's migration guide to Claude 4.6 has such a message for it).
const CONTINUE_INSTRUCTION: &str = "Your answer was interrupted after the text above. Continue it exactly where it ends, \
with the next character. Do not repeat any of it, and add no comment.";

/// Appends the assistant's text so far, for the model to continue: as a prefill, or with an instruction where the model takes
/// none. Moonshot and Kimi mark a prefill with `partial` (API reference, 2026-09-23); other providers continue a last assistant
/// message without a mark. In Messages a prefill must not end with white space, and cannot be combined with thinking
/// (Anthropic API reference: prefill, 2026-10).
///
/// # Errors
/// Where the API has no prefill.
pub(crate) fn append_partial_answer(
    draft: &mut RequestDraft<'_>,
    adapter: AdapterId,
    text: &str,
    form: ContinuationForm,
) -> Result<(), Failure> {
    let body = draft.body();
    let is_prefill = form == ContinuationForm::Prefill;
    let text = if body.api == Api::Messages || !is_prefill { text.trim_end() } else { text };
    if text.is_empty() {
        return Ok(());
    }
    if body.api == Api::Responses && is_prefill {
        return Err(Failure::new(Reason::BadRequest, "the Responses API cannot continue a partial answer"));
    }
    let mut added = Vec::new();
    let is_kimi = matches!(adapter, AdapterId::Moonshot | AdapterId::KimiCode);
    let is_marked = is_prefill && is_kimi && body.api == Api::ChatCompletions;
    write_message(&mut added, "assistant", text, is_marked);
    if !is_prefill {
        added.push(b',');
        write_message(&mut added, "user", CONTINUE_INSTRUCTION, false);
    } else if body.api == Api::Messages {
        draft.remove(rules::CONTINUATION, "thinking");
    }
    append_messages(draft, added);
    draft.answer_plan.is_continuation = true;
    draft.record_rule(rules::CONTINUATION);
    Ok(())
}

fn write_message(out: &mut Vec<u8>, role: &str, text: &str, is_partial: bool) {
    out.extend_from_slice(b"{\"role\":");
    json::write_string(out, role);
    out.extend_from_slice(b",\"content\":");
    json::write_string(out, text);
    out.extend_from_slice(if is_partial { b",\"partial\":true}" } else { b"}" });
}

/// Appends messages, which are JSON with commas between, to the conversation.
fn append_messages(draft: &mut RequestDraft<'_>, messages: Vec<u8>) {
    let body = draft.body();
    let Some(list) = body.value_span(body.api.conversation_field()) else { return };
    if body.text.get(list.start) == Some(&b'"') {
        // In the Responses API a text stands for one message of the user.
        let literal = body.text.get(list.clone()).unwrap_or_default();
        let list_text = [b"[{\"role\":\"user\",\"content\":", literal, b"},", &*messages, b"]"].concat();
        return draft.edits.replace(list, list_text);
    }
    // Before the closing bracket: there are no other edits after the last message.
    let end = list.end.saturating_sub(1);
    let comma: &[u8] = if body.messages.is_empty() { b"" } else { b"," };
    draft.edits.replace(end..end, [comma, &*messages].concat());
}
