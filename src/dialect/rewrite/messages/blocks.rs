//! Blocks of the history that the provider would refuse.

use bytes::Bytes;

use crate::dialect::rewrite::draft::Draft;
use crate::dialect::rewrite::{rules, tools};
use crate::wire::json::Span;
use crate::wire::object::Object;
use crate::wire::request::Message;

/// Blocks that Kimi's converter knows.
const KNOWN: [&str; 5] = ["text", "image", "thinking", "tool_use", "tool_result"];

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

/// Leaves out what Kimi does not know: in messages, and in the results of tools.
pub(super) fn without_foreign(draft: &mut Draft<'_>) {
    let body = draft.body();
    for message in &body.messages {
        let Some(object) = Object::at(&body.text, message.span.start) else { continue };
        leave_out(draft, &object);
        for result in object.objects("content").iter().filter(|block| block.word("type") == "tool_result") {
            leave_out(draft, result);
        }
    }
}

fn leave_out(draft: &mut Draft<'_>, holder: &Object<'_>) {
    let Some(content) = holder.span("content") else { return };
    let marked = mark(&holder.objects("content"), |block| !KNOWN.contains(&&*block.word("type")));
    if !marked.iter().any(|(_, gone)| *gone) {
        return;
    }
    if marked.iter().all(|(_, gone)| *gone) {
        draft.replace(content.start + 1..content.end - 1, Bytes::from_static(NOTHING));
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
