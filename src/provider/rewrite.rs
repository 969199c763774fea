//! Requests: the client's body becomes the provider's by edits of spans.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{generic, kimi_code, moonshot, openrouter, unsupported_content};
use crate::catalog::{AdapterId, ModelInfo, ThinkingLevel};
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::edit::Edits;
use crate::protocol::request::RequestBody;

pub(super) mod compat;
pub(super) mod digest;
pub(super) mod draft;
pub(super) mod limits;
mod messages;
pub(super) mod parameters;
pub(super) mod prefill;
pub(super) mod reasoning;
mod responses;
pub(super) mod roles;
pub mod rules;
pub(super) mod schema;
#[cfg(test)]
mod tests;
pub(super) mod thinking;
pub(super) mod tool_calls;
pub(super) mod tool_choice;
pub(super) mod tool_ids;
pub(super) mod tool_names;
pub(super) mod tools;
pub(super) mod usage;

use draft::RequestDraft;

/// What a rewrite needs to know.
#[derive(Clone, Copy, Debug)]
pub struct RewriteInput<'a> {
    /// The body in the API format of the provider.
    pub body: &'a RequestBody,
    /// Facts of the model, compat flags included.
    pub model: &'a ModelInfo,
    /// The id that the provider is to see.
    pub wire_model: &'a str,
    /// `params` of the configuration: they fill only what the client left out.
    pub params: &'a Map<String, Value>,
    /// `thinkingDefault`; after `params`, and only what is still left out.
    pub default_thinking: Option<ThinkingLevel>,
    /// `sanitizeToolCallIds`.
    pub sanitize_tool_call_ids: bool,
}

/// What there is already of an answer.
#[derive(Clone, Copy, Debug)]
pub struct PartialAnswer<'a> {
    /// The text to go on from; empty where the answer starts afresh.
    pub text: &'a str,
    /// Output tokens that it took.
    pub output_tokens: u64,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct AdaptedRequest {
    /// The changes.
    pub edits: Edits,
    /// The rules that changed something, in order, without repetition; [`rules::RULES`] explains them.
    pub rules: Vec<&'static str>,
    /// What the answer needs.
    pub answer_plan: AnswerPlan,
    /// The thinking level of the request as it is sent. `None` leaves it to the model.
    pub thinking: Option<ThinkingLevel>,
}

/// What must be done to the answer so that the client does not notice the rewrite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerPlan {
    /// Tool names as sent, and as the client knows them.
    pub tool_names: Vec<(String, String)>,
    /// Tools of a namespace that were sent as plain functions: namespace and name by the name as sent.
    pub namespaced_tools: BTreeMap<String, (String, String)>,
    /// The client did not ask for usage in the stream: hide it.
    pub hides_usage: bool,
    /// The response continues an earlier one: it may consist of a finish only.
    pub is_continuation: bool,
    /// Names of the request's tools as sent: leaked markup becomes calls only where tools were offered.
    pub offers_tools: bool,
}

/// Rewrites a request for one provider.
///
/// # Errors
/// When the request breaks a rule of the provider that no rewrite can fix: the failure to record without a
/// call.
pub fn rewrite_request(dialect: AdapterId, request: &RewriteInput<'_>) -> Result<AdaptedRequest, Failure> {
    let mut draft = RequestDraft::new(request);
    apply_rules(dialect, &mut draft)?;
    Ok(finish_draft(draft))
}

/// Whether a model continues an answer from its beginning over this API. For chat, the catalog and the
/// configuration decide. For Messages, only the configuration of a provider that the catalog does not know can
/// enable it: the Messages APIs of Kimi and OpenRouter do not document it. Responses does not support it.
#[must_use]
pub fn supports_prefill(dialect: AdapterId, face: Api, model: &ModelInfo) -> bool {
    let is_known = match face {
        Api::ChatCompletions => true,
        Api::Messages => dialect == AdapterId::Generic,
        Api::Responses => false,
    };
    is_known && model.compat.supports_prefill == Some(true)
}

/// Rewrites a request for the provider that continues an interrupted answer. `None` when the client's output
/// limit is used up.
///
/// # Errors
/// As [`rewrite_request`], and where there is text but the API cannot carry it: see [`supports_prefill`].
pub fn rewrite_continuation(
    dialect: AdapterId,
    request: &RewriteInput<'_>,
    begun: &PartialAnswer<'_>,
) -> Result<Option<AdaptedRequest>, Failure> {
    let mut draft = RequestDraft::new(request);
    apply_rules(dialect, &mut draft)?;
    let has_room = limits::reduce_limit(&mut draft, begun.output_tokens);
    prefill::append_prefill(&mut draft, dialect, begun.text)?;
    Ok(has_room.then(|| finish_draft(draft)))
}

fn finish_draft(draft: RequestDraft<'_>) -> AdaptedRequest {
    let thinking = thinking::ThinkingFields::read(&draft).resolve().level();
    AdaptedRequest { thinking, ..draft.finish() }
}

fn apply_rules(dialect: AdapterId, draft: &mut RequestDraft<'_>) -> Result<(), Failure> {
    draft.set_model();
    if dialect == AdapterId::KimiCode {
        kimi_code::check_size(draft)?;
    }
    if let Some(untaken) = unsupported_content::find_unsupported_content(dialect, draft.body()) {
        return Err(untaken.into());
    }
    match (draft.body().api, dialect) {
        (Api::ChatCompletions, AdapterId::Moonshot) => moonshot::rewrite(draft),
        (Api::ChatCompletions, AdapterId::KimiCode) => kimi_code::rewrite(draft),
        (Api::ChatCompletions, AdapterId::OpenRouter) => openrouter::rewrite(draft),
        (Api::ChatCompletions, AdapterId::Generic) => generic::rewrite(draft),
        (Api::Messages, _) => messages::rewrite(dialect, draft),
        (Api::Responses, _) => responses::rewrite(dialect, draft),
    }
    Ok(())
}
