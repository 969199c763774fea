//! The Kimi Code subscription: the rules of `moonshot`, with models that always think and a limit on the messages' size.

use super::error_rule::ErrorRule;
use crate::failure::{Failure, Reason};
use crate::protocol::request::RequestBody;

/// The most bytes that all messages of one request may have (from its 400 `total message size N exceeds limit
/// 2097152`, reported by users, 2026).
pub const KIMI_CODE_MAX_MESSAGE_BYTES: usize = 2_097_152;

/// Bytes of all messages of a request, as [`KIMI_CODE_MAX_MESSAGE_BYTES`] counts them.
#[must_use]
pub fn count_message_bytes(body: &RequestBody) -> usize {
    body.messages.iter().map(|message| message.span.len()).sum()
}

/// Checks the size of a request in any API.
///
/// # Errors
/// [`Reason::ContextOverflow`] when the messages exceed [`KIMI_CODE_MAX_MESSAGE_BYTES`].
pub(crate) fn check_size(body: &RequestBody) -> Result<(), Failure> {
    let bytes = count_message_bytes(body);
    if bytes > KIMI_CODE_MAX_MESSAGE_BYTES {
        let message = format!(
            "the messages have {bytes} bytes; Kimi Code accepts at most {KIMI_CODE_MAX_MESSAGE_BYTES}"
        );
        return Err(Failure::new(Reason::ContextOverflow, message));
    }
    Ok(())
}

/// What Kimi Code's errors mean, before Moonshot's rows, which apply too (its error reference, 2026-10; texts from public
/// issues, 2026). A 403 means a gate, a usage window, concurrency or a terminated account, by its text alone.
pub(crate) const ERROR_RULES: &[ErrorRule] = &[
    ErrorRule::new(&[403], Reason::ForbiddenClient).with_phrases(&["only available for coding agents"]),
    ErrorRule::new(&[403, 429], Reason::RateLimit)
        .with_phrases(&["concurrent request limit", "concurrency limit"]),
    ErrorRule::new(&[403, 429], Reason::Quota).with_phrases(&[
        "usage limit",
        "quota will reset",
        "quota will be refreshed",
        "for this billing cycle",
    ]),
    ErrorRule::new(&[403], Reason::Auth).with_phrases(&["access terminated"]),
    ErrorRule::new(&[402], Reason::Billing),
    ErrorRule::new(&[429], Reason::RateLimit).with_phrases(&["too many requests"]),
    ErrorRule::new(&[400], Reason::ContextOverflow).with_phrases(&["total message size"]),
    // Its only message for an unknown block (MoonshotAI/kimi-cli issue 1344).
    ErrorRule::new(&[400], Reason::BadRequest).with_phrases(&["invalid request error"]).as_provider_rule(),
];
