//! The beginning of the answer, as the last message.

use super::draft::Draft;
use super::rules;
use crate::catalog::DialectId;
use crate::wire::json;

/// Appends the assistant's text so far, for the model to go on from. Moonshot's and Kimi's mark for that is `partial`
/// (API reference, 2026-09-23); elsewhere a last assistant message is one without it.
pub(in crate::dialect) fn append(draft: &mut Draft<'_>, dialect: DialectId, text: &str) {
    let body = draft.body();
    let Some(messages) = json::find(&body.text, &body.top, "messages") else { return };
    if text.is_empty() {
        return;
    }
    let mut message = if body.messages.is_empty() { Vec::new() } else { b",".to_vec() };
    message.extend_from_slice(b"{\"role\":\"assistant\",\"content\":");
    json::write_string(&mut message, text);
    match dialect {
        DialectId::Moonshot | DialectId::KimiCode => message.extend_from_slice(b",\"partial\":true}"),
        DialectId::OpenRouter | DialectId::Generic => message.push(b'}'),
    }
    // Before the closing bracket: no other edit stands behind the last message.
    let end = messages.value.end.saturating_sub(1);
    draft.replace(end..end, message);
    draft.plan.goes_on = true;
    draft.fire(rules::CONTINUATION);
}
