//! Moonshot's open platform. Sources, where a rule has no other: platform API reference and model pages, 2026-09-23.
//!
//! Each `rewrite_…` lists the rules of one API in their order.

use super::errors::ErrorRule;
use super::rule::draft::RequestDraft;
use super::rule::thinking_settings::{self, DISABLED};
use super::rule::tool_choice::{self, ForcedToolChoice};
use super::rule::tool_ids::{self, IdForm};
use super::rule::{compat, history, parameters, tools};
use super::rules;
use crate::catalog::{AdapterId, MaxTokensField, ThinkingControl};
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;

/// What Kimi models pin: every other value is a 400, and the pinned one is the default.
const PINNED_SAMPLING_FIELDS: [&str; 5] =
    ["temperature", "top_p", "n", "presence_penalty", "frequency_penalty"];

/// The same by their names in the Messages API.
const PINNED_MESSAGES_FIELDS: [&str; 3] = ["temperature", "top_p", "top_k"];

/// A request as Moonshot and Kimi Code accept it.
///
/// # Errors
/// When it has more tools than they accept, or asks for several answers.
pub(crate) fn rewrite(draft: &mut RequestDraft<'_>, adapter: AdapterId) -> Result<(), Failure> {
    check_choices(draft)?;
    let pinned: &[&str] =
        if draft.body().api == Api::Messages { &PINNED_MESSAGES_FIELDS } else { &PINNED_SAMPLING_FIELDS };
    parameters::fill_missing(draft, pinned);
    for field in pinned {
        draft.remove(rules::SAMPLING, field);
    }
    match draft.body().api {
        Api::ChatCompletions => rewrite_chat(draft, adapter),
        Api::Messages => rewrite_messages(draft, adapter),
        Api::Responses => rewrite_responses(draft),
    }
    tools::adapt_for_moonshot(draft);
    tool_ids::make_unique(draft, IdForm::Original);
    tools::check_count(draft, "Kimi")
}

/// Kimi's models give one answer: with several, which another provider may give, the client would get less than it asked for.
fn check_choices(draft: &RequestDraft<'_>) -> Result<(), Failure> {
    match draft.parsed_value::<u64>("n") {
        Some(count @ 2..) => Err(Failure::of_provider_rule(format!(
            "n: Kimi gives one answer, not {count}; send one request for each"
        ))),
        _ => Ok(()),
    }
}

fn rewrite_chat(draft: &mut RequestDraft<'_>, adapter: AdapterId) {
    let may_think = thinking_settings::apply_for_kimi(draft, adapter);
    let may_think = tool_choice::resolve_conflict(draft, adapter, may_think);
    let may_think = may_think && !(adapter == AdapterId::Moonshot && disable_for_web_search(draft));
    compat::apply_flags(draft, true);
    let limit = draft.request.model.compat.max_tokens_field;
    parameters::rename_limit(draft, limit.unwrap_or(MaxTokensField::MaxCompletionTokens));
    if may_think {
        compat::fill_reasoning(draft, true);
    }
}

fn rewrite_messages(draft: &mut RequestDraft<'_>, adapter: AdapterId) {
    // Kimi Code's own client sends it there.
    if adapter == AdapterId::Moonshot {
        draft.remove(rules::CONTEXT_MANAGEMENT, "context_management");
    }
    let may_think = thinking_settings::apply_for_kimi(draft, adapter);
    tools::remove_hosted(draft);
    let may_think = tool_choice::resolve_conflict(draft, adapter, may_think);
    history::replace_foreign_blocks(draft);
    if may_think && draft.request.model.compat.requires_reasoning_content.unwrap_or(true) {
        history::insert_filler(draft);
    }
    compat::apply_flags(draft, true);
}

fn rewrite_responses(draft: &mut RequestDraft<'_>) {
    thinking_settings::apply_for_kimi_responses(draft);
    tools::remove_hosted(draft);
    if tool_choice::read_forced_choice(draft) != ForcedToolChoice::NotForced {
        // The same engine answers as over chat, and these models think.
        tool_choice::reset_to_auto(draft, rules::TOOL_CHOICE);
    }
    history::remove_foreign_items(draft);
    compat::apply_flags(draft, true);
}

/// Disables thinking for the builtin `$web_search`, which conflicts with it; returns whether it did.
fn disable_for_web_search(draft: &mut RequestDraft<'_>) -> bool {
    let clashes = draft.request.model.thinking_control == ThinkingControl::Switch
        && tools::has_builtin(draft, "$web_search");
    if clashes {
        draft.set(rules::WEB_SEARCH, "thinking", DISABLED);
    }
    clashes
}

// What Moonshot's errors mean (platform error page and OpenAPI file, 2026-09; texts from public issues, 2026).

/// In this order: money before limits, because a suspended account is answered with a 429 too.
pub(crate) const ERROR_RULES: &[ErrorRule] = &[
    ErrorRule::by_type(Reason::Overloaded, &[429], "engine_overloaded_error"),
    ErrorRule::by_phrase(Reason::Overloaded, &[], "engine is currently overloaded"),
    ErrorRule::by_phrase(Reason::Quota, &[], "exceeded your current token quota"),
    ErrorRule::by_phrase(
        Reason::Billing,
        &[],
        "insufficient balance|insufficient account balance|please recharge",
    ),
    ErrorRule::by_type(Reason::Billing, &[], "exceeded_current_quota_error"),
    // The daily tokens are used up until tomorrow.
    ErrorRule::by_phrase(Reason::Quota, &[429], "tpd rate limit|max tpd"),
    ErrorRule::by_type(Reason::RateLimit, &[429], "rate_limit_reached_error"),
    ErrorRule::by_type(Reason::ContentFilter, &[], "content_filter"),
    ErrorRule::by_phrase(Reason::ContentFilter, &[], "considered high risk"),
    ErrorRule::by_type(
        Reason::Auth,
        &[],
        "invalid_authentication_error|incorrect_api_key_error|permission_denied_error",
    ),
    ErrorRule::by_type(Reason::ModelNotFound, &[], "resource_not_found_error"),
    ErrorRule::by_phrase(
        Reason::ContextOverflow,
        &[400, 413, 422],
        "exceeded model token limit|input token length too long|total message size",
    ),
    // Pinned sampling.
    ErrorRule::by_phrase(
        Reason::BadRequest,
        &[400, 422],
        "invalid temperature|temperature must not be greater|invalid top_p|invalid n:|\
            invalid presence_penalty|invalid frequency_penalty",
    )
    .as_provider_rule(),
    // Thinking.
    ErrorRule::by_phrase(
        Reason::BadRequest,
        &[400, 422],
        "invalid thinking|reasoning_content|reasoning_effort|reasoning.effort|\
            incompatible with thinking",
    )
    .as_provider_rule(),
    // Tools.
    ErrorRule::by_phrase(
        Reason::BadRequest,
        &[400, 422],
        "moonshot flavored|function.parameters|builtin function|function name|tools array too long|\
            too many tools|number of tools|is duplicated",
    )
    .as_provider_rule(),
    // Parts and limits that other providers handle differently.
    ErrorRule::by_phrase(
        Reason::BadRequest,
        &[400, 422],
        "unsupported image url|unsupported video url|stop array too long|each stop|invalid role|\
            unsupported role",
    )
    .as_provider_rule(),
    // Blocks of the Messages API that only Anthropic supports (MoonshotAI/Kimi-K2 issue 118).
    ErrorRule::by_phrase(Reason::BadRequest, &[400, 422], "unsupported content type").as_provider_rule(),
    // With the status of a client error, the status is more precise than the type.
    ErrorRule::by_type(
        Reason::Server,
        &[499, 500, 502, 503, 504],
        "server_error|unexpected_output|server_unavailable|client_closed_request",
    ),
];
