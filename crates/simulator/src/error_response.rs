//! Error responses, in the format of each provider and API.
//!
//! Errors in the format of the Messages API.
//!
//! Moonshot wraps its 400 and 500 and sends 401 and 429 as on its OpenAI APIs (live bodies, documented; the
//! `request_id` as in MoonshotAI/Kimi-K2#118). Its other statuses were not observed and are wrapped here. Kimi
//! Code wraps all (its error reference; MoonshotAI/kimi-cli#1344), and its 5xx have no type. OpenRouter adds
//! `error_type` (its SDK's models).
//!
//! Errors in the format of the Responses API: OpenAI's envelope, except for OpenRouter's own codes.
//!
//! OpenRouter documents three codes for this API (bad requests, too many requests, its own failures). The
//! others are sent as on its other APIs (its SDK's models).

use serde_json::{Value, json};

use crate::provider::{Api, Provider};

/// The account that Moonshot's rate limit texts name. Invented; a gateway must not forward it.
pub(super) const ACCOUNT_IDS: &str =
    "org-5f1e0c2b9a7d4e3f8b6a1c0d/proj-77c1d2e3f4a5b6c7d8e9f0a1<ak-f3z9q8w7e6r5t4y3u2i1>";

/// An HTTP error with what the provider puts in its body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ErrorResponse {
    /// HTTP status.
    pub(super) status: u16,
    /// `error.type`; OpenRouter's bodies carry the status as `error.code` instead.
    pub(super) error_type: &'static str,
    /// `error.message`.
    pub(super) message: String,
    /// OpenRouter's `error.metadata`.
    pub(super) metadata: Option<Box<Value>>,
    /// Seconds, for the Retry-After headers.
    pub(super) retry_after: Option<u64>,
}

impl ErrorResponse {
    /// An error with a type and a text.
    pub(super) fn new(status: u16, error_type: &'static str, message: impl Into<String>) -> Self {
        Self { status, error_type, message: message.into(), metadata: None, retry_after: None }
    }

    /// A 400 with nothing but a text.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// A 400 in each host's wording: Moonshot puts `Invalid request: ` before the texts that Kimi Code sends
    /// without a prefix (MoonshotAI/kimi-cli#1977 against labring/FastGPT#3575, for the same rule).
    pub(super) fn invalid_request(provider: Provider, message: impl AsRef<str>) -> Self {
        match provider {
            Provider::Kimi => Self::bad_request(message.as_ref()),
            Provider::Moonshot | Provider::OpenRouter => {
                Self::bad_request(format!("Invalid request: {}", message.as_ref()))
            }
        }
    }

    /// Moonshot's and Kimi Code's answer to a model that is unknown, retired or not in the plan.
    pub(super) fn unknown_model(id: &str) -> Self {
        Self::new(404, "resource_not_found_error", format!("Not found the model {id} or Permission denied"))
    }

    /// The same with seconds to wait.
    pub(super) fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same with OpenRouter's metadata.
    pub(super) fn with_metadata(mut self, metadata: Value) -> Self {
        self.metadata = Some(Box::new(metadata));
        self
    }

    /// The body that `provider` sends for it on this API; `id` is the request's.
    pub(super) fn body(&self, provider: Provider, api: Api, id: &str) -> Value {
        let own = match api {
            Api::ChatCompletions => None,
            Api::Messages => messages_error_body(provider, self, id),
            Api::Responses => responses_error_body(provider, self),
        };
        own.unwrap_or_else(|| self.openai_body(provider))
    }

    fn openai_body(&self, provider: Provider) -> Value {
        if provider != Provider::OpenRouter {
            return json!({ "error": { "message": self.message, "type": self.error_type } });
        }
        let mut error = json!({ "code": self.status, "message": self.message });
        if let (Some(metadata), Some(members)) = (&self.metadata, error.as_object_mut()) {
            members.insert("metadata".into(), Value::clone(metadata));
        }
        json!({ "error": error, "user_id": "user_2simulated0account" })
    }

    /// OpenRouter's version of an upstream's refusal for which it may not use another provider
    /// (charmbracelet/crush#2633).
    pub(super) fn wrap_for_openrouter(self) -> Self {
        let raw = self.openai_body(Provider::Moonshot).to_string();
        Self::new(self.status, "", "Provider returned error")
            .with_metadata(json!({ "raw": raw, "provider_name": "Moonshot AI", "is_byok": false }))
    }
}

/// The body; none where the provider sends the same as on its OpenAI APIs.
pub(crate) fn messages_error_body(provider: Provider, error: &ErrorResponse, id: &str) -> Option<Value> {
    let message = &error.message;
    Some(match provider {
        Provider::Moonshot if matches!(error.status, 401 | 429) => return None,
        Provider::Moonshot => json!({
            "error": { "type": anthropic_error_type(error.status), "message": message },
            "request_id": id,
            "type": "error",
        }),
        Provider::Kimi => {
            json!({ "error": { "type": kimi_error_type(error), "message": message }, "type": "error" })
        }
        Provider::OpenRouter => json!({
            "type": "error",
            "error": {
                "type": anthropic_error_type(error.status),
                "message": message,
                "error_type": openrouter_error_type(error),
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

fn kimi_error_type(error: &ErrorResponse) -> &'static str {
    match error.status {
        401 | 403 | 429 => anthropic_error_type(error.status),
        499 | 500 => "<nil>",
        _ => error.error_type,
    }
}

fn openrouter_error_type(error: &ErrorResponse) -> String {
    let given = error.metadata.as_ref().and_then(|metadata| metadata.get("error_type")?.as_str());
    let usual = match error.status {
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

/// The body; none where the provider sends the same as on its Chat Completions API.
fn responses_error_body(provider: Provider, error: &ErrorResponse) -> Option<Value> {
    if provider != Provider::OpenRouter {
        return None;
    }
    let code = match error.status {
        400 => "invalid_prompt",
        429 => "rate_limit_exceeded",
        500.. => "server_error",
        _ => return None,
    };
    Some(json!({
        "error": { "code": code, "message": error.message },
        "metadata": error.metadata.as_deref(),
    }))
}
