//! Requests: the client's body becomes the provider's by edits of spans.

use super::rule::draft::RequestDraft;
use super::rule::thinking::ThinkingFields;
use super::rule::{history, parameters, tools};
use super::{generic, kimi_code, moonshot, openai, openrouter, rules, unsupported_content};
use crate::catalog::{AdapterId, ModelInfo};
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::json;
use crate::protocol::model::CacheControlSupport;

pub use super::rule::draft::{AdaptedRequest, AnswerPlan, PartialAnswer, RewriteInput, RewriteOptions};
pub use super::rule::history::ContinuationForm;

/// Rewrites a request for one provider.
///
/// # Errors
/// When the request breaks a rule of the provider that no rewrite can fix: the failure to record without a
/// call.
pub fn rewrite_request(adapter: AdapterId, request: &RewriteInput<'_>) -> Result<AdaptedRequest, Failure> {
    let mut draft = RequestDraft::new(request);
    apply_rules(adapter, &mut draft)?;
    Ok(finish_draft(draft))
}

/// Whether a model continues an answer from its beginning over this API. For chat, the catalog and the
/// configuration decide. For Messages, only the configuration of a provider that the catalog does not know can
/// enable it: the Messages APIs of Kimi and OpenRouter do not document it. Responses does not support it.
fn supports_prefill(adapter: AdapterId, api: Api, model: &ModelInfo) -> bool {
    let is_known = match api {
        Api::ChatCompletions => true,
        Api::Messages => adapter == AdapterId::Generic,
        Api::Responses => false,
    };
    is_known && model.compat.supports_prefill == Some(true)
}

/// How a model continues an answer over this API; `None` if nothing is known of it.
pub fn continuation_form(adapter: AdapterId, api: Api, model: &ModelInfo) -> Option<ContinuationForm> {
    if supports_prefill(adapter, api, model) {
        return Some(ContinuationForm::Prefill);
    }
    model.compat.continues_on_instruction.unwrap_or(false).then_some(ContinuationForm::Instruction)
}

/// Whether sealed reasoning without an origin is this provider's: a client's history may come from the vendor of its API
/// without a gateway between, and only Anthropic and `OpenAI` refuse values that they did not seal. Chat clients return none.
pub fn reads_bare_seals(adapter: AdapterId, api: Api, wire_model: &str) -> bool {
    match api {
        Api::ChatCompletions => true,
        Api::Messages => adapter == AdapterId::Generic && wire_model.contains("claude"),
        Api::Responses => adapter == AdapterId::Generic,
    }
}

/// Whether a model takes the tools that only its API has, see `client_tools`: Claude its own over Messages, and `OpenAI`'s
/// models from GPT-5 on those with free text and the local shell.
pub fn takes_client_tools(api: Api, wire_model: &str) -> bool {
    match api {
        Api::Messages => wire_model.contains("claude"),
        Api::ChatCompletions | Api::Responses => openai::takes_free_text(wire_model),
    }
}

/// What a target does with `cache_control` in a translated request. The Messages API has it, and OpenRouter over Chat
/// Completions; Claude caches nothing without it (Anthropic's and OpenRouter's guides: prompt caching, 2026-11).
pub fn cache_control_support(
    adapter: AdapterId,
    api: Api,
    wire_model: &str,
    model: &ModelInfo,
) -> CacheControlSupport {
    let is_known = match api {
        Api::Messages => true,
        Api::ChatCompletions => adapter == AdapterId::OpenRouter,
        Api::Responses => false,
    };
    let is_accepted = api != Api::Responses && model.compat.supports_cache_control.unwrap_or(is_known);
    match is_accepted {
        false => CacheControlSupport::Removed,
        true if wire_model.contains("claude") => CacheControlSupport::Added,
        true => CacheControlSupport::Kept,
    }
}

/// Rewrites a request for the provider that continues an interrupted answer. `None` when the client's output
/// limit is used up.
///
/// # Errors
/// As [`rewrite_request`], and where there is text but the model does not continue it: see [`continuation_form`].
pub fn rewrite_continuation(
    adapter: AdapterId,
    request: &RewriteInput<'_>,
    partial: &PartialAnswer<'_>,
) -> Result<Option<AdaptedRequest>, Failure> {
    let mut draft = RequestDraft::new(request);
    apply_rules(adapter, &mut draft)?;
    let has_room = parameters::reduce_limit(&mut draft, partial.output_tokens);
    let form = continuation_form(adapter, draft.body().api, request.model);
    history::append_partial_answer(
        &mut draft,
        adapter,
        partial.text,
        form.unwrap_or(ContinuationForm::Prefill),
    )?;
    Ok(has_room.then(|| finish_draft(draft)))
}

fn finish_draft(mut draft: RequestDraft<'_>) -> AdaptedRequest {
    openai::raise_output_limit(&mut draft);
    let thinking = ThinkingFields::read(&draft).resolve().level();
    AdaptedRequest { thinking, ..draft.finish() }
}

fn apply_rules(adapter: AdapterId, draft: &mut RequestDraft<'_>) -> Result<(), Failure> {
    if adapter == AdapterId::KimiCode {
        kimi_code::check_message_size(draft.body())?;
    }
    if let Some(unsupported) = unsupported_content::find_unsupported_content(adapter, draft.body()) {
        return Err(unsupported.into());
    }
    let model = draft.request.wire_model;
    if !draft.value("model").is_some_and(|literal| json::literal_equals(literal, model)) {
        draft.set(rules::MODEL, "model", json::to_string_literal(model));
    }
    match adapter {
        AdapterId::Moonshot | AdapterId::KimiCode => moonshot::rewrite(draft, adapter)?,
        AdapterId::OpenRouter => openrouter::rewrite(draft),
        AdapterId::Generic => generic::rewrite(draft)?,
    }
    tools::record_offered_tools(draft);
    parameters::record_cache_lifetime(draft);
    Ok(())
}

#[cfg(test)]
mod tests;
