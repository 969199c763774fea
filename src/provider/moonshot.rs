//! Moonshot's open platform. Sources, where a rule has no other: platform API reference and model pages, 2026-09-23.
//!
//! Each `rewrite_…` lists the rules of one API in their order.

use serde_json::Value;

use super::error_rule::ErrorRule;
use super::rule::compat::{self, AdapterDefaults};
use super::rule::draft::RequestDraft;
use super::rule::thinking::{ThinkingFields, ThinkingRequest, kimi_effort, remove_fields};
use super::rule::tool_choice::{self, ForcedToolChoice};
use super::rule::{history, messages_thinking, parameters, responses_thinking, tool_ids, tools};
use super::rules::{self, Rule};
use crate::catalog::{AdapterId, MaxTokensField, ThinkingControl};
use crate::failure::Reason;

/// What Kimi models pin: every other value is a 400, and the pinned one is the default.
pub(crate) const PINNED_SAMPLING_FIELDS: [&str; 5] =
    ["temperature", "top_p", "n", "presence_penalty", "frequency_penalty"];

/// The same by their names in the Messages API.
const PINNED_MESSAGES_FIELDS: [&str; 3] = ["temperature", "top_p", "top_k"];

/// A chat request as Moonshot accepts it.
pub(crate) fn rewrite_chat(draft: &mut RequestDraft<'_>) {
    parameters::fill_missing(draft, &PINNED_SAMPLING_FIELDS);
    remove_fields(draft, &PINNED_SAMPLING_FIELDS, rules::SAMPLING);
    let may_think = apply_thinking(draft);
    let may_think = tool_choice::resolve_for_chat(draft, may_think, can_disable_thinking(draft));
    let may_think = resolve_web_search(draft, may_think);
    apply_common_chat_rules(draft, may_think);
}

/// What Moonshot and Kimi Code have in common over chat once thinking is settled.
pub(crate) fn apply_common_chat_rules(draft: &mut RequestDraft<'_>, may_think: bool) {
    let compat = &draft.request().model.compat;
    compat::apply_flags(draft, AdapterDefaults { accepts_developer_role: false, requests_usage: true });
    parameters::rename_limit(draft, compat.max_tokens_field.unwrap_or(MaxTokensField::MaxCompletionTokens));
    if may_think {
        compat::fill_reasoning(draft, true);
    }
    tools::adapt_for_moonshot(draft);
    tool_ids::make_unique(draft);
    tools::record_offered_tools(draft);
}

/// A messages request as Moonshot and Kimi Code accept it.
pub(crate) fn rewrite_messages(draft: &mut RequestDraft<'_>, adapter: AdapterId) {
    parameters::fill_missing_for_messages(draft, &PINNED_MESSAGES_FIELDS);
    remove_fields(draft, &PINNED_MESSAGES_FIELDS, rules::SAMPLING);
    // Kimi Code's own client sends it there.
    if adapter == AdapterId::Moonshot {
        remove_fields(draft, &["context_management"], rules::CONTEXT_MANAGEMENT);
    }
    let may_think = messages_thinking::apply_thinking(adapter, draft);
    tools::remove_hosted(draft);
    let may_think = tool_choice::resolve_for_messages(adapter, draft, may_think);
    history::replace_foreign_blocks(draft);
    if may_think && draft.request().model.compat.requires_reasoning_content.unwrap_or(true) {
        history::insert_filler(draft);
    }
    tools::adapt_for_moonshot(draft);
    compat::remove_tools(draft);
    tool_ids::make_unique(draft);
    tools::record_offered_tools(draft);
}

/// A responses request as Moonshot and Kimi Code accept it.
pub(crate) fn rewrite_responses(draft: &mut RequestDraft<'_>) {
    parameters::fill_missing_for_responses(draft, &PINNED_SAMPLING_FIELDS);
    remove_fields(draft, &PINNED_SAMPLING_FIELDS, rules::SAMPLING);
    responses_thinking::apply_thinking(draft);
    tools::remove_hosted(draft);
    if tool_choice::read_forced_choice(draft) != ForcedToolChoice::NotForced {
        // The same engine answers as over chat, and these models think.
        tool_choice::reset_to_auto(draft, rules::TOOL_CHOICE);
    }
    history::remove_foreign_items(draft);
    tools::adapt_for_moonshot(draft);
    compat::apply_responses_flags(draft);
    tool_ids::make_unique(draft);
    tools::record_offered_tools(draft);
}

/// The only model that takes `keep: "all"`.
const KEEP_ALL_MODEL: &str = "kimi-k2.6";

/// The requested thinking, and the rule to record for the edits that follow from it.
pub(crate) fn resolve_thinking(draft: &RequestDraft<'_>, fields: &ThinkingFields) -> (ThinkingRequest, Rule) {
    match (fields.resolve(), draft.request().default_thinking) {
        (ThinkingRequest::Unspecified, Some(level)) => (level.into(), rules::THINKING_DEFAULT),
        (requested, _) => (requested, rules::THINKING),
    }
}

/// Writes the thinking setting as the model accepts it; returns whether the model may think.
pub(crate) fn apply_thinking(draft: &mut RequestDraft<'_>) -> bool {
    match draft.request().model.thinking_control {
        ThinkingControl::Always => apply_always(draft),
        ThinkingControl::Switch => apply_switch(draft),
        ThinkingControl::Effort => apply_effort(draft),
        ThinkingControl::None | ThinkingControl::Unknown => may_think_unchanged(draft),
    }
}

/// Whether thinking can be switched off.
pub(crate) const fn can_disable_thinking(draft: &RequestDraft<'_>) -> bool {
    matches!(draft.request().model.thinking_control, ThinkingControl::Switch | ThinkingControl::Effort)
}

/// K2.7 Code: `thinking` is omitted, an effort means nothing.
pub(crate) fn apply_always(draft: &mut RequestDraft<'_>) -> bool {
    remove_fields(draft, &["thinking", "reasoning_effort", "reasoning"], rules::THINKING);
    true
}

/// K2.6: `thinking.type`; thinking is on unless it is disabled.
pub(crate) fn apply_switch(draft: &mut RequestDraft<'_>) -> bool {
    let fields = ThinkingFields::read(draft);
    let (requested, rule) = resolve_thinking(draft, &fields);
    remove_fields(draft, &["reasoning_effort", "reasoning"], rules::THINKING);
    let value = match requested {
        ThinkingRequest::Off if fields.type_if_only(&["type"]) == Some("disabled") => None,
        ThinkingRequest::Off => Some(r#"{"type":"disabled"}"#),
        ThinkingRequest::Unspecified => {
            remove_fields(draft, &["thinking"], rules::THINKING);
            None
        }
        // An effort alone requests what is already the default.
        ThinkingRequest::Level(_) if fields.thinking.is_none() && rule == rules::THINKING => None,
        ThinkingRequest::On | ThinkingRequest::Level(_) => {
            choose_enabled_form(&fields, draft.request().wire_model)
        }
    };
    if value.is_some_and(|value| draft.set("thinking", value)) {
        draft.record_rule(rule);
    }
    requested != ThinkingRequest::Off
}

/// `enabled`, with `keep` if the model accepts it; `None` if the client's own form is accepted.
fn choose_enabled_form(fields: &ThinkingFields, model: &str) -> Option<&'static str> {
    let keeps = model == KEEP_ALL_MODEL;
    let keep_all = keeps && fields.keep().is_some_and(|keep| keep == "all");
    let allowed: &[&str] = if keeps && (keep_all || fields.keep().is_some_and(Value::is_null)) {
        &["type", "keep"]
    } else {
        &["type"]
    };
    if fields.type_if_only(allowed) == Some("enabled") {
        return None;
    }
    Some(if keep_all { r#"{"type":"enabled","keep":"all"}"# } else { r#"{"type":"enabled"}"# })
}

/// K3: `reasoning_effort`; `thinking` only to switch it off, which is not documented and works.
fn apply_effort(draft: &mut RequestDraft<'_>) -> bool {
    let fields = ThinkingFields::read(draft);
    let (requested, rule) = resolve_thinking(draft, &fields);
    remove_fields(draft, &["reasoning"], rules::THINKING);
    if requested == ThinkingRequest::Off {
        remove_fields(draft, &["reasoning_effort"], rules::THINKING);
        if fields.type_if_only(&["type"]) != Some("disabled")
            && draft.set("thinking", r#"{"type":"disabled"}"#)
        {
            draft.record_rule(rule);
        }
        return false;
    }
    remove_fields(draft, &["thinking"], rules::THINKING);
    set_effort(draft, requested, rule);
    true
}

/// `reasoning_effort` of the K3 family; none if no level is requested.
pub(crate) fn set_effort(draft: &mut RequestDraft<'_>, requested: ThinkingRequest, rule: Rule) {
    let ThinkingRequest::Level(level) = requested else {
        remove_fields(draft, &["reasoning_effort"], rules::THINKING);
        return;
    };
    if draft.set("reasoning_effort", format!("\"{}\"", kimi_effort(level))) {
        draft.record_rule(rule);
    }
}

/// A model that is not in the catalog: the client's setting is forwarded.
fn may_think_unchanged(draft: &RequestDraft<'_>) -> bool {
    ThinkingFields::read(draft).resolve() != ThinkingRequest::Off
}

/// Resolves the conflict of the builtin `$web_search` with thinking. Returns whether the model may think
/// afterwards.
pub(crate) fn resolve_web_search(draft: &mut RequestDraft<'_>, may_think: bool) -> bool {
    let clashes = draft.request().model.thinking_control == ThinkingControl::Switch && may_think;
    if !clashes || !tools::has_builtin(draft, "$web_search") {
        return may_think;
    }
    draft.set("thinking", r#"{"type":"disabled"}"#);
    draft.record_rule(rules::WEB_SEARCH);
    false
}

// What Moonshot's errors mean (platform error page and OpenAPI file, 2026-09; texts from public issues, 2026).

/// In this order: money before limits, because a suspended account is answered with a 429 too.
pub(crate) const ERROR_RULES: &[ErrorRule] = &[
    ErrorRule::new(&[429], Reason::Overloaded).with_error_types(&["engine_overloaded_error"]),
    ErrorRule::new(&[], Reason::Overloaded).with_phrases(&["engine is currently overloaded"]),
    ErrorRule::new(&[], Reason::Quota).with_phrases(&["exceeded your current token quota"]),
    ErrorRule::new(&[], Reason::Billing).with_phrases(&[
        "insufficient balance",
        "insufficient account balance",
        "please recharge",
    ]),
    ErrorRule::new(&[], Reason::Billing).with_error_types(&["exceeded_current_quota_error"]),
    // The daily tokens are used up until tomorrow.
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
            // Parts and limits that other providers handle differently.
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
    // With the status of a client error, the status is more precise than the type.
    ErrorRule::new(&[499, 500, 502, 503, 504], Reason::Server).with_error_types(&[
        "server_error",
        "unexpected_output",
        "server_unavailable",
        "client_closed_request",
    ]),
];
