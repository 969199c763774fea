//! The Kimi Code subscription: Moonshot's rules, with models that always think and a limit on the messages' size.

use super::moonshot;
use super::rewrite::draft::RequestDraft;
use super::rewrite::parameters;
use crate::catalog::ThinkingControl;
use crate::failure::{Failure, Reason};
use crate::protocol::request::RequestBody;

pub(super) mod errors;
mod thinking;

/// The most bytes that all messages of one request may have (from its 400 `total message size N exceeds limit
/// 2097152`, reported by users, 2026).
pub const KIMI_CODE_MAX_MESSAGE_BYTES: usize = 2_097_152;

/// Bytes of all messages of a request, as [`KIMI_CODE_MAX_MESSAGE_BYTES`] counts them.
#[must_use]
pub fn count_message_bytes(body: &RequestBody) -> usize {
    body.messages.iter().map(|message| message.span.len()).sum()
}

/// Checks the size of a request in any API format.
///
/// # Errors
/// [`Reason::ContextOverflow`] when the messages exceed [`KIMI_CODE_MESSAGE_LIMIT`].
pub(super) fn check_size(draft: &RequestDraft<'_>) -> Result<(), Failure> {
    let bytes = count_message_bytes(draft.body());
    if bytes > KIMI_CODE_MAX_MESSAGE_BYTES {
        let message =
            format!("the messages have {bytes} bytes, Kimi Code takes at most {KIMI_CODE_MAX_MESSAGE_BYTES}");
        return Err(Failure::new(Reason::ContextOverflow, message));
    }
    Ok(())
}

/// The request as Kimi Code takes it over chat.
pub(super) fn rewrite(draft: &mut RequestDraft<'_>) {
    parameters::fill_missing(draft, &moonshot::PINNED_SAMPLING_FIELDS);
    moonshot::remove_sampling(draft);
    let may_think = thinking::apply_thinking(draft);
    let can_be_off = draft.request().model.thinking_control == ThinkingControl::Switch;
    let may_think = moonshot::thinking::resolve_tool_choice(draft, may_think, can_be_off);
    moonshot::apply_common_rules(draft, may_think);
}
