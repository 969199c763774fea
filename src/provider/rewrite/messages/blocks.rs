//! Blocks of the history that the provider would refuse.

use bytes::Bytes;

use crate::protocol::json::Span;
use crate::protocol::object::ObjectView;
use crate::protocol::request::RequestMessage;
use crate::provider::rewrite::draft::RequestDraft;
use crate::provider::rewrite::{rules, tools};
use crate::provider::unsupported_content;

/// In the place of the blocks of a list that would be empty without them.
const PLACEHOLDER_BLOCK: &[u8] = br#"{"type":"text","text":"(left out)"}"#;

/// Leaves out thinking without a signature: another provider wrote it. A message of nothing else goes as a whole.
pub(super) fn remove_unsigned_thinking(draft: &mut RequestDraft<'_>) {
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
pub(super) fn replace_foreign_blocks(draft: &mut RequestDraft<'_>) {
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
