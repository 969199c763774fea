//! What OpenRouter's refusals mean (SDK 1.3.19 and its error pages, 2026-10).

use crate::failure::Reason;
use crate::provider::classify::notice::Notice;
use crate::provider::classify::row::{self, Row, Verdict};
use crate::provider::{generic, moonshot};

/// Its own words first, then the metadata, then what the provider behind it said.
pub(in crate::provider) fn verdict(notice: &Notice) -> Option<Verdict> {
    money(notice)
        .or_else(|| moderation(notice))
        .or_else(|| behind(notice))
        .or_else(|| row::first(ROWS, notice))
        .or_else(|| by_error_type(notice))
}

const ROWS: &[Row] = &[
    Row::new(&[429], Reason::Quota).words(&["free-models-per-day", "per-day"]),
    Row::new(&[404], Reason::ModelNotFound),
    Row::new(&[400], Reason::ModelNotFound).words(&["is not a valid model id"]),
];

/// 402 and budgets: requests in flight count against the balance, which is over when they are.
fn money(notice: &Notice) -> Option<Verdict> {
    let source = notice.detail("limit_source");
    let is_in_flight =
        source.contains("in_flight_budget") || notice.detail("reason").contains("in_flight_budget");
    let is_budget = matches!(
        source,
        "openrouter_key_limit" | "openrouter_guardrail_budget" | "openrouter_workspace_budget"
    ) || notice.words.contains("budget limit exceeded")
        || notice.words.contains("key limit exceeded");
    let resets = notice.metadata.as_ref().and_then(|m| m.get("resets_at")).is_some_and(|at| !at.is_null());
    match notice.status {
        Some(402 | 429) if is_in_flight => Some(Reason::RateLimit.into()),
        // A budget with a window opens again by itself; one without waits for a person.
        Some(402 | 403) if is_budget => Some(if resets { Reason::Quota } else { Reason::Billing }.into()),
        Some(402) if notice.inner.is_none() => Some(Reason::Billing.into()),
        _ => None,
    }
}

fn moderation(notice: &Notice) -> Option<Verdict> {
    let metadata = notice.metadata.as_ref();
    let is_flagged = metadata.is_some_and(|m| m.get("reasons").is_some() || m.get("flagged_input").is_some())
        || notice.words.contains("flagged")
        || notice.words.contains("moderation");
    (notice.status == Some(403) && is_flagged).then(|| Reason::ContentFilter.into())
}

/// The provider behind it, by `metadata.raw`. Its account is OpenRouter's, unless the user brought a key of their own.
fn behind(notice: &Notice) -> Option<Verdict> {
    let inner = notice.inner.as_deref()?;
    let is_byok = notice.metadata.as_ref().and_then(|m| m.get("is_byok")?.as_bool()).unwrap_or(false);
    let inner = Notice { status: notice.status.or(inner.status), ..inner.clone() };
    let rows = [moonshot::refusals::ROWS, generic::refusals::ROWS];
    let verdict = rows.iter().find_map(|rows| row::first(rows, &inner));
    match verdict.map(|verdict| verdict.reason) {
        Some(Reason::Auth | Reason::Billing | Reason::Quota) if !is_byok => Some(Reason::Server.into()),
        Some(_) => verdict,
        None if matches!(notice.status, Some(401..=403)) && !is_byok => Some(Reason::Server.into()),
        None => None,
    }
}

/// `metadata.error_type`, the SDK's enumeration.
fn by_error_type(notice: &Notice) -> Option<Verdict> {
    let own_rule = Verdict { reason: Reason::BadRequest, provider_rule: true };
    Some(match notice.detail("error_type") {
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
