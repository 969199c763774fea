//! The Kimi Code subscription: the rules of `moonshot`, with models that always think and a limit on the messages' size.

use super::errors::ErrorRule;
use crate::failure::{Failure, Reason};
use crate::protocol::request::RequestBody;

/// The most bytes that all messages of one request may have (from its 400 `total message size N exceeds limit
/// 2097152`, reported by users, 2026).
pub const KIMI_CODE_MAX_MESSAGE_BYTES: usize = 2_097_152;

/// Bytes of all messages of a request, as [`KIMI_CODE_MAX_MESSAGE_BYTES`] counts them.
pub fn count_message_bytes(body: &RequestBody) -> usize {
    body.messages.iter().map(|message| message.span.len()).sum()
}

/// Checks the size of the messages of a request in any API.
///
/// # Errors
/// [`Reason::ContextOverflow`] when the messages exceed [`KIMI_CODE_MAX_MESSAGE_BYTES`].
pub fn check_message_size(body: &RequestBody) -> Result<(), Failure> {
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
    ErrorRule::by_phrase(Reason::ForbiddenClient, &[403], "only available for coding agents"),
    ErrorRule::by_phrase(Reason::RateLimit, &[403, 429], "concurrent request limit|concurrency limit"),
    ErrorRule::by_phrase(
        Reason::Quota,
        &[403, 429],
        "usage limit|quota will reset|quota will be refreshed|for this billing cycle",
    ),
    ErrorRule::by_phrase(Reason::Auth, &[403], "access terminated"),
    ErrorRule::by_status(Reason::Billing, &[402]),
    ErrorRule::by_phrase(Reason::RateLimit, &[429], "too many requests"),
    ErrorRule::by_phrase(Reason::ContextOverflow, &[400], "total message size"),
    // K3 answers valid requests with it from time to time (MoonshotAI/Kimi-K2.5 issue 51).
    ErrorRule::by_phrase(Reason::BadRequest, &[400], "invalid request error").as_intermittent(),
    // Its only message for an unknown block (MoonshotAI/kimi-cli issue 1344).
    ErrorRule::by_phrase(Reason::BadRequest, &[400], "invalid request error").as_provider_rule(),
];
