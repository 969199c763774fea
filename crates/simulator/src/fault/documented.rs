//! Every error that the three providers document or that was observed from them, by a short name.
//!
//! Sources: Moonshot's error page and OpenAPI and issues that quote live bodies; Kimi Code's error reference;
//! OpenRouter's error pages and SDK models (all as of November 2026).

use serde_json::Value;

use crate::error_response::{ACCOUNT_IDS, ErrorResponse};
use crate::fault::Fault;
use crate::provider::Provider;
use crate::provider::Provider::{Kimi, Moonshot, OpenRouter};

/// One error of one provider.
pub(super) struct DocumentedError {
    /// Short name; the same on several providers where they mean the same.
    pub(super) name: &'static str,
    pub(super) provider: Provider,
    pub(super) status: u16,
    /// `error.type`; empty where the provider sends none.
    kind: &'static str,
    /// `error.message`; `{account}` is replaced by the account's ids and `{model}` by the requested model.
    pub(super) message: &'static str,
    /// OpenRouter's `error.metadata`, as JSON.
    metadata: &'static str,
    /// Seconds of Retry-After that the real one sends.
    retry_after: Option<u64>,
}

const fn error(
    provider: Provider,
    name: &'static str,
    status: u16,
    kind: &'static str,
    message: &'static str,
) -> DocumentedError {
    DocumentedError { name, provider, status, kind, message, metadata: "", retry_after: None }
}

const fn with_retry_after(error: DocumentedError, seconds: u64) -> DocumentedError {
    DocumentedError { retry_after: Some(seconds), ..error }
}

const fn openrouter_error(
    name: &'static str,
    status: u16,
    message: &'static str,
    metadata: &'static str,
) -> DocumentedError {
    DocumentedError { name, provider: OpenRouter, status, kind: "", message, metadata, retry_after: None }
}

const INVALID_REQUEST_TYPE: &str = "invalid_request_error";
const RATE_LIMIT_TYPE: &str = "rate_limit_reached_error";
const TERMINATED_TYPE: &str = "access_terminated_error";
const QUOTA_TYPE: &str = "exceeded_current_quota_error";
const OVERLOADED_MESSAGE: &str = "The engine is currently overloaded, please try again later";

static MOONSHOT: [DocumentedError; 21] = [
    error(
        Moonshot,
        "content_filter",
        400,
        "content_filter",
        "The request was rejected because it was considered high risk",
    ),
    error(Moonshot, "bad_request", 400, INVALID_REQUEST_TYPE, "Invalid request: messages must not be empty"),
    error(
        Moonshot,
        "context_overflow",
        400,
        INVALID_REQUEST_TYPE,
        "Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)",
    ),
    error(Moonshot, "input_too_long", 400, INVALID_REQUEST_TYPE, "Input token length too long"),
    error(Moonshot, "invalid_key", 401, "invalid_authentication_error", "Invalid Authentication"),
    error(Moonshot, "incorrect_key", 401, "incorrect_api_key_error", "Incorrect API key provided"),
    error(
        Moonshot,
        "permission_denied",
        403,
        "permission_denied_error",
        "The API you are accessing is not open",
    ),
    error(
        Moonshot,
        "other_user",
        403,
        "permission_denied_error",
        "You are not allowed to get other user info",
    ),
    error(
        Moonshot,
        "ip_not_allowed",
        403,
        "permission_denied_error",
        "Your IP is not allowed to access this organization",
    ),
    error(
        Moonshot,
        "model_not_found",
        404,
        "resource_not_found_error",
        "Not found the model {model} or Permission denied",
    ),
    with_retry_after(error(Moonshot, "overloaded", 429, "engine_overloaded_error", OVERLOADED_MESSAGE), 1),
    with_retry_after(
        error(
            Moonshot,
            "rate_limit",
            429,
            RATE_LIMIT_TYPE,
            "Your account {account} request reached organization max RPM: 20, please try again after 1 seconds",
        ),
        1,
    ),
    with_retry_after(
        error(
            Moonshot,
            "concurrency",
            429,
            RATE_LIMIT_TYPE,
            "Your account {account} request reached organization max concurrency: 3, please try again after 1 seconds",
        ),
        1,
    ),
    with_retry_after(
        error(
            Moonshot,
            "tokens_per_minute",
            429,
            RATE_LIMIT_TYPE,
            "Your account {account} request reached organization TPM rate limit, current:540000, limit:500000",
        ),
        1,
    ),
    error(
        Moonshot,
        "tokens_per_day",
        429,
        RATE_LIMIT_TYPE,
        "Your account {account} request reached TPD rate limit, current: 1526210, limit: 1500000",
    ),
    error(
        Moonshot,
        "insufficient_balance",
        429,
        QUOTA_TYPE,
        "Your account {account} is suspended due to insufficient balance, please recharge your account or check your plan and billing details",
    ),
    error(
        Moonshot,
        "token_quota",
        429,
        QUOTA_TYPE,
        "You exceeded your current token quota: {account} 5000000, please check your account balance",
    ),
    error(Moonshot, "client_closed", 499, "client_closed_request", "Client closed request"),
    error(
        Moonshot,
        "server_error",
        500,
        "server_error",
        "The server had an error while processing your request",
    ),
    error(Moonshot, "unexpected_output", 500, "unexpected_output", "invalid state transition"),
    error(
        Moonshot,
        "unavailable",
        503,
        "server_unavailable",
        "The server is currently unavailable, please try again later",
    ),
];

static KIMI: [DocumentedError; 23] = [
    error(Kimi, "bad_request", 400, INVALID_REQUEST_TYPE, "messages must not be empty"),
    error(
        Kimi,
        "context_overflow",
        400,
        INVALID_REQUEST_TYPE,
        "Your request exceeded model token limit: 262144 (requested: 269030)",
    ),
    error(
        Kimi,
        "message_size",
        400,
        INVALID_REQUEST_TYPE,
        "total message size 2306867 exceeds limit 2097152",
    ),
    error(
        Kimi,
        "reasoning_missing",
        400,
        INVALID_REQUEST_TYPE,
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
    ),
    error(
        Kimi,
        "content_filter",
        400,
        "content_filter",
        "The request was rejected because it was considered high risk",
    ),
    error(Kimi, "invalid_key", 401, "invalid_authentication_error", crate::rules::KIMI_INVALID_KEY_MESSAGE),
    error(
        Kimi,
        "membership",
        402,
        INVALID_REQUEST_TYPE,
        "We're unable to verify your membership benefits at this time. Please ensure your membership is active.",
    ),
    error(
        Kimi,
        "quota_5h",
        403,
        TERMINATED_TYPE,
        "You've reached your 5-hour usage limit. Your quota will reset when the current 5-hour window ends.",
    ),
    error(
        Kimi,
        "quota_weekly",
        403,
        TERMINATED_TYPE,
        "You've reached your weekly (7-day) usage limit. Your quota will reset when the current 7-day window ends.",
    ),
    error(
        Kimi,
        "quota_cycle",
        403,
        TERMINATED_TYPE,
        "You've reached your usage limit for this billing cycle. Your quota will be refreshed in the next cycle. Upgrade to get more.",
    ),
    error(
        Kimi,
        "concurrency",
        403,
        TERMINATED_TYPE,
        "You've reached your concurrent request limit. Please wait for your ongoing requests to finish and try again.",
    ),
    error(Kimi, "terminated", 403, TERMINATED_TYPE, "Access terminated."),
    error(Kimi, "forbidden_client", 403, TERMINATED_TYPE, crate::rules::CLIENT_NOT_ALLOWED_MESSAGE),
    error(
        Kimi,
        "model_not_found",
        404,
        "resource_not_found_error",
        "Not found the model {model} or Permission denied",
    ),
    error(Kimi, "method_not_found", 404, "resource_not_found_error", "method not found"),
    error(Kimi, "overloaded", 429, "engine_overloaded_error", OVERLOADED_MESSAGE),
    error(
        Kimi,
        "rate_limit",
        429,
        RATE_LIMIT_TYPE,
        "We're receiving too many requests at the moment. Please wait a moment and try again.",
    ),
    error(
        Kimi,
        "quota_monthly",
        429,
        RATE_LIMIT_TYPE,
        "You've reached kimi monthly usage limit for this billing cycle. Your quota will be refreshed in the next cycle.",
    ),
    error(
        Kimi,
        "quota_period",
        429,
        RATE_LIMIT_TYPE,
        "You've reached your usage limit for this period. Your quota will be refreshed in the next period.",
    ),
    error(Kimi, "client_closed", 499, "client_closed_request", "context canceled"),
    error(Kimi, "server_error", 500, "server_error", "failed to get membership: database error"),
    error(Kimi, "context_canceled", 500, "server_error", "context canceled"),
    error(
        Kimi,
        "unavailable",
        503,
        "server_unavailable",
        "The server is currently unavailable, please try again later",
    ),
];

static OPENROUTER: [DocumentedError; 25] = [
    openrouter_error(
        "bad_request",
        400,
        "Input required: specify \"prompt\" or \"messages\"",
        r#"{"error_type":"invalid_request"}"#,
    ),
    openrouter_error(
        "context_overflow",
        400,
        "This endpoint's maximum context length is 262144 tokens. However, you requested about 269030 tokens. Please reduce the length of either one, or use the context-compression plugin to compress your prompt automatically.",
        r#"{"error_type":"context_length_exceeded","provider_name":null}"#,
    ),
    openrouter_error("missing_key", 401, "No cookie auth credentials found", ""),
    openrouter_error("invalid_key", 401, "User not found.", ""),
    openrouter_error(
        "insufficient_balance",
        402,
        "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
        r#"{"error_type":"payment_required","limit_source":"openrouter_credits","remedy_hint":"add_credits"}"#,
    ),
    openrouter_error(
        "too_dear",
        402,
        "This request requires more credits, or fewer max_tokens. You requested up to 131072 tokens, but can only afford 2048.",
        r#"{"error_type":"payment_required","limit_source":"openrouter_credits","reason":"weight_exceeds_budget","remedy_hint":"lower_max_tokens"}"#,
    ),
    with_retry_after(
        openrouter_error(
            "in_flight_budget",
            402,
            "Too many requests in flight for the remaining budget. Please retry shortly.",
            r#"{"error_type":"payment_required","limit_source":"openrouter_in_flight_budget","reason":"in_flight_budget_exhausted","remedy_hint":"retry"}"#,
        ),
        4,
    ),
    openrouter_error(
        "content_filter",
        403,
        "Your chosen model requires moderation and your input was flagged",
        r#"{"reasons":["violence"],"flagged_input":"simulated","provider_name":"OpenAI","model_slug":"openai/gpt-5-mini"}"#,
    ),
    openrouter_error(
        "key_limit",
        403,
        "Budget limit exceeded",
        r#"{"limit_source":"openrouter_key_limit","scope":"key","limit_usd":10,"spend_usd":10.02,"resets_at":null}"#,
    ),
    openrouter_error(
        "guardrail_budget",
        403,
        "Budget limit exceeded",
        r#"{"limit_source":"openrouter_guardrail_budget","scope":"guardrail","limit_usd":5,"spend_usd":5.1,"resets_at":"2026-12-01T00:00:00Z"}"#,
    ),
    openrouter_error(
        "workspace_budget",
        403,
        "Budget limit exceeded",
        r#"{"limit_source":"openrouter_workspace_budget","scope":"workspace","limit_usd":100,"spend_usd":100.4,"resets_at":"2026-12-01T00:00:00Z"}"#,
    ),
    openrouter_error(
        "model_not_found",
        404,
        "No endpoints found for {model}.",
        r#"{"error_type":"not_found","failed_routing_step":"model"}"#,
    ),
    openrouter_error("timeout", 408, "Request timed out", r#"{"error_type":"timeout"}"#),
    openrouter_error("message_size", 413, "Request body too large", r#"{"error_type":"payload_too_large"}"#),
    openrouter_error("unprocessable", 422, "Request validation failed", r#"{"error_type":"unprocessable"}"#),
    with_retry_after(
        openrouter_error(
            "rate_limit",
            429,
            "Rate limit exceeded: free-models-per-min. ",
            r#"{"error_type":"rate_limit_exceeded","headers":{"X-RateLimit-Limit":"20","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1795255200000"}}"#,
        ),
        2,
    ),
    openrouter_error(
        "upstream_rate_limit",
        429,
        "Provider returned error",
        r#"{"provider_name":"Moonshot AI","raw":"{\"error\":{\"message\":\"The engine is currently overloaded, please try again later\",\"type\":\"engine_overloaded_error\"}}","is_byok":false}"#,
    ),
    openrouter_error(
        "shared_pool",
        429,
        "Provider returned error",
        r#"{"provider_name":"Chutes","raw":"moonshotai/kimi-k2.6:free is temporarily rate-limited upstream. Please retry shortly.","limit_source":"upstream_provider_shared_pool"}"#,
    ),
    openrouter_error("server_error", 500, "Internal Server Error", r#"{"error_type":"server"}"#),
    openrouter_error(
        "upstream_error",
        502,
        "Provider returned error",
        r#"{"provider_name":"Moonshot AI","raw":"{\"error\":{\"message\":\"The server had an error while processing your request\",\"type\":\"server_error\"}}"}"#,
    ),
    openrouter_error(
        "upstream_bad_request",
        400,
        "Provider returned error",
        r#"{"provider_name":"Moonshot AI","raw":"{\"error\":{\"message\":\"invalid temperature: only 1 is allowed for this model\",\"type\":\"invalid_request_error\"}}","is_byok":false}"#,
    ),
    openrouter_error(
        "unavailable",
        503,
        "No allowed providers are available for the selected model.",
        r#"{"error_type":"provider_unavailable"}"#,
    ),
    openrouter_error("edge_timeout", 524, "Provider returned error", r#"{"error_type":"timeout"}"#),
    openrouter_error(
        "overloaded",
        529,
        "Provider returned error",
        r#"{"error_type":"provider_overloaded","provider_name":"Moonshot AI"}"#,
    ),
    openrouter_error(
        "refusal",
        403,
        "The request was rejected by the provider's content policy",
        r#"{"error_type":"content_policy_violation","provider_name":"OpenAI"}"#,
    ),
];

/// All of them.
pub(super) fn all_errors() -> impl Iterator<Item = &'static DocumentedError> {
    MOONSHOT.iter().chain(&KIMI).chain(&OPENROUTER)
}

/// The static form of a name that at least one provider has.
pub(super) fn find_name(word: &str) -> Option<&'static str> {
    all_errors().map(|error| error.name).find(|name| *name == word)
}

/// Whether this provider has an error of this name.
pub(super) fn is_documented(provider: Provider, name: &str) -> bool {
    all_errors().any(|error| error.provider == provider && error.name == name)
}

/// The error that a fault selects, as the provider sends it.
pub(crate) fn build_error_response(
    provider: Provider,
    name: &str,
    model: &str,
    fault: Option<&Fault>,
) -> ErrorResponse {
    let found = all_errors().find(|error| error.provider == provider && error.name == name);
    let Some(error) = found else {
        return ErrorResponse::new(500, "server_error", format!("{provider} has no error {name}"));
    };
    let message = error.message.replace("{account}", ACCOUNT_IDS).replace("{model}", model);
    ErrorResponse {
        status: error.status,
        error_type: error.kind,
        message,
        metadata: serde_json::from_str::<Value>(error.metadata).ok().map(Box::new),
        retry_after: fault.and_then(|fault| fault.retry_after).or(error.retry_after),
    }
}
