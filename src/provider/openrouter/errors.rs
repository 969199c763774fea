//! What OpenRouter's refusals mean (SDK 1.3.19 and its error pages, 2026-10).

use crate::failure::Reason;
use crate::provider::classify::error_details::ErrorDetails;
use crate::provider::classify::error_rule::{self, Classification, ErrorRule};
use crate::provider::{generic, moonshot};

/// Its own words first, then the metadata, then what the provider behind it said.
pub(in crate::provider) fn classify(notice: &ErrorDetails) -> Option<Classification> {
    classify_billing(notice)
        .or_else(|| classify_moderation(notice))
        .or_else(|| classify_wrapped_error(notice))
        .or_else(|| error_rule::match_first(ERROR_RULES, notice))
        .or_else(|| classify_error_type(notice))
}

const ERROR_RULES: &[ErrorRule] = &[
    ErrorRule::new(&[429], Reason::Quota).with_phrases(&["free-models-per-day", "per-day"]),
    ErrorRule::new(&[404], Reason::ModelNotFound),
    ErrorRule::new(&[400], Reason::ModelNotFound).with_phrases(&["is not a valid model id"]),
];

/// 402 and budgets: requests in flight count against the balance, which is over when they are.
fn classify_billing(notice: &ErrorDetails) -> Option<Classification> {
    let source = notice.metadata_text("limit_source");
    let is_in_flight =
        source.contains("in_flight_budget") || notice.metadata_text("reason").contains("in_flight_budget");
    let is_budget = matches!(
        source,
        "openrouter_key_limit" | "openrouter_guardrail_budget" | "openrouter_workspace_budget"
    ) || notice.lowercase_text.contains("budget limit exceeded")
        || notice.lowercase_text.contains("key limit exceeded");
    let resets = notice.metadata.as_ref().and_then(|m| m.get("resets_at")).is_some_and(|at| !at.is_null());
    match notice.status {
        Some(402 | 429) if is_in_flight => Some(Reason::RateLimit.into()),
        // A budget with a window opens again by itself; one without waits for a person.
        Some(402 | 403) if is_budget => Some(if resets { Reason::Quota } else { Reason::Billing }.into()),
        Some(402) if notice.wrapped_error.is_none() => Some(Reason::Billing.into()),
        _ => None,
    }
}

fn classify_moderation(notice: &ErrorDetails) -> Option<Classification> {
    let metadata = notice.metadata.as_ref();
    let is_flagged = metadata.is_some_and(|m| m.get("reasons").is_some() || m.get("flagged_input").is_some())
        || notice.lowercase_text.contains("flagged")
        || notice.lowercase_text.contains("moderation");
    (notice.status == Some(403) && is_flagged).then(|| Reason::ContentFilter.into())
}

/// The provider behind it, by `metadata.raw`. Its account is OpenRouter's, unless the user brought a key of their own.
fn classify_wrapped_error(notice: &ErrorDetails) -> Option<Classification> {
    let inner = notice.wrapped_error.as_deref()?;
    let is_byok = notice.metadata.as_ref().and_then(|m| m.get("is_byok")?.as_bool()).unwrap_or(false);
    let inner = ErrorDetails { status: notice.status.or(inner.status), ..inner.clone() };
    let rows = [moonshot::errors::ERROR_RULES, generic::errors::ERROR_RULES];
    let verdict = rows.iter().find_map(|rows| error_rule::match_first(rows, &inner));
    match verdict.map(|verdict| verdict.reason) {
        Some(Reason::Auth | Reason::Billing | Reason::Quota) if !is_byok => Some(Reason::Server.into()),
        Some(_) => verdict,
        None if matches!(notice.status, Some(401..=403)) && !is_byok => Some(Reason::Server.into()),
        None => None,
    }
}

/// `metadata.error_type`, the SDK's enumeration.
fn classify_error_type(notice: &ErrorDetails) -> Option<Classification> {
    let own_rule = Classification { reason: Reason::BadRequest, is_provider_rule: true };
    Some(match notice.metadata_text("error_type") {
        "context_length_exceeded" | "token_limit_exceeded" | "string_too_long" | "payload_too_large" => {
            Reason::ContextOverflow.into()
        }
        // Limits of the one model or provider.
        "max_tokens_exceeded"
        | "image_too_large"
        | "image_too_small"
        | "unsupported_image_format"
        | "image_download_failed" => own_rule,
        "authentication" | "permission_denied" => Reason::Auth.into(),
        "payment_required" => Reason::Billing.into(),
        "rate_limit_exceeded" => Reason::RateLimit.into(),
        "provider_overloaded" => Reason::Overloaded.into(),
        "provider_unavailable" | "server" => Reason::Server.into(),
        "not_found" => Reason::ModelNotFound.into(),
        "content_policy_violation" | "refusal" => Reason::ContentFilter.into(),
        "timeout" => Reason::Timeout.into(),
        "invalid_request"
        | "invalid_prompt"
        | "precondition_failed"
        | "unprocessable"
        | "invalid_image"
        | "image_not_found" => Reason::BadRequest.into(),
        // `unmapped`, and what comes after this was written.
        _ => return None,
    })
}
