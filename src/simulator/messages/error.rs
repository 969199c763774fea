//! Errors in the format of the Messages API.
//!
//! Moonshot wraps its 400 and 500 and sends 401 and 429 as on its OpenAI APIs (live bodies, documented; the
//! `request_id` as in MoonshotAI/Kimi-K2#118). Its other statuses were not observed and are wrapped here. Kimi
//! Code wraps all (its error reference; MoonshotAI/kimi-cli#1344), and its 5xx have no type. OpenRouter adds
//! `error_type` (its SDK's models).

use serde_json::{Value, json};

use crate::simulator::error_response::ErrorResponse;
use crate::simulator::provider::Provider;

/// The body; none where the provider sends the same as on its OpenAI APIs.
pub(in crate::simulator) fn error_body(
    provider: Provider,
    refusal: &ErrorResponse,
    id: &str,
) -> Option<Value> {
    let message = &refusal.message;
    Some(match provider {
        Provider::Moonshot if matches!(refusal.status, 401 | 429) => return None,
        Provider::Moonshot => json!({
            "error": { "type": anthropic_error_type(refusal.status), "message": message },
            "request_id": id,
            "type": "error",
        }),
        Provider::Kimi => {
            json!({ "error": { "type": kimi_error_type(refusal), "message": message }, "type": "error" })
        }
        Provider::OpenRouter => json!({
            "type": "error",
            "error": {
                "type": anthropic_error_type(refusal.status),
                "message": message,
                "error_type": openrouter_error_type(refusal),
            },
            "request_id": id,
        }),
    })
}

/// Anthropic's name of a status.
fn anthropic_error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        408 | 504 | 524 => "timeout_error",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        400..=498 => "invalid_request_error",
        _ => "api_error",
    }
}

fn kimi_error_type(refusal: &ErrorResponse) -> &'static str {
    match refusal.status {
        401 | 403 | 429 => anthropic_error_type(refusal.status),
        499 | 500 => "<nil>",
        _ => refusal.error_type,
    }
}

fn openrouter_error_type(refusal: &ErrorResponse) -> String {
    let given = refusal.metadata.as_ref().and_then(|metadata| metadata.get("error_type")?.as_str());
    let usual = match refusal.status {
        401 => "authentication",
        402 => "payment_required",
        403 => "permission_denied",
        404 => "not_found",
        408 | 524 => "timeout",
        413 => "payload_too_large",
        429 => "rate_limit_exceeded",
        502 | 503 => "provider_unavailable",
        529 => "provider_overloaded",
        400..=499 => "invalid_request",
        500 => "server",
        _ => "unmapped",
    };
    given.unwrap_or(usual).to_owned()
}
