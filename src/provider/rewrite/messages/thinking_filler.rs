//! Kimi's demand for thinking in the history, as `rewrite::reasoning` has it for chat.

use crate::protocol::object::ObjectView;
use crate::provider::rewrite::draft::RequestDraft;
use crate::provider::rewrite::rules;

/// What passes: any text that is not empty, and no signature (hermes-agent pull requests 14018 and 49143).
const THINKING_FILLER: &[u8] = br#"{"type":"thinking","thinking":" ","signature":""},"#;

/// Adds filler thinking to assistant messages that have tool calls but no thinking text. Thinking with a
/// signature is left unchanged, even if empty: a provider that omits the text recognizes it by the signature.
pub(super) fn insert_filler(draft: &mut RequestDraft<'_>) {
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
