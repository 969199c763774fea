//! Error responses, in the format of each provider and API.
//!
//! `data/errors.json` has every error that the providers document or that was observed from them, by a short name
//! that is the same on several providers where they mean the same. In its messages `{account}` is replaced by the
//! account's ids and `{model}` by the requested model. Sources: Moonshot's error page and OpenAPI and issues that
//! quote live bodies; Kimi Code's error reference; OpenRouter's error pages and SDK models (as of November 2026).

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::provider::{Api, Provider};

/// The account that Moonshot's rate limit texts name. Invented; a gateway must not forward it.
pub(super) const ACCOUNT_IDS: &str =
    "org-5f1e0c2b9a7d4e3f8b6a1c0d/proj-77c1d2e3f4a5b6c7d8e9f0a1<ak-f3z9q8w7e6r5t4y3u2i1>";

/// An error of `data/errors.json`.
#[derive(Deserialize)]
pub(super) struct DocumentedError {
    pub(super) provider: Provider,
    pub(super) name: String,
    pub(super) status: u16,
    /// `error.type`; empty where the provider sends none.
    #[serde(default, rename = "type")]
    error_type: String,
    pub(super) message: String,
    /// OpenRouter's `error.metadata`.
    #[serde(default)]
    metadata: Option<Value>,
    /// Seconds of Retry-After that the real one sends.
    #[serde(default)]
    retry_after: Option<u64>,
}

#[expect(clippy::expect_used, reason = "the file is part of the crate, and every test reads it")]
pub(super) static DOCUMENTED_ERRORS: LazyLock<Vec<DocumentedError>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("data/errors.json")).expect("data/errors.json is a list of errors")
});

/// Whether this provider has an error of this name.
pub(super) fn is_documented(provider: Provider, name: &str) -> bool {
    DOCUMENTED_ERRORS.iter().any(|error| error.provider == provider && error.name == name)
}

/// An HTTP error with what the provider puts in its body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ErrorResponse {
    pub(super) status: u16,
    /// `error.type`; OpenRouter's bodies carry the status as `error.code` instead.
    pub(super) error_type: &'static str,
    /// `error.message`.
    pub(super) message: String,
    /// OpenRouter's `error.metadata`; null where there is none.
    pub(super) metadata: Box<Value>,
    /// Seconds, for the Retry-After headers.
    pub(super) retry_after: Option<u64>,
}

impl ErrorResponse {
    pub(super) fn new(status: u16, error_type: &'static str, message: impl Into<String>) -> Self {
        Self { status, error_type, message: message.into(), metadata: Box::default(), retry_after: None }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// The documented error of this name; a 500 that says so where the provider has none.
    pub(super) fn documented(provider: Provider, name: &str, model: &str) -> Self {
        let found = DOCUMENTED_ERRORS.iter().find(|error| error.provider == provider && error.name == name);
        let Some(error) = found else {
            return Self::new(500, "server_error", format!("{provider} has no error {name}"));
        };
        Self {
            status: error.status,
            error_type: &error.error_type,
            message: error.message.replace("{account}", ACCOUNT_IDS).replace("{model}", model),
            metadata: Box::new(error.metadata.clone().unwrap_or_default()),
            retry_after: error.retry_after,
        }
    }

    pub(super) fn with_retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    pub(super) fn with_metadata(self, metadata: Value) -> Self {
        Self { metadata: Box::new(metadata), ..self }
    }

    /// The body that `provider` sends for it on this API; `id` is the request's.
    pub(super) fn body(&self, provider: Provider, api: Api, id: &str) -> Value {
        match api {
            Api::Messages => self.messages_body(provider, id),
            Api::Responses => self.responses_body(provider),
            Api::ChatCompletions => self.openai_body(provider),
        }
    }

    fn openai_body(&self, provider: Provider) -> Value {
        if provider == Provider::OpenAi {
            let (parameter, code) = (&self.metadata["param"], &self.metadata["code"]);
            return json!({ "error": { "message": self.message, "type": self.error_type, "param": parameter, "code": code } });
        }
        if provider != Provider::OpenRouter {
            return json!({ "error": { "message": self.message, "type": self.error_type } });
        }
        let mut error = json!({ "code": self.status, "message": self.message });
        if !self.metadata.is_null() {
            error["metadata"] = Value::clone(&self.metadata);
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

    /// Moonshot wraps its 400 and 500 and sends 401 and 429 as on its OpenAI APIs (live bodies, documented; the
    /// `request_id` as in MoonshotAI/Kimi-K2#118). Its other statuses were not observed and are wrapped here. Kimi
    /// Code wraps all (its error reference; MoonshotAI/kimi-cli#1344), and its 5xx have no type. OpenRouter adds
    /// `error_type` (its SDK's models).
    fn messages_body(&self, provider: Provider, id: &str) -> Value {
        let message = &self.message;
        let error_type = anthropic_error_type(self.status);
        match provider {
            Provider::Moonshot if matches!(self.status, 401 | 429) => self.openai_body(provider),
            Provider::Moonshot => {
                json!({ "error": { "type": error_type, "message": message }, "request_id": id, "type": "error" })
            }
            Provider::Anthropic => json!({
                "type": "error", "error": { "type": error_type, "message": message }, "request_id": id,
            }),
            Provider::Kimi | Provider::OpenAi => {
                let error_type = match self.status {
                    401 | 403 | 429 => error_type,
                    499 | 500 => "<nil>",
                    _ => self.error_type,
                };
                json!({ "error": { "type": error_type, "message": message }, "type": "error" })
            }
            Provider::OpenRouter => json!({
                "type": "error",
                "error": { "type": error_type, "message": message, "error_type": self.openrouter_error_type() },
                "request_id": id,
            }),
        }
    }

    fn openrouter_error_type(&self) -> &str {
        self.metadata["error_type"].as_str().unwrap_or(match self.status {
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
        })
    }

    /// OpenAI's envelope. OpenRouter documents three codes for this API (bad requests, too many requests, its own
    /// failures). Its other errors are sent as on its other APIs (its SDK's models).
    fn responses_body(&self, provider: Provider) -> Value {
        let code = match self.status {
            400 => "invalid_prompt",
            429 => "rate_limit_exceeded",
            500.. => "server_error",
            _ => return self.openai_body(provider),
        };
        if provider != Provider::OpenRouter {
            return self.openai_body(provider);
        }
        json!({ "error": { "code": code, "message": self.message }, "metadata": self.metadata })
    }
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
