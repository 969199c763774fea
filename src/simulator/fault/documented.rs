//! Every error that the three providers document or that was seen from them, by a short name.
//!
//! Sources: Moonshot's error page and OpenAPI and issues that quote live bodies; Kimi Code's error reference; OpenRouter's
//! error pages and SDK models (all as of November 2026).

use serde_json::Value;

use super::Fault;
use crate::simulator::provider::Provider::{self, Kimi, Moonshot, OpenRouter};
use crate::simulator::refusal::{ACCOUNT, Refusal};

/// One error of one provider.
pub(super) struct Documented {
    /// Short name; the same on several providers where they mean the same.
    pub(super) name: &'static str,
    pub(super) provider: Provider,
    pub(super) status: u16,
    /// `error.type`; empty where the provider sends none.
    kind: &'static str,
    /// `error.message`; `{account}` stands for the account's ids and `{model}` for the requested model.
    pub(super) message: &'static str,
    /// OpenRouter's `error.metadata`, as JSON.
    metadata: &'static str,
    /// Seconds of Retry-After that the real one sends.
    retry_after: Option<u64>,
}

const fn plain(
    provider: Provider,
    name: &'static str,
    status: u16,
    kind: &'static str,
    message: &'static str,
) -> Documented {
    Documented { name, provider, status, kind, message, metadata: "", retry_after: None }
}

const fn soon(error: Documented, seconds: u64) -> Documented {
    Documented { retry_after: Some(seconds), ..error }
}

const fn router(
    name: &'static str,
    status: u16,
    message: &'static str,
    metadata: &'static str,
) -> Documented {
    Documented { name, provider: OpenRouter, status, kind: "", message, metadata, retry_after: None }
}

const INVALID: &str = "invalid_request_error";
const RATE: &str = "rate_limit_reached_error";
const TERMINATED: &str = "access_terminated_error";
const QUOTA: &str = "exceeded_current_quota_error";
const OVERLOADED: &str = "The engine is currently overloaded, please try again later";

static MOONSHOT: [Documented; 21] = [
    plain(
        Moonshot,
        "content_filter",
        400,
        "content_filter",
        "The request was rejected because it was considered high risk",
    ),
    plain(Moonshot, "bad_request", 400, INVALID, "Invalid request: messages must not be empty"),
    plain(
        Moonshot,
        "context_overflow",
        400,
        INVALID,
        "Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)",
    ),
    plain(Moonshot, "input_too_long", 400, INVALID, "Input token length too long"),
    plain(Moonshot, "invalid_key", 401, "invalid_authentication_error", "Invalid Authentication"),
    plain(Moonshot, "incorrect_key", 401, "incorrect_api_key_error", "Incorrect API key provided"),
    plain(
        Moonshot,
        "permission_denied",
        403,
        "permission_denied_error",
        "The API you are accessing is not open",
    ),
    plain(
        Moonshot,
        "other_user",
        403,
        "permission_denied_error",
        "You are not allowed to get other user info",
    ),
    plain(
        Moonshot,
        "ip_not_allowed",
        403,
        "permission_denied_error",
        "Your IP is not allowed to access this organization",
    ),
    plain(
        Moonshot,
        "model_not_found",
        404,
        "resource_not_found_error",
        "Not found the model {model} or Permission denied",
    ),
    soon(plain(Moonshot, "overloaded", 429, "engine_overloaded_error", OVERLOADED), 1),
    soon(
        plain(
            Moonshot,
            "rate_limit",
            429,
            RATE,
            "Your account {account} request reached organization max RPM: 20, please try again after 1 seconds",
        ),
        1,
    ),
    soon(
        plain(
            Moonshot,
            "concurrency",
            429,
            RATE,
            "Your account {account} request reached organization max concurrency: 3, please try again after 1 seconds",
        ),
        1,
    ),
    soon(
        plain(
            Moonshot,
            "tokens_per_minute",
            429,
            RATE,
            "Your account {account} request reached organization TPM rate limit, current:540000, limit:500000",
        ),
        1,
    ),
    plain(
        Moonshot,
        "tokens_per_day",
        429,
        RATE,
        "Your account {account} request reached TPD rate limit, current: 1526210, limit: 1500000",
    ),
    plain(
        Moonshot,
        "insufficient_balance",
        429,
        QUOTA,
        "Your account {account} is suspended due to insufficient balance, please recharge your account or check your plan and billing details",
    ),
    plain(
        Moonshot,
        "token_quota",
        429,
        QUOTA,
        "You exceeded your current token quota: {account} 5000000, please check your account balance",
    ),
    plain(Moonshot, "client_closed", 499, "client_closed_request", "Client closed request"),
    plain(
        Moonshot,
        "server_error",
        500,
        "server_error",
        "The server had an error while processing your request",
    ),
    plain(Moonshot, "unexpected_output", 500, "unexpected_output", "invalid state transition"),
    plain(
        Moonshot,
        "unavailable",
        503,
        "server_unavailable",
        "The server is currently unavailable, please try again later",
    ),
];

static KIMI: [Documented; 23] = [
    plain(Kimi, "bad_request", 400, INVALID, "messages must not be empty"),
    plain(
        Kimi,
        "context_overflow",
        400,
        INVALID,
        "Your request exceeded model token limit: 262144 (requested: 269030)",
    ),
    plain(Kimi, "message_size", 400, INVALID, "total message size 2306867 exceeds limit 2097152"),
    plain(
        Kimi,
        "reasoning_missing",
        400,
        INVALID,
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
    ),
    plain(
        Kimi,
        "content_filter",
        400,
        "content_filter",
        "The request was rejected because it was considered high risk",
    ),
    plain(Kimi, "invalid_key", 401, "invalid_authentication_error", crate::simulator::rules::KIMI_WRONG_KEY),
    plain(
        Kimi,
        "membership",
        402,
        INVALID,
        "We're unable to verify your membership benefits at this time. Please ensure your membership is active.",
    ),
    plain(
        Kimi,
        "quota_5h",
        403,
        TERMINATED,
        "You've reached your 5-hour usage limit. Your quota will reset when the current 5-hour window ends.",
    ),
    plain(
        Kimi,
        "quota_weekly",
        403,
        TERMINATED,
        "You've reached your weekly (7-day) usage limit. Your quota will reset when the current 7-day window ends.",
    ),
    plain(
        Kimi,
        "quota_cycle",
        403,
        TERMINATED,
        "You've reached your usage limit for this billing cycle. Your quota will be refreshed in the next cycle. Upgrade to get more.",
    ),
    plain(
        Kimi,
        "concurrency",
        403,
        TERMINATED,
        "You've reached your concurrent request limit. Please wait for your ongoing requests to finish and try again.",
    ),
    plain(Kimi, "terminated", 403, TERMINATED, "Access terminated."),
    plain(Kimi, "forbidden_client", 403, TERMINATED, crate::simulator::rules::GATE),
    plain(
        Kimi,
        "model_not_found",
        404,
        "resource_not_found_error",
        "Not found the model {model} or Permission denied",
    ),
    plain(Kimi, "method_not_found", 404, "resource_not_found_error", "method not found"),
    plain(Kimi, "overloaded", 429, "engine_overloaded_error", OVERLOADED),
    plain(
        Kimi,
        "rate_limit",
        429,
        RATE,
        "We're receiving too many requests at the moment. Please wait a moment and try again.",
    ),
    plain(
        Kimi,
        "quota_monthly",
        429,
        RATE,
        "You've reached kimi monthly usage limit for this billing cycle. Your quota will be refreshed in the next cycle.",
    ),
    plain(
        Kimi,
        "quota_period",
        429,
        RATE,
        "You've reached your usage limit for this period. Your quota will be refreshed in the next period.",
    ),
    plain(Kimi, "client_closed", 499, "client_closed_request", "context canceled"),
    plain(Kimi, "server_error", 500, "server_error", "failed to get membership: database error"),
    plain(Kimi, "context_canceled", 500, "server_error", "context canceled"),
    plain(
        Kimi,
        "unavailable",
        503,
        "server_unavailable",
        "The server is currently unavailable, please try again later",
    ),
];

static OPENROUTER: [Documented; 25] = [
    router(
        "bad_request",
        400,
        "Input required: specify \"prompt\" or \"messages\"",
        r#"{"error_type":"invalid_request"}"#,
    ),
    router(
        "context_overflow",
        400,
        "This endpoint's maximum context length is 262144 tokens. However, you requested about 269030 tokens. Please reduce the length of either one, or use the context-compression plugin to compress your prompt automatically.",
        r#"{"error_type":"context_length_exceeded","provider_name":null}"#,
    ),
    router("missing_key", 401, "No cookie auth credentials found", ""),
    router("invalid_key", 401, "User not found.", ""),
    router(
        "insufficient_balance",
        402,
        "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
        r#"{"error_type":"payment_required","limit_source":"openrouter_credits","remedy_hint":"add_credits"}"#,
    ),
    router(
        "too_dear",
        402,
        "This request requires more credits, or fewer max_tokens. You requested up to 131072 tokens, but can only afford 2048.",
        r#"{"error_type":"payment_required","limit_source":"openrouter_credits","reason":"weight_exceeds_budget","remedy_hint":"lower_max_tokens"}"#,
    ),
    soon(
        router(
            "in_flight_budget",
            402,
            "Too many requests in flight for the remaining budget. Please retry shortly.",
            r#"{"error_type":"payment_required","limit_source":"openrouter_in_flight_budget","reason":"in_flight_budget_exhausted","remedy_hint":"retry"}"#,
        ),
        4,
    ),
    router(
        "content_filter",
        403,
        "Your chosen model requires moderation and your input was flagged",
        r#"{"reasons":["violence"],"flagged_input":"simulated","provider_name":"OpenAI","model_slug":"openai/gpt-5-mini"}"#,
    ),
    router(
        "key_limit",
        403,
        "Budget limit exceeded",
        r#"{"limit_source":"openrouter_key_limit","scope":"key","limit_usd":10,"spend_usd":10.02,"resets_at":null}"#,
    ),
    router(
        "guardrail_budget",
        403,
        "Budget limit exceeded",
        r#"{"limit_source":"openrouter_guardrail_budget","scope":"guardrail","limit_usd":5,"spend_usd":5.1,"resets_at":"2026-12-01T00:00:00Z"}"#,
    ),
    router(
        "workspace_budget",
        403,
        "Budget limit exceeded",
        r#"{"limit_source":"openrouter_workspace_budget","scope":"workspace","limit_usd":100,"spend_usd":100.4,"resets_at":"2026-12-01T00:00:00Z"}"#,
    ),
    router(
        "model_not_found",
        404,
        "No endpoints found for {model}.",
        r#"{"error_type":"not_found","failed_routing_step":"model"}"#,
    ),
    router("timeout", 408, "Request timed out", r#"{"error_type":"timeout"}"#),
    router("message_size", 413, "Request body too large", r#"{"error_type":"payload_too_large"}"#),
    router("unprocessable", 422, "Request validation failed", r#"{"error_type":"unprocessable"}"#),
    soon(
        router(
            "rate_limit",
            429,
            "Rate limit exceeded: free-models-per-min. ",
            r#"{"error_type":"rate_limit_exceeded","headers":{"X-RateLimit-Limit":"20","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1795255200000"}}"#,
        ),
        2,
    ),
    router(
        "upstream_rate_limit",
        429,
        "Provider returned error",
        r#"{"provider_name":"Moonshot AI","raw":"{\"error\":{\"message\":\"The engine is currently overloaded, please try again later\",\"type\":\"engine_overloaded_error\"}}","is_byok":false}"#,
    ),
    router(
        "shared_pool",
        429,
        "Provider returned error",
        r#"{"provider_name":"Chutes","raw":"moonshotai/kimi-k2.6:free is temporarily rate-limited upstream. Please retry shortly.","limit_source":"upstream_provider_shared_pool"}"#,
    ),
    router("server_error", 500, "Internal Server Error", r#"{"error_type":"server"}"#),
    router(
        "upstream_error",
        502,
        "Provider returned error",
        r#"{"provider_name":"Moonshot AI","raw":"{\"error\":{\"message\":\"The server had an error while processing your request\",\"type\":\"server_error\"}}"}"#,
    ),
    router(
        "upstream_bad_request",
        400,
        "Provider returned error",
        r#"{"provider_name":"Moonshot AI","raw":"{\"error\":{\"message\":\"invalid temperature: only 1 is allowed for this model\",\"type\":\"invalid_request_error\"}}","is_byok":false}"#,
    ),
    router(
        "unavailable",
        503,
        "No allowed providers are available for the selected model.",
        r#"{"error_type":"provider_unavailable"}"#,
    ),
    router("edge_timeout", 524, "Provider returned error", r#"{"error_type":"timeout"}"#),
    router(
        "overloaded",
        529,
        "Provider returned error",
        r#"{"error_type":"provider_overloaded","provider_name":"Moonshot AI"}"#,
    ),
    router(
        "refusal",
        403,
        "The request was rejected by the provider's content policy",
        r#"{"error_type":"content_policy_violation","provider_name":"OpenAI"}"#,
    ),
];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Documented> {
    MOONSHOT.iter().chain(&KIMI).chain(&OPENROUTER)
}

/// The static form of a name that at least one provider has.
pub(super) fn name(word: &str) -> Option<&'static str> {
    all().map(|error| error.name).find(|name| *name == word)
}

/// Whether this provider has an error of this name.
pub(super) fn known(provider: Provider, name: &str) -> bool {
    all().any(|error| error.provider == provider && error.name == name)
}

/// The error that a fault orders, as the provider sends it.
pub(in crate::simulator) fn refusal(
    provider: Provider,
    name: &str,
    model: &str,
    fault: Option<&Fault>,
) -> Refusal {
    let found = all().find(|error| error.provider == provider && error.name == name);
    let Some(error) = found else {
        return Refusal::new(500, "server_error", format!("{provider} has no error {name}"));
    };
    let message = error.message.replace("{account}", ACCOUNT).replace("{model}", model);
    Refusal {
        status: error.status,
        kind: error.kind,
        message,
        metadata: serde_json::from_str::<Value>(error.metadata).ok().map(Box::new),
        retry_after: fault.and_then(|fault| fault.retry_after).or(error.retry_after),
    }
}
