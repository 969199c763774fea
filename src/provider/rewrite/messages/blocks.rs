//! Blocks of the history that the provider would refuse.

use bytes::Bytes;

use crate::protocol::json::Span;
use crate::protocol::object::Object;
use crate::protocol::request::Message;
use crate::provider::content;
use crate::provider::rewrite::draft::Draft;
use crate::provider::rewrite::{rules, tools};

/// In the place of the blocks of a list that would be empty without them.
const NOTHING: &[u8] = br#"{"type":"text","text":"(left out)"}"#;

/// Leaves out thinking without a signature: another provider wrote it. A message of nothing else goes as a whole.
pub(super) fn without_unsigned(draft: &mut Draft<'_>) {
    let body = draft.body();
    let mut gone: Vec<(Span, bool)> = Vec::new();
    for message in &body.messages {
        let blocks = if body.role_is(message, "assistant") { listed(draft, message) } else { Vec::new() };
        let marked = mark(&blocks, |block| block.word("type") == "thinking" && !block.says("signature"));
        let (some, all) = (marked.iter().any(|(_, gone)| *gone), marked.iter().all(|(_, gone)| *gone));
        gone.push((message.span.clone(), some && all));
        if some && !all {
            tools::remove_elements(&marked, draft.leaves());
            draft.fire(rules::UNSIGNED_THINKING);
        }
    }
    let (some, all) = (gone.iter().any(|(_, gone)| *gone), gone.iter().all(|(_, gone)| *gone));
    if some && !all {
        tools::remove_elements(&gone, draft.leaves());
        draft.fire(rules::UNSIGNED_THINKING);
    }
}

/// Says in text what Kimi does not know otherwise, and leaves out the rest of it: in messages, and in the results of
/// tools. What nothing may be missing of has gone elsewhere, see [`content::untaken`].
pub(super) fn without_foreign(draft: &mut Draft<'_>) {
    let body = draft.body();
    for message in &body.messages {
        let Some(object) = body.object(message) else { continue };
        settle(draft, &object);
        for result in object.objects("content").iter().filter(|block| block.word("type") == "tool_result") {
            settle(draft, result);
        }
    }
}

fn settle(draft: &mut Draft<'_>, holder: &Object<'_>) {
    let Some(list) = holder.span("content") else { return };
    let blocks = holder.objects("content");
    let is_foreign = |block: &Object<'_>| !content::is_known_block(&block.word("type"));
    if !blocks.iter().any(is_foreign) {
        return;
    }
    let said = |block: &Object<'_>| content::as_text(block).filter(|text| !text.is_empty());
    for block in blocks.iter().filter(|block| is_foreign(block)) {
        if let Some(text) = said(block) {
            draft.replace(block.extent(), text);
        }
    }
    let marked = mark(&blocks, |block| is_foreign(block) && said(block).is_none());
    if marked.iter().all(|(_, gone)| *gone) {
        draft.replace(list.start + 1..list.end - 1, Bytes::from_static(NOTHING));
    } else {
        tools::remove_elements(&marked, draft.leaves());
    }
    draft.fire(rules::FOREIGN_BLOCKS);
}

fn listed<'t>(draft: &Draft<'t>, message: &Message) -> Vec<Object<'t>> {
    let text = &draft.body().text;
    Object::at(text, message.span.start).map(|object| object.objects("content")).unwrap_or_default()
}

fn mark(blocks: &[Object<'_>], is_gone: impl Fn(&Object<'_>) -> bool) -> Vec<(Span, bool)> {
    blocks.iter().map(|block| (block.extent(), is_gone(block))).collect()
}
