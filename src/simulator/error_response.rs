//! An answer that is an error, in the shape that each provider gives it.

use serde_json::{Value, json};

use super::api::Api;
use super::provider::Provider;
use super::{messages, responses};

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
    pub(super) fn body(&self, provider: Provider, face: Api, id: &str) -> Value {
        let own = match face {
            Api::ChatCompletions => None,
            Api::Messages => messages::error::error_body(provider, self, id),
            Api::Responses => responses::error::error_body(provider, self),
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
