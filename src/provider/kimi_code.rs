//! The Kimi Code subscription: Moonshot's rules, with models that always think and a limit on the messages' size.

use super::moonshot;
use super::rewrite::draft::Draft;
use super::rewrite::params;
use crate::catalog::Thinking;
use crate::failure::{Failure, Reason};
use crate::protocol::request::RequestBody;

pub(super) mod refusals;
mod thinking;

/// The most bytes that all messages of one request may have (from its 400 `total message size N exceeds limit
/// 2097152`, reported by users, 2026).
pub const KIMI_CODE_MESSAGE_LIMIT: usize = 2_097_152;

/// Bytes of all messages of a request, as [`KIMI_CODE_MESSAGE_LIMIT`] counts them.
#[must_use]
pub fn message_bytes(body: &RequestBody) -> usize {
    body.messages.iter().map(|message| message.span.len()).sum()
}

/// Whether a request is small enough, over every face.
///
/// # Errors
/// [`Reason::ContextOverflow`] when the messages exceed [`KIMI_CODE_MESSAGE_LIMIT`].
pub(super) fn check_size(draft: &Draft<'_>) -> Result<(), Failure> {
    let bytes = message_bytes(draft.body());
    if bytes > KIMI_CODE_MESSAGE_LIMIT {
        let message =
            format!("the messages have {bytes} bytes, Kimi Code takes at most {KIMI_CODE_MESSAGE_LIMIT}");
        return Err(Failure::new(Reason::ContextOverflow, message));
    }
    Ok(())
}

/// The request as Kimi Code takes it over chat.
pub(super) fn rewrite(draft: &mut Draft<'_>) {
    params::fill(draft, &moonshot::SAMPLING);
    moonshot::without_sampling(draft);
    let may_think = thinking::settle(draft);
    let can_be_off = draft.request().model.thinking == Thinking::Switch;
    let may_think = moonshot::thinking::settle_tool_choice(draft, may_think, can_be_off);
    moonshot::finish(draft, may_think);
}
