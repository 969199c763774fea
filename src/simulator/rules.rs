//! What the real providers refuse, with their own statuses, types and texts.
//!
//! Moonshot and Kimi Code share one engine and so one set of rules; OpenRouter ignores what it does not know, and applies
//! Moonshot's rules only where the request pins Moonshot's own endpoint.

mod access;
mod messages;
mod parameters;
mod schema;
mod tools;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub(super) use access::{CLIENT_NOT_ALLOWED_MESSAGE, KIMI_INVALID_KEY_MESSAGE, check_client, check_key};

use super::api::Api;
use super::engine::request::{EngineRequest, list};
use super::engine::web_search;
use super::error_response::ErrorResponse;
use super::models::{self, SimulatedModel, ThinkingMode};
use super::provider::Provider;

/// What decides, beside the request.
#[derive(Clone, Copy)]
pub(super) struct RuleOptions {
    /// Off: only the model and the messages' presence are checked.
    pub(super) is_strict: bool,
    /// On: the first model answers for those that the provider does not have.
    pub(super) accepts_any_model: bool,
    /// Kimi Code's limit on the bytes of `messages`.
    pub(super) message_bytes: usize,
}

/// The model that answers, if no rule refuses the request.
///
/// # Errors
/// The refusal that the provider would send.
pub(super) fn check_request(
    provider: Provider,
    request: &EngineRequest,
    book: RuleOptions,
) -> Result<&'static SimulatedModel, ErrorResponse> {
    let model = find_served_model(provider, request, book)?;
    if !book.is_strict {
        return Ok(model);
    }
    match (request.api, &request.original_body) {
        (Api::Messages, Some(sent)) => super::messages::request_rules::check_request(provider, model, sent)?,
        (Api::Responses, Some(sent)) => super::responses::request_rules::check_request(provider, sent)?,
        _ => {}
    }
    match provider {
        Provider::Moonshot | Provider::Kimi => check_engine_rules(provider, model, request, book)?,
        Provider::OpenRouter => {
            messages::check_size_openrouter(model, request)?;
            if is_pinned_to_moonshot(model, request) {
                check_engine_rules(Provider::Moonshot, model, request, book)
                    .map_err(ErrorResponse::wrap_for_openrouter)?;
            }
        }
    }
    Ok(model)
}

/// The requested model, if the request has messages for it.
///
/// # Errors
/// The refusal of an unknown model, or of an empty list of messages.
pub(super) fn find_served_model(
    provider: Provider,
    request: &EngineRequest,
    book: RuleOptions,
) -> Result<&'static SimulatedModel, ErrorResponse> {
    let stand_in = models::models_of(provider).first().filter(|_| book.accepts_any_model);
    let model = choose_model(provider, request).or_else(|refusal| stand_in.ok_or(refusal))?;
    messages::check_present(provider, request)?;
    Ok(model)
}

/// Whether the model thinks in this request.
pub(super) fn is_thinking(model: &SimulatedModel, request: &EngineRequest) -> bool {
    let off = match model.vendor {
        "Moonshot AI" => {
            request.thinking_type() == Some("disabled")
                || request.body.pointer("/reasoning/enabled") == Some(&Value::Bool(false))
                || request.body.pointer("/reasoning/effort").and_then(Value::as_str) == Some("none")
        }
        _ => true,
    };
    match model.thinking {
        ThinkingMode::Never => false,
        ThinkingMode::Always => true,
        ThinkingMode::Switch | ThinkingMode::Effort => !off,
    }
}

fn choose_model(
    provider: Provider,
    request: &EngineRequest,
) -> Result<&'static SimulatedModel, ErrorResponse> {
    let asked = request.model();
    if let Some(model) = models::find_model(provider, asked) {
        return Ok(model);
    }
    if provider != Provider::OpenRouter {
        return Err(ErrorResponse::unknown_model(asked));
    }
    let fallbacks = list(request.body.get("models")).iter().filter_map(Value::as_str);
    fallbacks.filter_map(|id| models::find_model(provider, id)).next().ok_or_else(|| {
        if asked.is_empty() {
            ErrorResponse::bad_request("No models provided")
        } else {
            ErrorResponse::bad_request(format!("{asked} is not a valid model ID"))
        }
    })
}

fn check_engine_rules(
    provider: Provider,
    model: &SimulatedModel,
    request: &EngineRequest,
    book: RuleOptions,
) -> Result<(), ErrorResponse> {
    parameters::check_parameters(provider, model, request)?;
    tools::check_tools(provider, model, request)?;
    messages::check_messages(provider, model, request)?;
    web_search::check_results(provider, request)?;
    messages::check_size(provider, model, request, book.message_bytes)
}

/// Whether the request allows OpenRouter only Moonshot as provider.
fn is_pinned_to_moonshot(model: &SimulatedModel, request: &EngineRequest) -> bool {
    let first_is_moonshot = |key: &str| {
        list(request.body.pointer(key))
            .first()
            .and_then(Value::as_str)
            .is_some_and(|name| name.to_ascii_lowercase().starts_with("moonshot"))
    };
    let only = list(request.body.pointer("/provider/only")).len() == 1 && first_is_moonshot("/provider/only");
    let alone = request.body.pointer("/provider/allow_fallbacks") == Some(&Value::Bool(false));
    model.id.starts_with("moonshotai/") && (only || (alone && first_is_moonshot("/provider/order")))
}
