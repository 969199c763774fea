//! Any other OpenAI-compatible server: nothing is changed but by `compat` flags, and what only Kimi knows is left out.

use super::errors::ErrorRule;
use super::rule::draft::RequestDraft;
use super::rule::thinking::{ThinkingFields, ThinkingRequest};
use super::rule::tool_ids::{self, IdForm};
use super::rule::{compat, history, parameters, thinking_settings, tools};
use super::{anthropic, openai, rules};
use crate::catalog::ThinkingControl;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;

/// # Errors
/// When Claude or an `OpenAI` model would refuse it.
pub(crate) fn rewrite(draft: &mut RequestDraft<'_>) -> Result<(), Failure> {
    parameters::fill_missing(draft, &[]);
    tools::flatten_namespaces(draft);
    thinking_settings::apply_default(draft);
    let api = draft.body().api;
    match api {
        Api::ChatCompletions => rename_effort(draft),
        Api::Messages if draft.request.model.compat.requires_reasoning_content == Some(true) => {
            history::insert_filler(draft);
        }
        Api::Messages => {
            history::remove_unsigned_thinking(draft, false);
            anthropic::rewrite(draft)?;
        }
        Api::Responses => {}
    }
    compat::apply_flags(draft, false);
    if api == Api::ChatCompletions {
        adapt_chat(draft);
        compat::fill_reasoning(draft, false);
    }
    if api != Api::Messages {
        openai::rewrite(draft)?;
    }
    tool_ids::make_unique(draft, IdForm::of_other_provider(api));
    Ok(())
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
    let reasons = openai::is_reasoning_model(draft.request.wire_model);
    let takes_levels = reasons.unwrap_or_else(|| thinking_settings::takes_levels(draft));
    let has_thinking = draft.request.model.thinking_control != ThinkingControl::None && reasons.is_none();
    if has_thinking && !takes_levels {
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
    ErrorRule::by_phrase(
        Reason::Quota,
        &[429],
        "tokens per day|requests per day|(tpd)|(rpd)|daily limit|weekly limit|monthly limit|\
            usage limit",
    ),
    ErrorRule::by_phrase(Reason::Quota, &[], "额度已用尽"),
    ErrorRule::by_type(Reason::Quota, &[], "usage_limit_reached"),
    // Money.
    ErrorRule::by_type(
        Reason::Billing,
        &[],
        "insufficient_quota|billing_hard_limit_reached|billing_not_active|billing_error|\
            insufficient_balance|payment_required",
    ),
    ErrorRule::by_phrase(
        Reason::Billing,
        &[400, 401, 402, 403, 429],
        "insufficient balance|insufficient account balance|insufficient credits|\
            credit balance is too low|exceeded your current quota",
    ),
    ErrorRule::by_phrase(Reason::Billing, &[], "余额不足|欠费"),
    // The request does not fit.
    ErrorRule::by_type(
        Reason::ContextOverflow,
        &[],
        "context_length_exceeded|request_too_large|exceed_context_size_error|\
            model_context_window_exceeded",
    ),
    ErrorRule::by_phrase(
        Reason::ContextOverflow,
        &[400, 413, 422, 500],
        "maximum context length|exceeds the context window|exceed context limit|\
            exceeds the available context size|context window exceeds|context length exceeded|\
            prompt is too long|input is too long|too many tokens|reduce the length of the messages|\
            exceeded model token limit",
    ),
    ErrorRule::by_phrase(Reason::ContextOverflow, &[], "上下文过长"),
    // Moderation.
    ErrorRule::by_type(
        Reason::ContentFilter,
        &[],
        "content_filter|content_policy_violation|data_inspection_failed|moderation_blocked",
    ),
    ErrorRule::by_phrase(
        Reason::ContentFilter,
        &[400, 403, 422, 451],
        "content management policy|content policy|safety system|considered high risk|\
            inappropriate content|content exists risk",
    ),
    // Capacity and rate.
    ErrorRule::by_type(Reason::Overloaded, &[], "overloaded_error|engine_overloaded_error|server_overloaded"),
    // As Codex 0.169 reads these two.
    ErrorRule::by_type(Reason::Overloaded, &[], "server_is_overloaded|slow_down"),
    ErrorRule::by_phrase(
        Reason::Overloaded,
        &[429, 500, 502, 503, 529],
        "overloaded|at capacity|no capacity|server is busy",
    ),
    ErrorRule::by_phrase(Reason::Overloaded, &[], "服务过载"),
    ErrorRule::by_type(Reason::RateLimit, &[], "rate_limit_exceeded|rate_limit_error|resource_exhausted"),
    ErrorRule::by_phrase(Reason::RateLimit, &[], "请求过于频繁"),
    // Key.
    ErrorRule::by_type(Reason::Auth, &[], "invalid_api_key|authentication_error|permission_error"),
    ErrorRule::by_phrase(Reason::Auth, &[], "密钥无效"),
    // Model.
    ErrorRule::by_type(Reason::ModelNotFound, &[], "model_not_found|not_found_error"),
    ErrorRule::by_phrase(
        Reason::ModelNotFound,
        &[400, 422],
        "model not found|model does not exist|model not exist|unknown model|no such model|\
            unsupported model|is not a valid model",
    ),
    // The server's own errors.
    ErrorRule::by_type(Reason::Timeout, &[], "timeout_error|deadline_exceeded"),
    ErrorRule::by_type(
        Reason::Server,
        &[500, 501, 502, 503],
        "api_error|server_error|internal_server_error|internal_error",
    ),
    // Rules that other servers may not have.
    ErrorRule::by_type(
        Reason::BadRequest,
        &[400, 422],
        "unsupported_parameter|unsupported_value|unknown_parameter",
    )
    .as_provider_rule(),
    ErrorRule::by_phrase(
        Reason::BadRequest,
        &[400, 422],
        "does not support|is not supported with this model|not supported by this model|\
            extra inputs are not permitted|unrecognized request argument",
    )
    .as_provider_rule(),
];
