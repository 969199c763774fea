//! How a rule is stated: `ensure(condition, text)?`.

use std::fmt::Display;

use serde_json::Value;

use crate::error_response::ErrorResponse;
use crate::provider::Provider;

/// A rule that a request breaks, with the text of the 400.
#[derive(Debug)]
pub(super) enum Violation {
    /// Moonshot and OpenRouter put `Invalid request: ` before the text, which Kimi Code sends without a prefix
    /// (MoonshotAI/kimi-cli#1977 against labring/FastGPT#3575, for the same rule).
    Prefixed(String),
    /// Every provider sends the same text.
    Verbatim(String),
}

impl Violation {
    pub(super) fn response(self, provider: Provider) -> ErrorResponse {
        ErrorResponse::bad_request(match self {
            Self::Prefixed(text) if provider != Provider::Kimi => format!("Invalid request: {text}"),
            Self::Prefixed(text) | Self::Verbatim(text) => text,
        })
    }
}

/// The result of a check; the error is the first rule that the request breaks.
pub(super) type Check = Result<(), Violation>;

pub(super) fn ensure(holds: bool, text: impl Display) -> Check {
    if holds { Ok(()) } else { Err(Violation::Prefixed(text.to_string())) }
}

pub(super) fn ensure_verbatim(holds: bool, text: impl Display) -> Check {
    if holds { Ok(()) } else { Err(Violation::Verbatim(text.to_string())) }
}

pub(super) fn refuse(text: impl Display) -> Check {
    ensure(false, text)
}

/// A limit on tokens, where it is given.
pub(super) fn ensure_positive(value: &Value, name: &str) -> Check {
    let is_positive = value.is_null() || value.as_u64().is_some_and(|tokens| tokens > 0);
    ensure(is_positive, format_args!("{name} must be a positive integer"))
}
