//! Errors as the Responses face has them: OpenAI's envelope, but for OpenRouter's own codes.
//!
//! OpenRouter documents three codes for this face (bad requests, too many, its own failures); the others come as on its
//! other faces (its SDK's models).

use serde_json::{Value, json};

use crate::simulator::error_response::ErrorResponse;
use crate::simulator::provider::Provider;

/// The body, none where the provider sends the same as on its chat face.
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
