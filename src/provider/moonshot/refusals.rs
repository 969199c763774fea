//! What Moonshot's refusals mean (platform error page and OpenAPI file, 2026-09; texts from public issues, 2026).

use crate::failure::Reason;
use crate::provider::classify::row::Row;

/// In this order: money before limits, because a suspended account is answered with a 429 too.
pub(in crate::provider) const ROWS: &[Row] = &[
    Row::new(&[429], Reason::Overloaded).kinds(&["engine_overloaded_error"]),
    Row::new(&[], Reason::Overloaded).words(&["engine is currently overloaded"]),
    Row::new(&[], Reason::Quota).words(&["exceeded your current token quota"]),
    Row::new(&[], Reason::Billing).words(&[
        "insufficient balance",
        "insufficient account balance",
        "please recharge",
    ]),
    Row::new(&[], Reason::Billing).kinds(&["exceeded_current_quota_error"]),
    // The day's tokens: not before tomorrow.
    Row::new(&[429], Reason::Quota).words(&["tpd rate limit", "max tpd"]),
    Row::new(&[429], Reason::RateLimit).kinds(&["rate_limit_reached_error"]),
    Row::new(&[], Reason::ContentFilter).kinds(&["content_filter"]),
    Row::new(&[], Reason::ContentFilter).words(&["considered high risk"]),
    Row::new(&[], Reason::Auth).kinds(&[
        "invalid_authentication_error",
        "incorrect_api_key_error",
        "permission_denied_error",
    ]),
    Row::new(&[], Reason::ModelNotFound).kinds(&["resource_not_found_error"]),
    Row::new(&[400, 413, 422], Reason::ContextOverflow).words(&[
        "exceeded model token limit",
        "input token length too long",
        "total message size",
    ]),
    Row::new(&[400, 422], Reason::BadRequest)
        .words(&[
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
            // Blocks of the Messages face that only Anthropic knows (MoonshotAI/Kimi-K2 issue 118).
            "unsupported content type",
        ])
        .own_rule(),
    // With a client error's status the type says less than the status.
    Row::new(&[499, 500, 502, 503, 504], Reason::Server).kinds(&[
        "server_error",
        "unexpected_output",
        "server_unavailable",
        "client_closed_request",
    ]),
];
