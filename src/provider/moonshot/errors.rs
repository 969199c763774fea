//! What Moonshot's refusals mean (platform error page and OpenAPI file, 2026-09; texts from public issues, 2026).

use crate::failure::Reason;
use crate::provider::classify::error_rule::ErrorRule;

/// In this order: money before limits, because a suspended account is answered with a 429 too.
pub(in crate::provider) const ERROR_RULES: &[ErrorRule] = &[
    ErrorRule::new(&[429], Reason::Overloaded).with_error_types(&["engine_overloaded_error"]),
    ErrorRule::new(&[], Reason::Overloaded).with_phrases(&["engine is currently overloaded"]),
    ErrorRule::new(&[], Reason::Quota).with_phrases(&["exceeded your current token quota"]),
    ErrorRule::new(&[], Reason::Billing).with_phrases(&[
        "insufficient balance",
        "insufficient account balance",
        "please recharge",
    ]),
    ErrorRule::new(&[], Reason::Billing).with_error_types(&["exceeded_current_quota_error"]),
    // The day's tokens: not before tomorrow.
    ErrorRule::new(&[429], Reason::Quota).with_phrases(&["tpd rate limit", "max tpd"]),
    ErrorRule::new(&[429], Reason::RateLimit).with_error_types(&["rate_limit_reached_error"]),
    ErrorRule::new(&[], Reason::ContentFilter).with_error_types(&["content_filter"]),
    ErrorRule::new(&[], Reason::ContentFilter).with_phrases(&["considered high risk"]),
    ErrorRule::new(&[], Reason::Auth).with_error_types(&[
        "invalid_authentication_error",
        "incorrect_api_key_error",
        "permission_denied_error",
    ]),
    ErrorRule::new(&[], Reason::ModelNotFound).with_error_types(&["resource_not_found_error"]),
    ErrorRule::new(&[400, 413, 422], Reason::ContextOverflow).with_phrases(&[
        "exceeded model token limit",
        "input token length too long",
        "total message size",
    ]),
    ErrorRule::new(&[400, 422], Reason::BadRequest)
        .with_phrases(&[
            // Pinned sampling.
            "invalid temperature",
            "temperature must not be greater",
            "invalid top_p",
            "invalid n:",
            "invalid presence_penalty",
            "invalid frequency_penalty",
            // Thinking.
            "invalid thinking",
            "reasoning_content",
            "reasoning_effort",
            "reasoning.effort",
            "incompatible with thinking",
            // Tools.
            "moonshot flavored",
            "function.parameters",
            "builtin function",
            "function name",
            "tools array too long",
            "too many tools",
            "number of tools",
            "is duplicated",
            // Parts and limits that others have otherwise.
            "unsupported image url",
            "unsupported video url",
            "stop array too long",
            "each stop",
            "invalid role",
            "unsupported role",
            // Blocks of the Messages API that only Anthropic supports (MoonshotAI/Kimi-K2 issue 118).
            "unsupported content type",
        ])
        .as_provider_rule(),
    // With a client error's status the type says less than the status.
    ErrorRule::new(&[499, 500, 502, 503, 504], Reason::Server).with_error_types(&[
        "server_error",
        "unexpected_output",
        "server_unavailable",
        "client_closed_request",
    ]),
];
