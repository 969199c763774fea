//! Errors in the format of the Responses API: OpenAI's envelope, except for OpenRouter's own codes.
//!
//! OpenRouter documents three codes for this API (bad requests, too many requests, its own failures). The
//! others are sent as on its other APIs (its SDK's models).

use serde_json::{Value, json};

use crate::simulator::error_response::ErrorResponse;
use crate::simulator::provider::Provider;

/// The body; none where the provider sends the same as on its Chat Completions API.
pub(in crate::simulator) fn error_body(provider: Provider, refusal: &ErrorResponse) -> Option<Value> {
    if provider != Provider::OpenRouter {
        return None;
    }
    let code = match refusal.status {
        400 => "invalid_prompt",
        429 => "rate_limit_exceeded",
        500.. => "server_error",
        _ => return None,
    };
    Some(json!({
        "error": { "code": code, "message": refusal.message },
        "metadata": refusal.metadata.as_deref(),
    }))
}
