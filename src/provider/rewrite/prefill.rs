//! The beginning of the answer, as the last message.

use super::draft::RequestDraft;
use super::rules;
use crate::catalog::AdapterId;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::json;

/// Appends the assistant's text so far, for the model to continue. Moonshot and Kimi mark it with `partial`
/// (API reference, 2026-09-23); other providers continue a last assistant message without a mark. In Messages
/// it must not end with white space, and cannot be combined with thinking (Anthropic API reference: prefill,
/// 2026-10).
///
/// # Errors
/// Where the API does not support it.
pub(in crate::provider) fn append_prefill(
    draft: &mut RequestDraft<'_>,
    dialect: AdapterId,
    text: &str,
) -> Result<(), Failure> {
    let body = draft.body();
    let text = if body.api == Api::Messages { text.trim_end() } else { text };
    if text.is_empty() {
        return Ok(());
    }
    if body.api == Api::Responses {
        let message = "Responses has no place for the beginning of an answer to go on from";
        return Err(Failure::new(Reason::BadRequest, message));
    }
    let Some(messages) = body.value_span("messages") else { return Ok(()) };
    let mut message = if body.messages.is_empty() { Vec::new() } else { b",".to_vec() };
    message.extend_from_slice(b"{\"role\":\"assistant\",\"content\":");
    json::write_string(&mut message, text);
    match (body.api, dialect) {
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
