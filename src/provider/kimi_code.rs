//! The Kimi Code subscription: Moonshot's rules, with models that always think and a limit on the messages' size.
//!
//! Messages and Responses requests follow [`moonshot`]'s rules.

use super::error_rule::ErrorRule;
use super::moonshot;
use super::rule::draft::RequestDraft;
use super::rule::thinking::{ThinkingFields, ThinkingRequest, remove_fields};
use super::rule::{parameters, tool_choice};
use super::rules;
use crate::catalog::ThinkingControl;
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
/// [`Reason::ContextOverflow`] when the messages exceed [`KIMI_CODE_MESSAGE_LIMIT`].
pub(crate) fn check_size(draft: &RequestDraft<'_>) -> Result<(), Failure> {
    let bytes = count_message_bytes(draft.body());
    if bytes > KIMI_CODE_MAX_MESSAGE_BYTES {
        let message = format!(
            "the messages have {bytes} bytes; Kimi Code accepts at most {KIMI_CODE_MAX_MESSAGE_BYTES}"
        );
        return Err(Failure::new(Reason::ContextOverflow, message));
    }
    Ok(())
}

/// A chat request as Kimi Code accepts it.
pub(crate) fn rewrite_chat(draft: &mut RequestDraft<'_>) {
    parameters::fill_missing(draft, &moonshot::PINNED_SAMPLING_FIELDS);
    remove_fields(draft, &moonshot::PINNED_SAMPLING_FIELDS, rules::SAMPLING);
    let may_think = apply_thinking(draft);
    let can_be_off = draft.request().model.thinking_control == ThinkingControl::Switch;
    let may_think = tool_choice::resolve_for_chat(draft, may_think, can_be_off);
    moonshot::apply_common_chat_rules(draft, may_think);
}

/// Writes the thinking setting as the model accepts it; returns whether the model may think. Kimi Code's models always
/// think: to disable thinking is a 400, and so is an unknown effort (its model page, 2026-09).
pub(crate) fn apply_thinking(draft: &mut RequestDraft<'_>) -> bool {
    match draft.request().model.thinking_control {
        ThinkingControl::Always => moonshot::apply_always(draft),
        ThinkingControl::Switch => moonshot::apply_switch(draft),
        // Which models there are depends on the account: one that the catalog does not know is like the others.
        ThinkingControl::Effort | ThinkingControl::Unknown | ThinkingControl::None => apply_effort(draft),
    }
}

fn apply_effort(draft: &mut RequestDraft<'_>) -> bool {
    let fields = ThinkingFields::read(draft);
    let (requested, rule) = moonshot::resolve_thinking(draft, &fields);
    remove_fields(draft, &["reasoning"], rules::THINKING);
    // Its own client sends {"type":"enabled","keep":"all"}.
    let is_its_own_form = fields.type_if_only(&["type", "keep"]) == Some("enabled");
    if requested == ThinkingRequest::Off || !is_its_own_form {
        remove_fields(draft, &["thinking"], rules::THINKING);
    }
    moonshot::set_effort(draft, requested, rule);
    true
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
