//! Any other OpenAI-compatible server: nothing is changed but by `compat` flags, and what only Kimi knows is left out.
//!
//! Each `rewrite_…` lists the rules of one API in their order.

use super::error_rule::ErrorRule;
use super::rule::compat::{self, AdapterDefaults};
use super::rule::draft::RequestDraft;
use super::rule::thinking::{ThinkingFields, ThinkingRequest};
use super::rule::{history, messages_thinking, parameters, responses_thinking, tool_ids, tools};
use super::rules;
use crate::catalog::{ThinkingControl, ThinkingLevel};
use crate::failure::Reason;

/// A chat request as the server accepts it.
pub(crate) fn rewrite_chat(draft: &mut RequestDraft<'_>) {
    parameters::fill_missing(draft, &[]);
    apply_thinking(draft);
    compat::apply_flags(draft, AdapterDefaults { accepts_developer_role: true, requests_usage: false });
    tools::remove_builtins(draft);
    history::remove_partial(draft);
    if let Some(field) = draft.request().model.compat.max_tokens_field {
        parameters::rename_limit(draft, field);
    }
    compat::fill_reasoning(draft, false);
    tool_ids::make_unique(draft);
    tools::record_offered_tools(draft);
}

/// A messages request as the server accepts it.
pub(crate) fn rewrite_messages(draft: &mut RequestDraft<'_>) {
    parameters::fill_missing_for_messages(draft, &[]);
    messages_thinking::apply_default(draft);
    if draft.request().model.compat.requires_reasoning_content == Some(true) {
        history::insert_filler(draft);
    } else {
        history::remove_unsigned_thinking(draft);
    }
    compat::remove_tools(draft);
    tool_ids::escape_and_make_unique(draft);
    tools::record_offered_tools(draft);
}

/// A responses request as the server accepts it.
pub(crate) fn rewrite_responses(draft: &mut RequestDraft<'_>) {
    parameters::fill_missing_for_responses(draft, &[]);
    tools::flatten_namespaces(draft);
    responses_thinking::apply_default(draft);
    compat::apply_responses_flags(draft);
    tool_ids::make_unique(draft);
    tools::record_offered_tools(draft);
}

/// `thinking` is kept only for models that accept it; a level is set only for models that are known to have levels.
fn apply_thinking(draft: &mut RequestDraft<'_>) {
    let model = draft.request().model;
    let requested = ThinkingFields::read(draft).resolve();
    let takes_effort = match model.compat.supports_reasoning_effort {
        Some(takes) => takes,
        None => model.thinking_control == ThinkingControl::Effort,
    };
    if model.thinking_control == ThinkingControl::None || takes_effort {
        let effort = match requested {
            ThinkingRequest::Off => Some("\"none\"".to_owned()),
            ThinkingRequest::Level(level) => Some(format!("\"{}\"", effort_name(level))),
            ThinkingRequest::On | ThinkingRequest::Unspecified => None,
        };
        if draft.remove("thinking") {
            if let Some(effort) =
                effort.filter(|_| takes_effort && draft.non_null_value("reasoning_effort").is_none())
            {
                draft.set("reasoning_effort", effort);
            }
            draft.record_rule(rules::THINKING);
        }
    }
    let Some(level) = draft.request().default_thinking.filter(|_| requested == ThinkingRequest::Unspecified)
    else {
        return;
    };
    let changed = match (ThinkingRequest::from(level), model.thinking_control) {
        (ThinkingRequest::Unspecified, _) | (_, ThinkingControl::None | ThinkingControl::Always) => false,
        (ThinkingRequest::Off, _) if takes_effort => draft.set("reasoning_effort", "\"none\""),
        (ThinkingRequest::Level(level), _) if takes_effort => {
            draft.set("reasoning_effort", format!("\"{}\"", effort_name(level)))
        }
        (ThinkingRequest::Off, ThinkingControl::Switch) => draft.set("thinking", r#"{"type":"disabled"}"#),
        (_, ThinkingControl::Switch) => draft.set("thinking", r#"{"type":"enabled"}"#),
        _ => false,
    };
    if changed {
        draft.record_rule(rules::THINKING_DEFAULT);
    }
}

/// OpenAI's names end at `xhigh` (API reference, 2026).
const fn effort_name(level: ThinkingLevel) -> &'static str {
    match level {
        ThinkingLevel::Max => "xhigh",
        level => level.as_str(),
    }
}

/// Words that many OpenAI- and Anthropic-compatible servers use in errors (OpenAI and Anthropic error references, 2026;
/// `DeepSeek`, vLLM, llama.cpp and Ollama texts from public issues), and the Chinese ones of resellers. Applied after an
/// adapter's own rules.
pub(crate) const ERROR_RULES: &[ErrorRule] = &[
    // A usage window that resets by itself.
    ErrorRule::new(&[429], Reason::Quota).with_phrases(&[
        "tokens per day",
        "requests per day",
        "(tpd)",
        "(rpd)",
        "daily limit",
        "weekly limit",
        "monthly limit",
        "usage limit",
    ]),
    ErrorRule::new(&[], Reason::Quota).with_phrases(&["额度已用尽"]),
    ErrorRule::new(&[], Reason::Quota).with_error_types(&["usage_limit_reached"]),
    // Money.
    ErrorRule::new(&[], Reason::Billing).with_error_types(&[
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",
        "insufficient_balance",
        "payment_required",
    ]),
    ErrorRule::new(&[400, 401, 402, 403, 429], Reason::Billing).with_phrases(&[
        "insufficient balance",
        "insufficient account balance",
        "insufficient credits",
        "credit balance is too low",
        "exceeded your current quota",
    ]),
    ErrorRule::new(&[], Reason::Billing).with_phrases(&["余额不足", "欠费"]),
    // The request does not fit.
    ErrorRule::new(&[], Reason::ContextOverflow).with_error_types(&[
        "context_length_exceeded",
        "request_too_large",
        "exceed_context_size_error",
        "model_context_window_exceeded",
    ]),
    ErrorRule::new(&[400, 413, 422, 500], Reason::ContextOverflow).with_phrases(&[
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
    ErrorRule::new(&[], Reason::ContextOverflow).with_phrases(&["上下文过长"]),
    // Moderation.
    ErrorRule::new(&[], Reason::ContentFilter).with_error_types(&[
        "content_filter",
        "content_policy_violation",
        "data_inspection_failed",
        "moderation_blocked",
    ]),
    ErrorRule::new(&[400, 403, 422, 451], Reason::ContentFilter).with_phrases(&[
        "content management policy",
        "content policy",
        "safety system",
        "considered high risk",
        "inappropriate content",
        "content exists risk",
    ]),
    // Capacity and rate.
    ErrorRule::new(&[], Reason::Overloaded).with_error_types(&[
        "overloaded_error",
        "engine_overloaded_error",
        "server_overloaded",
        // As Codex 0.169 reads these two.
        "server_is_overloaded",
        "slow_down",
    ]),
    ErrorRule::new(&[429, 500, 502, 503, 529], Reason::Overloaded).with_phrases(&[
        "overloaded",
        "at capacity",
        "no capacity",
        "server is busy",
    ]),
    ErrorRule::new(&[], Reason::Overloaded).with_phrases(&["服务过载"]),
    ErrorRule::new(&[], Reason::RateLimit).with_error_types(&[
        "rate_limit_exceeded",
        "rate_limit_error",
        "resource_exhausted",
    ]),
    ErrorRule::new(&[], Reason::RateLimit).with_phrases(&["请求过于频繁"]),
    // Key.
    ErrorRule::new(&[], Reason::Auth).with_error_types(&[
        "invalid_api_key",
        "authentication_error",
        "permission_error",
    ]),
    ErrorRule::new(&[], Reason::Auth).with_phrases(&["密钥无效"]),
    // Model.
    ErrorRule::new(&[], Reason::ModelNotFound).with_error_types(&["model_not_found", "not_found_error"]),
    ErrorRule::new(&[400, 422], Reason::ModelNotFound).with_phrases(&[
        "model not found",
        "model does not exist",
        "model not exist",
        "unknown model",
        "no such model",
        "unsupported model",
        "is not a valid model",
    ]),
    // The server's own errors.
    ErrorRule::new(&[], Reason::Timeout).with_error_types(&["timeout_error", "deadline_exceeded"]),
    ErrorRule::new(&[500, 501, 502, 503], Reason::Server).with_error_types(&[
        "api_error",
        "server_error",
        "internal_server_error",
        "internal_error",
    ]),
    // Rules that other servers may not have.
    ErrorRule::new(&[400, 422], Reason::BadRequest)
        .with_error_types(&["unsupported_parameter", "unsupported_value", "unknown_parameter"])
        .as_provider_rule(),
    ErrorRule::new(&[400, 422], Reason::BadRequest)
        .with_phrases(&[
            "does not support",
            "is not supported with this model",
            "not supported by this model",
            "extra inputs are not permitted",
            "unrecognized request argument",
        ])
        .as_provider_rule(),
];
