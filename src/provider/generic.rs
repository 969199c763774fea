//! Any other OpenAI-compatible server: nothing is changed but by `compat` flags, and what only Kimi knows is left out.

use super::error_rule::ErrorRule;
use super::rule::draft::RequestDraft;
use super::rule::thinking::{ThinkingFields, ThinkingRequest};
use super::rule::tool_ids::{self, IdForm};
use super::rule::{compat, history, parameters, thinking_settings, tools};
use super::rules;
use crate::catalog::ThinkingControl;
use crate::failure::Reason;
use crate::protocol::api::Api;

/// A request as the server accepts it.
pub(crate) fn rewrite(draft: &mut RequestDraft<'_>) {
    parameters::fill_missing(draft, &[]);
    tools::flatten_namespaces(draft);
    thinking_settings::apply_default(draft);
    let fills_reasoning = draft.request.model.compat.requires_reasoning_content == Some(true);
    match draft.body().api {
        Api::ChatCompletions => {
            rename_effort(draft);
            compat::apply_flags(draft, false);
            adapt_chat(draft);
            compat::fill_reasoning(draft, false);
            tool_ids::make_unique(draft, IdForm::Original);
        }
        Api::Messages => {
            if fills_reasoning {
                history::insert_filler(draft);
            } else {
                history::remove_unsigned_thinking(draft);
            }
            compat::apply_flags(draft, false);
            tool_ids::make_unique(draft, IdForm::Escaped);
        }
        Api::Responses => {
            compat::apply_flags(draft, false);
            tool_ids::make_unique(draft, IdForm::Original);
        }
    }
}

/// Leaves out what only Kimi knows, over Chat Completions.
pub(crate) fn adapt_chat(draft: &mut RequestDraft<'_>) {
    tools::remove_builtins(draft);
    history::remove_partial(draft);
    if let Some(field) = draft.request.model.compat.max_tokens_field {
        parameters::rename_limit(draft, field);
    }
}

/// `thinking` is kept only for models that accept it; for models with levels it becomes an effort.
fn rename_effort(draft: &mut RequestDraft<'_>) {
    let takes_levels = thinking_settings::takes_levels(draft);
    if draft.request.model.thinking_control != ThinkingControl::None && !takes_levels {
        return;
    }
    let effort = match ThinkingFields::read(draft).resolve() {
        ThinkingRequest::Off => Some("none"),
        ThinkingRequest::Level(level) => Some(thinking_settings::effort_name(Api::ChatCompletions, level)),
        ThinkingRequest::On | ThinkingRequest::Unspecified => None,
    };
    let has_own = draft.non_null_value("reasoning_effort").is_some();
    if draft.remove(rules::THINKING, "thinking") && takes_levels && !has_own && effort.is_some() {
        thinking_settings::set_effort(draft, rules::THINKING, effort);
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
