//! Words that many OpenAI- and Anthropic-compatible servers use for a refusal (OpenAI and Anthropic error references,
//! 2026; `DeepSeek`, vLLM, llama.cpp and Ollama texts from public issues), and the Chinese ones of resellers.

use crate::failure::Reason;
use crate::provider::classify::row::Row;

/// After a dialect's own rows.
pub(in crate::provider) const ROWS: &[Row] = &[
    // A usage window that opens again by itself.
    Row::new(&[429], Reason::Quota).words(&[
        "tokens per day",
        "requests per day",
        "(tpd)",
        "(rpd)",
        "daily limit",
        "weekly limit",
        "monthly limit",
        "usage limit",
    ]),
    Row::new(&[], Reason::Quota).words(&["额度已用尽"]),
    Row::new(&[], Reason::Quota).kinds(&["usage_limit_reached"]),
    // Money.
    Row::new(&[], Reason::Billing).kinds(&[
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",
        "insufficient_balance",
        "payment_required",
    ]),
    Row::new(&[400, 401, 402, 403, 429], Reason::Billing).words(&[
        "insufficient balance",
        "insufficient account balance",
        "insufficient credits",
        "credit balance is too low",
        "exceeded your current quota",
    ]),
    Row::new(&[], Reason::Billing).words(&["余额不足", "欠费"]),
    // The request does not fit.
    Row::new(&[], Reason::ContextOverflow).kinds(&[
        "context_length_exceeded",
        "request_too_large",
        "exceed_context_size_error",
        "model_context_window_exceeded",
    ]),
    Row::new(&[400, 413, 422, 500], Reason::ContextOverflow).words(&[
        "maximum context length",
        "exceeds the context window",
        "exceed context limit",
        "exceeds the available context size",
        "context window exceeds",
        "context length exceeded",
        "prompt is too long",
        "input is too long",
        "too many tokens",
        "reduce the length of the messages",
        "exceeded model token limit",
    ]),
    Row::new(&[], Reason::ContextOverflow).words(&["上下文过长"]),
    // Moderation.
    Row::new(&[], Reason::ContentFilter).kinds(&[
        "content_filter",
        "content_policy_violation",
        "data_inspection_failed",
        "moderation_blocked",
    ]),
    Row::new(&[400, 403, 422, 451], Reason::ContentFilter).words(&[
        "content management policy",
        "content policy",
        "safety system",
        "considered high risk",
        "inappropriate content",
        "content exists risk",
    ]),
    // Capacity and rate.
    Row::new(&[], Reason::Overloaded).kinds(&[
        "overloaded_error",
        "engine_overloaded_error",
        "server_overloaded",
        // Codex 0.169 reads these two so.
        "server_is_overloaded",
        "slow_down",
    ]),
    Row::new(&[429, 500, 502, 503, 529], Reason::Overloaded).words(&[
        "overloaded",
        "at capacity",
        "no capacity",
        "server is busy",
    ]),
    Row::new(&[], Reason::Overloaded).words(&["服务过载"]),
    Row::new(&[], Reason::RateLimit).kinds(&[
        "rate_limit_exceeded",
        "rate_limit_error",
        "resource_exhausted",
    ]),
    Row::new(&[], Reason::RateLimit).words(&["请求过于频繁"]),
    // Key.
    Row::new(&[], Reason::Auth).kinds(&["invalid_api_key", "authentication_error", "permission_error"]),
    Row::new(&[], Reason::Auth).words(&["密钥无效"]),
    // Model.
    Row::new(&[], Reason::ModelNotFound).kinds(&["model_not_found", "not_found_error"]),
    Row::new(&[400, 422], Reason::ModelNotFound).words(&[
        "model not found",
        "model does not exist",
        "model not exist",
        "unknown model",
        "no such model",
        "unsupported model",
        "is not a valid model",
    ]),
    // The server's own.
    Row::new(&[], Reason::Timeout).kinds(&["timeout_error", "deadline_exceeded"]),
    Row::new(&[500, 501, 502, 503], Reason::Server).kinds(&[
        "api_error",
        "server_error",
        "internal_server_error",
        "internal_error",
    ]),
    // Rules that another server need not have.
    Row::new(&[400, 422], Reason::BadRequest)
        .kinds(&["unsupported_parameter", "unsupported_value", "unknown_parameter"])
        .own_rule(),
    Row::new(&[400, 422], Reason::BadRequest)
        .words(&[
            "does not support",
            "is not supported with this model",
            "not supported by this model",
            "extra inputs are not permitted",
            "unrecognized request argument",
        ])
        .own_rule(),
];
