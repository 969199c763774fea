//! OpenRouter. Sources, where a rule has no other: SDK 1.3.19 and its error pages, 2026-10.

use serde_json::{Value, json};

use super::errors::{self, Classification, ErrorDetails, ErrorRule};
use super::rule::draft::RequestDraft;
use super::rule::thinking::{ThinkingFields, ThinkingRequest};
use super::rule::tool_ids::{self, IdForm};
use super::rule::{compat, history, parameters, thinking_settings, tools};
use super::{generic, moonshot, rules};
use crate::catalog::{ThinkingControl, ThinkingLevel};
use crate::failure::Reason;
use crate::protocol::api::Api;
use crate::protocol::request::RequestBody;

/// The author of Kimi's models in OpenRouter's ids.
const MOONSHOT_PREFIX: &str = "moonshotai/";

pub(crate) fn rewrite(draft: &mut RequestDraft<'_>) {
    let api = draft.body().api;
    parameters::fill_missing(draft, &[]);
    tools::flatten_namespaces(draft);
    match api {
        Api::ChatCompletions => apply_thinking(draft),
        Api::Messages | Api::Responses => thinking_settings::apply_default(draft),
    }
    if api == Api::Messages {
        history::remove_unsigned_thinking(draft, true);
    }
    set_provider_order(draft);
    compat::apply_flags(draft, false);
    if api == Api::ChatCompletions {
        generic::adapt_chat(draft);
        history::remove_empty_details(draft);
        if draft.request.model.compat.requires_reasoning_content == Some(true) {
            compat::fill_reasoning(draft, true);
        } else {
            history::rename_reasoning(draft, "reasoning_content", "reasoning");
        }
        // Usage always comes; clients that did not ask for it do not expect it.
        draft.answer_plan.hides_usage = draft.body().wants_stream() && !draft.body().wants_usage();
    }
    tool_ids::make_unique(draft, IdForm::of_other_provider(api));
}

/// The provider that answered the conversation last is first, because it has the prompt cache; for Kimi's models otherwise
/// Moonshot. A provider list or sort order in the request wins. OpenRouter takes the names that it reports and its slugs
/// (SDK 1.3.19).
pub(crate) fn set_provider_order(draft: &mut RequestDraft<'_>) {
    let model = draft.request.wire_model;
    // A variant such as `:nitro` is a sort order, and `openrouter/auto` may choose another model each time.
    let is_routed = model.contains(':') || model.starts_with("openrouter/");
    if is_routed || draft.non_null_value("provider").is_some() {
        return;
    }
    let moonshot = model.starts_with(MOONSHOT_PREFIX).then_some("moonshotai");
    if let Some(first) = draft.request.last_provider.or(moonshot) {
        let order = json!({ "order": [first], "allow_fallbacks": true });
        draft.set(rules::PROVIDER_ORDER, "provider", order.to_string());
    }
}

/// What a request demands of OpenRouter's routing and another provider cannot promise: a data policy, a choice of providers,
/// a highest price. Preferences such as `sort` are not demands (OpenRouter's guide: provider routing, 2026-11).
pub fn find_restriction(body: &RequestBody) -> Option<&'static str> {
    let preferences: Value = serde_json::from_slice(body.value("provider")?).ok()?;
    let is_filled = |key: &str| match preferences.get(key) {
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        _ => false,
    };
    let is_true = |key: &str| preferences.get(key) == Some(&Value::Bool(true));
    let is_pinned = is_filled("order") && preferences.get("allow_fallbacks") == Some(&Value::Bool(false));
    [
        ("provider.zdr", is_true("zdr")),
        (
            "provider.data_collection",
            preferences.get("data_collection").is_some_and(|policy| policy == "deny"),
        ),
        ("provider.enforce_distillable_text", is_true("enforce_distillable_text")),
        ("provider.only", is_filled("only")),
        ("provider.ignore", is_filled("ignore")),
        ("provider.order without fallbacks", is_pinned),
        ("provider.max_price", is_filled("max_price")),
    ]
    .into_iter()
    .find_map(|(name, is_demanded)| is_demanded.then_some(name))
}

const REASONING_OFF: &str = r#"{"enabled":false}"#;
const REASONING_ON: &str = r#"{"enabled":true}"#;

/// Writes the thinking setting as `reasoning`; `reasoning` and `reasoning_effort` stay as the client wrote them.
pub(crate) fn apply_thinking(draft: &mut RequestDraft<'_>) {
    let fields = ThinkingFields::read(draft);
    let requested = fields.resolve();
    if requested == ThinkingRequest::Unspecified {
        apply_default(draft);
    }
    let is_its_own =
        draft.non_null_value("reasoning").is_some() || draft.non_null_value("reasoning_effort").is_some();
    let Some(thinking) = &fields.thinking else { return };
    draft.remove(rules::THINKING, "thinking");
    match requested {
        ThinkingRequest::Off => {
            draft.remove(rules::THINKING, "reasoning_effort");
            // A model that always thinks rejects it.
            if draft.request.model.thinking_control == ThinkingControl::Always {
                draft.remove(rules::THINKING, "reasoning");
            } else {
                draft.set(rules::THINKING, "reasoning", REASONING_OFF);
            }
        }
        ThinkingRequest::On | ThinkingRequest::Level(_) if !is_its_own => {
            draft.set(rules::THINKING, "reasoning", render_reasoning(thinking, requested));
        }
        _ => {}
    }
}

fn render_reasoning(thinking: &Value, requested: ThinkingRequest) -> String {
    match (requested, thinking.get("budget_tokens").and_then(Value::as_u64)) {
        (ThinkingRequest::Level(level), _) => render_effort(level),
        (_, Some(budget)) => format!(r#"{{"max_tokens":{budget}}}"#),
        _ => REASONING_ON.to_owned(),
    }
}

fn render_effort(level: ThinkingLevel) -> String {
    format!(r#"{{"effort":"{}"}}"#, level.as_str())
}

/// `thinkingDefault`, for models that think or of which nothing is known.
fn apply_default(draft: &mut RequestDraft<'_>) {
    let request = draft.request;
    let reasoning = match (request.default_thinking, request.model.thinking_control) {
        (None | Some(ThinkingLevel::Adaptive), _) | (_, ThinkingControl::None) => return,
        // The model rejects it.
        (Some(ThinkingLevel::Off), ThinkingControl::Always) => return,
        (Some(ThinkingLevel::Off), _) => REASONING_OFF.to_owned(),
        (Some(level), _) => render_effort(level),
    };
    draft.remove(rules::THINKING_DEFAULT, "reasoning_effort");
    draft.set(rules::THINKING_DEFAULT, "reasoning", reasoning);
}

/// OpenRouter's own texts first, then the metadata, then the wrapped provider's error.
pub(crate) fn classify(details: &ErrorDetails) -> Option<Classification> {
    classify_billing(details)
        .or_else(|| classify_moderation(details))
        .or_else(|| classify_wrapped_error(details))
        .or_else(|| errors::match_first(ERROR_RULES, details))
        .or_else(|| classify_error_type(details))
}

const ERROR_RULES: &[ErrorRule] = &[
    ErrorRule::by_phrase(Reason::Quota, &[429], "free-models-per-day|per-day"),
    ErrorRule::by_status(Reason::ModelNotFound, &[404]),
    ErrorRule::by_phrase(Reason::ModelNotFound, &[400], "is not a valid model id"),
];

/// 402 and budgets. Requests in flight reserve balance until they end.
fn classify_billing(details: &ErrorDetails) -> Option<Classification> {
    let source = details.metadata_text("limit_source");
    let is_in_flight =
        source.contains("in_flight_budget") || details.metadata_text("reason").contains("in_flight_budget");
    let is_budget = matches!(
        source,
        "openrouter_key_limit" | "openrouter_guardrail_budget" | "openrouter_workspace_budget"
    ) || details.lowercase_text.contains("budget limit exceeded")
        || details.lowercase_text.contains("key limit exceeded");
    let resets = details.metadata.get("resets_at").is_some_and(|at| !at.is_null());
    match details.status {
        Some(402 | 429) if is_in_flight => Some(Reason::RateLimit.into()),
        // A budget with a window resets by itself; one without needs a person.
        Some(402 | 403) if is_budget => Some(if resets { Reason::Quota } else { Reason::Billing }.into()),
        Some(402) if details.wrapped_error.is_none() => Some(Reason::Billing.into()),
        _ => None,
    }
}

fn classify_moderation(details: &ErrorDetails) -> Option<Classification> {
    let is_flagged = ["reasons", "flagged_input"].iter().any(|key| details.metadata.get(*key).is_some())
        || details.lowercase_text.contains("flagged")
        || details.lowercase_text.contains("moderation");
    (details.status == Some(403) && is_flagged).then(|| Reason::ContentFilter.into())
}

/// The wrapped provider's error (`metadata.raw`). Its account is OpenRouter's, unless the user supplied a key.
fn classify_wrapped_error(details: &ErrorDetails) -> Option<Classification> {
    let inner = details.wrapped_error.as_deref()?;
    let is_byok = details.metadata.get("is_byok") == Some(&Value::Bool(true));
    let inner = ErrorDetails { status: details.status.or(inner.status), ..inner.clone() };
    let rows = [moonshot::ERROR_RULES, generic::ERROR_RULES];
    let classification = rows.iter().find_map(|rows| errors::match_first(rows, &inner));
    match classification.map(|classification| classification.reason) {
        Some(Reason::Auth | Reason::Billing | Reason::Quota) if !is_byok => Some(Reason::Server.into()),
        Some(_) => classification,
        None if matches!(details.status, Some(401..=403)) && !is_byok => Some(Reason::Server.into()),
        None => None,
    }
}

/// `metadata.error_type`, the SDK's enumeration; `unmapped` and later additions are not in it.
const ERROR_TYPES: &[(Reason, &str)] = &[
    (
        Reason::ContextOverflow,
        "context_length_exceeded|token_limit_exceeded|string_too_long|payload_too_large",
    ),
    (Reason::Auth, "authentication|permission_denied"),
    (Reason::Billing, "payment_required"),
    (Reason::RateLimit, "rate_limit_exceeded"),
    (Reason::Overloaded, "provider_overloaded"),
    (Reason::Server, "provider_unavailable|server"),
    (Reason::ModelNotFound, "not_found"),
    (Reason::ContentFilter, "content_policy_violation|refusal"),
    (Reason::Timeout, "timeout"),
    (
        Reason::BadRequest,
        "invalid_request|invalid_prompt|precondition_failed|unprocessable|invalid_image|image_not_found",
    ),
];

/// Limits of the one model or provider.
const LIMIT_ERROR_TYPES: &str =
    "max_tokens_exceeded|image_too_large|image_too_small|unsupported_image_format|image_download_failed";

fn classify_error_type(details: &ErrorDetails) -> Option<Classification> {
    let is_one_of = |words: &str| words.split('|').any(|word| word == details.metadata_text("error_type"));
    if is_one_of(LIMIT_ERROR_TYPES) {
        return Some(Classification { is_provider_rule: true, ..Reason::BadRequest.into() });
    }
    ERROR_TYPES.iter().find(|(_, words)| is_one_of(words)).map(|(reason, _)| (*reason).into())
}
